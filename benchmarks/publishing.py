"""Times preparing an image's renditions for a recomposition beside Wagtail's own work for them.

Wagtail makes each rendition from the file: read, decode, resize, encode, store. All renditions that
we prepare before a picture goes live come from one candidate, which is read and decoded once.
"""

import io
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import django
from support.paths import PHOTOS

django.setup()

from django.core.files.images import ImageFile  # noqa: E402
from django.core.management import call_command  # noqa: E402
from PIL import Image, features  # noqa: E402
from support.measuring import in_turns  # noqa: E402
from wagtail.images import get_image_model  # noqa: E402
from wagtail.models import Collection  # noqa: E402

from wagtail_smart_resize.core.sizes import shape_of  # noqa: E402
from wagtail_smart_resize.models import Candidate, ImageVersion, Recomposition  # noqa: E402
from wagtail_smart_resize.publishing import publication  # noqa: E402

from . import files  # noqa: E402
from .rows import Row, Skipped  # noqa: E402

PHOTO = PHOTOS / "astronaut.png"
#: The API's size for 16:9 at its tier "2K".
CANDIDATE = (2752, 1536)
SIZES = ((1920, 1072), (1600, 893), (1280, 714), (960, 536), (640, 357), (320, 179))
FORMATS = ("jpeg", "webp", "avif")


def measure(directory: Path, quick: bool) -> list[Row]:
    if not features.check("avif"):
        raise Skipped("Pillow has no AVIF here")
    call_command("migrate", verbosity=0, run_syncdb=True)
    Collection.add_root(name="Root")
    content = _picture()
    rounds = 2 if quick else 7
    rows = [_compared("three formats", FORMATS, content, rounds, at_most=0.35)]
    for name in FORMATS:
        rows.append(_compared(f"{name.upper()} only", (name,), content, rounds, at_most=0.7))
    return [*rows, _encoding(content, rounds), *files.rows(quick)]


def _picture() -> bytes:
    """Return a photograph in the candidate's size, with the grain that an enlarged one lacks."""
    with Image.open(PHOTO) as photo:
        drawn = photo.convert("RGB").crop((0, 100, 512, 386)).resize(CANDIDATE)
    grain = Image.frombytes("L", CANDIDATE, random.Random(0).randbytes(CANDIDATE[0] * CANDIDATE[1]))
    picture = Image.blend(drawn, Image.merge("RGB", [grain] * 3), 0.03)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=90)
    return file.getvalue()


def _compared(
    name: str, formats: tuple[str, ...], content: bytes, rounds: int, at_most: float
) -> Row:
    ours, theirs = _Ours(content, formats), _Theirs(content, formats)
    sides = {"ours": ours, "wagtail": theirs}
    times = in_turns(
        {"ours": ours.make, "wagtail": theirs.make},
        rounds,
        prepare=lambda side: sides[side].clear(),
        clock=time.process_time,
        warm_up=1,
    )
    ratio = times.ratio("ours", to="wagtail")
    counts = {
        "renditions": len(ours.specs),
        "decoded": ours.decoded(),
        "decoded by Wagtail": theirs.decoded(),
    }
    note = f"{times.of('ours').median:.2f} s beside {times.of('wagtail').median:.2f} s"
    what = f"Renditions of one shape, {name}, beside Wagtail's processor time for them"
    return Row(what, *ratio, at_most=at_most, counts=counts, note=note)


class _Side:
    """Makes the renditions from the same file repeatedly."""

    def __init__(self, operation: str, content: bytes, formats: tuple[str, ...]) -> None:
        self.specs = [
            f"format-{name}|{operation}-{width}x{height}"
            for name in formats
            for width, height in SIZES
        ]
        self.image = _image(content)

    def clear(self) -> None:
        for rendition in self.image.renditions.all():
            rendition.delete()

    def make(self) -> None:
        raise NotImplementedError

    def decoded(self) -> int:
        """Return how often a JPEG was decoded for all renditions."""
        self.clear()
        with _decodes() as sizes:
            self.make()
        return sizes[CANDIDATE]


