"""The site of the fault matrix, on storages of all kinds."""

import html
import io
import re
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from django.conf import settings as django_settings
from django.urls import reverse
from PIL import Image, ImageChops, ImageOps, ImageStat
from support.waiting import until
from wagtail.images import get_image_model

from suites.faults import fault_site as faults
from wagtail_smart_resize import actions
from wagtail_smart_resize.core.sizes import Slot
from wagtail_smart_resize.models import Candidate, ImageVersion
from wagtail_smart_resize.repair import repairs

from .backends import RemoteStorage, StorageCall

if TYPE_CHECKING:
    from .s3_server import Call, S3Server

#: The mean difference of two pictures' channels, of 255, up to which scaling and JPEG alone can be
#: what they differ by.
SAME = 0.5


def get(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=30) as response:
        return response.read()


def answers(address: str) -> bool:
    try:
        return bool(get(address))
    except urllib.error.HTTPError as error:
        with error:
            return False


def difference(one: bytes, other: bytes) -> float:
    """Return the difference between a picture and another one that is cut to its shape and size."""
    with Image.open(io.BytesIO(one)) as first, Image.open(io.BytesIO(other)) as second:
        fitted = ImageOps.fit(second.convert("RGB"), first.size, Image.Resampling.LANCZOS)
        means = ImageStat.Stat(ImageChops.difference(first.convert("RGB"), fitted)).mean
    return sum(means) / len(means)


class StorageSite(faults.FaultSite):
    def __init__(
        self, gateway: Any, url: str, settings: Any, moving_clock: Any, editor: Any, s3: "S3Server"
    ) -> None:
        self.s3 = s3
        super().__init__(gateway, url, settings, moving_clock, editor)

    # Visitors and editors

    def page(self) -> list[str]:
        """Get the page alone; return the addresses of its pictures, ours and the crop of each
        slot."""
        found = re.findall(r'src="([^"]+)"', get(f"{self.url}/a-page/").decode())
        return [urljoin(self.url, html.unescape(each)) for each in found]

    def addresses(self) -> list[str]:
        """Return the addresses of our filter's pictures."""
        return self.page()[::2]

    def visit(self) -> list[faults.Seen]:
        pictures = [get(address) for address in self.page()]
        assert len(pictures) == 2 * len(faults.SLOTS)
        return [faults.Seen(*pictures[at : at + 2]) for at in range(0, len(pictures), 2)]

    def want(self) -> None:
        """View the page for the first time; what it wants is written after the response."""
        self.visit()
        until(lambda: len(self.rows()) == len(faults.SLOTS), "both shapes are wanted")

    def screen(self) -> list[str]:
        """Open the image's screen as an editor, and the room of each place in it.

        Return all addresses that they link or show.
        """
        sheet = self._opened(reverse("smart_resize_admin:image", args=[self.image.pk]))
        tiles = re.findall(r'class="smart-resize-tile__link" href="([^"]+)"', sheet)
        assert len(tiles) == len(faults.SLOTS)
        opened = [sheet, *(self._opened(html.unescape(each)) for each in tiles)]
        found = [each for text in opened for each in re.findall(r'"(http[^"]+)"', text)]
        return [html.unescape(each) for each in found]

    def _opened(self, address: str) -> str:
        """Open an address as the screen's script does."""
        response = self.editor.get(address, headers={"X-Requested-With": "XMLHttpRequest"})
        assert response.status_code == 200
        return str(response.text)

    # Actions

    def go_live(self) -> None:
        """Go from the first view on until both shapes are live."""
        self.want()
        self.run_to_end()

    def run_to_end(self) -> None:
        """Go on until nothing is in flight or to be published."""
        self.run_until(self._is_done)

    def _is_done(self) -> bool:
        under_way = any(row.purchase != row.Purchase.IDLE for row in self.rows())
        return not under_way and not ImageVersion.objects.exclude(publish_due_at=None).exists()

    def ask_again(self) -> None:
        targets = [actions.ResizeTarget(Slot.parse(slot)) for slot in faults.SLOTS]
        actions.request_recomposition(self.fresh_image(), targets, override_rules=True)
        self.run_to_end()

    def choose(self, position: int) -> None:
        """Choose the candidate at this position, the oldest first, of both shapes."""
        for row in self.rows():
            actions.choose(list(row.candidates.all())[position])
        self.run_to_end()

    def use_crop(self) -> None:
        for row in self.rows():
            actions.use_crop(row)
        self.run_to_end()

    def delete_retired(self) -> None:
        """Note what is retired, and delete it after its days."""
        assert repairs.run().failed == 0
        self.moving_clock.skip(
            days=django_settings.WAGTAIL_SMART_RESIZE.get("KEEP_RETIRED_DAYS", 7) + 1
        )
        assert repairs.run().failed == 0

    def fresh_image(self) -> Any:
        return get_image_model().objects.get(pk=self.image.pk)

    # State

    def shows(self, position: int) -> bool:
        """Tell whether the page shows the candidates at this position, with the right pixels.

        Not those of another candidate, and not those of the crop.
        """
        for seen, candidates in zip(self.visit(), self._candidates(), strict=True):
            same = [difference(seen.ours, each) <= SAME for each in (*candidates, seen.crop)]
            if not same.pop(position) or any(same):
                return False
        return True

    def shows_crops(self) -> bool:
        return all(seen.ours == seen.crop for seen in self.visit())

    def _candidates(self) -> list[list[bytes]]:
        """Return the stored files of each slot's row."""
        return [[_content(each) for each in row.candidates.all()] for row in self.rows()]

    def stored(self) -> list[str]:
        """Return the names of all files in all storages."""
        root = django_settings.MEDIA_ROOT
        local = [str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()]
        return sorted(local + self.s3.names())

    def named(self) -> list[str]:
        """Return the names of all files that rows name."""
        model = get_image_model()
        files = [
            *model.objects.values_list("file", flat=True),
            *model.get_rendition_model().objects.values_list("file", flat=True),
            *Candidate.objects.values_list("file", flat=True),
        ]
        return sorted(files)

    def asked_of_storages(self) -> "list[StorageCall | Call]":
        """Return the site's calls of storages other than this machine's files."""
        return [*RemoteStorage.calls, *(call for call in self.s3.calls if call.by_site)]


def _content(candidate: Any) -> bytes:
    with candidate.file.open("rb") as file:
        return file.read()
