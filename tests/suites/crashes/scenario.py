"""The steps of a child: from a page's crops to the cleaned storage, and the facts it reports."""

import datetime as dt
import io
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import F
from django.template import Context, Template
from django.test import Client
from django.utils import timezone
from PIL import Image
from wagtail.images import get_image_model

from wagtail_smart_resize.models import (
    BudgetPeriod,
    Candidate,
    GatewayRequest,
    PipelineState,
    Recomposition,
)
from wagtail_smart_resize.purchasing import passes, schedule
from wagtail_smart_resize.repair import repairs
from wagtail_smart_resize.settings import settings as our_settings

SPECS = ("smartresize-240x126", "smartresize-120x63", "smartresize-200x200")
PAGE = "/pictures/?" + "&".join(f"spec={spec}" for spec in SPECS)
HOUR = dt.timedelta(hours=1, seconds=1)


class Clock:
    """Replaces every clock of this process, and leaps where the pipeline would wait."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._ahead = dt.timedelta(seconds=float(file.read_text() if file.exists() else 0))
        real = timezone.now
        timezone.now = lambda: real() + self._ahead

    def leap_to(self, moment: dt.datetime) -> None:
        self.leap(max(dt.timedelta(), moment - timezone.now()))

    def leap(self, time: dt.timedelta) -> None:
        """Leap, and write the offset to a file from which the next process goes on."""
        self._ahead += time
        self._file.write_text(str(self._ahead.total_seconds()))


class Scenario:
    """The steps of one process from its start; another process can repeat each of them."""

    def __init__(self, moving_clock: Clock) -> None:
        self.moving_clock = moving_clock

    def show(self) -> None:
        """Render a page, without sending the response."""
        photos = get_image_model().objects.all()
        tags = "".join("{% image photo " + spec + " %}" for spec in SPECS)
        html = "{% load wagtailimages_tags %}{% for photo in photos %}" + tags + "{% endfor %}"
        Template(html).render(Context({"photos": photos}))

    def work(self) -> None:
        """Do all that is due, as thread, tick and worker do, but without waiting."""
        for _pass in range(60):
            passes.run_pass(workers=1)
            repairs.run_if_due(PipelineState.get_current())
            due = schedule.next_step_at()
            if due is None:
                return
            self.moving_clock.leap_to(due)
        raise AssertionError(f"After 60 passes something is due at {due}")

    def finish(self) -> None:
        """Do all that is due, and what the hourly repair finds to do."""
        self.work()
        self.moving_clock.leap(HOUR)
        self.work()

    def tidy(self) -> None:
        """Go on until what is retired has been noted and, after its days, deleted."""
        self.finish()
        self.moving_clock.leap(dt.timedelta(days=our_settings.KEEP_RETIRED_DAYS, hours=1))
        self.finish()


# The final state


def facts() -> dict[str, Any]:
    requests = GatewayRequest.objects.order_by("pk")
    rows = Recomposition.objects.order_by("shape").filter(source_hash=F("image__file_hash"))
    return {
        "requests": list(
            requests.values("status", "charged", "error_code", "outputs_asked", "lease")
        ),
        "reserved": sum(r.outputs_asked for r in requests.exclude(reserved_on=None)),
        "spent": {row.period: row.outputs for row in BudgetPeriod.objects.all()},
        "rows": list(rows.values("purchase", "failure_code", "live__file")),
        "unreferenced": sorted(_stored() - _named()),
        "missing": sorted(_needed() - _stored()),
        "pictures": page(),
    }


def _stored() -> set[str]:
    root = Path(settings.MEDIA_ROOT)
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def _named() -> set[str]:
    return _files(Candidate.objects.all()) | _needed()


def _needed() -> set[str]:
    """Return the files of rows that say that their file is there."""
    images = get_image_model()
    renditions = images.get_rendition_model().objects.all()
    stored = Candidate.objects.filter(stored=True)
    return _files(images.objects.all()) | _files(renditions) | _files(stored)


def _files(rows: Any) -> set[str]:
    return set(rows.values_list("file", flat=True))


def page() -> dict[str, str]:
    """Return what a visitor sees for each spec: "crop" or "recomposed". Raises for half a
    picture."""
    response = Client().get(PAGE)
    assert response.status_code == 200, response.content
    image = get_image_model().objects.get()
    shown = {}
    for spec in SPECS:
        rendition = image.get_rendition(spec)
        assert rendition.url in response.content.decode()
        with rendition.file.open() as file:
            content = file.read()
        shown[spec] = _look(content)
    return shown


def _look(content: bytes) -> str:
    """Tell crop from recomposition by colour: the photograph has one, the sandbox draws another."""
    with Image.open(io.BytesIO(content)) as opened:
        red, _green, blue = opened.convert("RGB").resize((1, 1)).getpixel((0, 0))
    return "crop" if blue > red else "recomposed"