class _Theirs(_Side):
    def __init__(self, content: bytes, formats: tuple[str, ...]) -> None:
        super().__init__("fill", content, formats)

    def make(self) -> None:
        image = get_image_model().objects.get(pk=self.image.pk)
        for spec in self.specs:
            image.get_rendition(spec)


class _Ours(_Side):
    """An image whose candidate is that file; visitors were shown the crops before."""

    def __init__(self, content: bytes, formats: tuple[str, ...]) -> None:
        super().__init__("smartresize", content, formats)
        row = Recomposition.objects.create(
            image=self.image,
            source_hash=self.image.file_hash,
            shape=shape_of(*SIZES[0]),
            slots=[f"{width}x{height}" for width, height in SIZES],
            purchase=Recomposition.Purchase.IDLE,
        )
        self._row = row
        self._candidate = Candidate.objects.create(
            recomposition=row,
            file=Candidate.new_name(self.image.pk, "jpeg"),
            width=CANDIDATE[0],
            height=CANDIDATE[1],
            digest="0" * 64,
        )
        self._candidate.write(content)
        image = get_image_model().objects.get(pk=self.image.pk)
        image.get_renditions(*self.specs)
        self._crops = set(image.renditions.values_list("pk", flat=True))

    def clear(self) -> None:
        """Undo the publication; the crops stay."""
        for rendition in self.image.renditions.exclude(pk__in=self._crops):
            rendition.delete()
        ImageVersion.objects.filter(image=self.image).delete()
        Recomposition.objects.filter(pk=self._row.pk).update(live=self._candidate)
        ImageVersion.mark_publish_due(self.image.pk)

    def make(self) -> None:
        assert publication.publish(self.image.pk)
        assert self.image.renditions.count() == len(self._crops) + len(self.specs)


def _image(content: bytes) -> Any:
    image = get_image_model()(title="Photo", file=ImageFile(io.BytesIO(content), "photo.jpg"))
    image._set_image_file_metadata()
    image.save()
    return image


@contextmanager
def _decodes() -> Iterator[Counter[tuple[int, int]]]:
    """Count the JPEGs whose pixels are read, by their sizes."""
    from PIL import JpegImagePlugin

    sizes: Counter[tuple[int, int]] = Counter()
    prepare = JpegImagePlugin.JpegImageFile.load_prepare

    def recorded(picture: Any) -> None:
        sizes[picture.size] += 1
        prepare(picture)

    with patch.object(JpegImagePlugin.JpegImageFile, "load_prepare", recorded):
        yield sizes


def _encoding(content: bytes, rounds: int) -> Row:
    """Measure the share of encoding in Wagtail's time, which no preparation can save."""
    with Image.open(io.BytesIO(content)) as opened:
        opened.load()
        resized = [opened.resize(size) for size in SIZES]
    shares: dict[str, Callable[[], object]] = {
        "all": lambda: [_wagtails(content, size, name) for size in SIZES for name in FORMATS],
        "encoding": lambda: [_encode(each, name) for each in resized for name in FORMATS],
    }
    times = in_turns(shares, rounds, clock=time.process_time, warm_up=1)
    return Row(
        "Of Wagtail's processor time for three formats, encoding alone",
        *times.ratio("encoding", to="all"),
        note="Pillow's work, without database and storage",
    )


def _wagtails(content: bytes, size: tuple[int, int], name: str) -> None:
    import willow

    picture = willow.Image.open(io.BytesIO(content)).auto_orient().resize(size)
    _save(picture, name)


def _encode(picture: Any, name: str) -> None:
    from willow.plugins.pillow import PillowImage

    _save(PillowImage(picture), name)


def _save(picture: Any, name: str) -> None:
    """Encode as Wagtail's filters do."""
    if name == "jpeg":
        picture.save_as_jpeg(io.BytesIO(), quality=76, progressive=True, optimize=True)
    else:
        quality = {"webp": 80, "avif": 61}[name]
        getattr(picture, f"save_as_{name}")(io.BytesIO(), quality=quality)
