"""A site with a page, its visitors and editors, a gateway, and time that can be skipped.

Nothing is mocked: pages and pictures come over sockets from the live server, the pipeline speaks
with the sandbox over sockets, and the sandbox fetches the picture from the live server.
"""

import datetime as dt
import html
import re
import threading
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest
from bs4 import BeautifulSoup, Tag
from django.conf import settings as django_settings
from django.core.signals import request_finished
from django.db import DatabaseError
from django.urls import reverse
from django.utils import timezone
from support.factories import plain_image
from support.waiting import TIMEOUT_SECONDS
from wagtail.models import Site

from wagtail_smart_resize.models import (
    BudgetPeriod,
    Candidate,
    GatewayRequest,
    PipelineState,
    Recomposition,
)
from wagtail_smart_resize.purchasing import passes, schedule

SLOTS = ("240x126", "200x200")
SHAPES = (1905, 1000)
"""The slots' ratios in thousandths, as in the keys of the screen's tiles."""

SOON = dt.timedelta(seconds=0.5)
#: The loop's wait after an error of a whole pass.
TROUBLE = dt.timedelta(seconds=15)


class Seen(NamedTuple):
    """The bytes that a visitor got for one slot: of our filter's picture, and of `fill`'s."""

    ours: bytes
    crop: bytes


class Tile(NamedTuple):
    """What an editor reads of one shape on the image's screen."""

    group: str
    """The heading that it is under."""
    words: str
    """Its state, and the buttons below it."""
    shows_version: bool
    """True if its picture, which is what visitors see, is an AI version; False for the crop."""


class FaultSite:
    def __init__(
        self, gateway: Any, url: str, settings: Any, moving_clock: Any, editor: Any
    ) -> None:
        self.gateway = gateway
        self.settings = settings
        self.url = url
        self.moving_clock = moving_clock
        self.editor = editor
        self.seconds = 5.0
        """Seconds that the client waits for the gateway."""
        self.database_fails = True
        """True while the database fails, where that is the fault."""
        self.image = plain_image(400, 300)
        self._has_opened = False
        self._publish()

    def _publish(self) -> None:
        from testapp.models import PicturePage

        home = Site.objects.get().root_page
        page = PicturePage(title="A page", slug="a-page", photo=self.image)
        home.add_child(instance=page)

    def change(self, **changes: Any) -> None:
        """Change settings of the site; the test restores them."""
        self.settings.WAGTAIL_SMART_RESIZE = {
            **django_settings.WAGTAIL_SMART_RESIZE,
            **changes,
        }

    @contextmanager
    def database_working(self) -> Iterator[None]:
        """Let the database work within the block, so that the state can be read."""
        before, self.database_fails = self.database_fails, False
        try:
            yield
        finally:
            self.database_fails = before

    @contextmanager
    def frozen_time(self) -> Iterator[None]:
        """Stop the clock: a pause of two seconds is shown, and reading it takes longer."""
        now = timezone.now()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(timezone, "now", lambda: now)
            yield

    # Visitors and editors

    def visit(self) -> list[Seen]:
        """View the page and all its pictures as a visitor."""
        text = _get(f"{self.url}/a-page/").decode()
        addresses = [html.unescape(each) for each in re.findall(r'src="([^"]+)"', text)]
        pictures = [_get(self.url + address) for address in addresses]
        assert len(pictures) == 2 * len(SLOTS)
        return [Seen(*pictures[at : at + 2]) for at in range(0, len(pictures), 2)]

    def want(self) -> None:
        """View the page for the first time, which makes both shapes wanted."""
        self.visit()
        assert len(self.rows()) == len(SLOTS)

    def tiles(self) -> list[Tile | None]:
        """Return what the image's screen says about each shape; None where it has no tile for it.

        The editor opens the screen once; after that the browser asks for the sheet alone.
        """
        view = "progress" if self._has_opened else "image"
        self._has_opened = True
        response = self.editor.get(reverse(f"smart_resize_admin:{view}", args=[self.image.pk]))
        assert response.status_code == 200
        text = response.content if view == "image" else response.json()["html"]
        found = _tiles(BeautifulSoup(text, "html.parser"))
        return [found.get(f"any-{shape}") for shape in SHAPES]

    def recheck(self) -> None:
        """Press "Look again" at the first shape that has failed."""
        row = next(row for row in self.rows() if row.purchase == "failed")
        url = reverse("smart_resize_admin:failed", args=[self.image.pk])
        pressed = {"row": row.pk, "action": "recheck", "key": uuid.uuid4()}
        assert self.editor.post(url, pressed).status_code == 302

    # State

    def rows(self) -> list[Recomposition]:
        return list(Recomposition.objects.order_by("-shape"))

    def seen(self, step: str) -> list[Any]:
        """Return what the gateway was asked at a step."""
        gateway = self.gateway
        asked = {"submit": "requests", "status": "polls", "download": "downloads"}
        return list(getattr(gateway, asked[step]))

    def request_is(self, status: str) -> bool:
        return GatewayRequest.objects.filter(status=status).exists()

    def has_tried(self) -> bool:
        return Recomposition.objects.filter(attempts__gt=0).exists()

    # Time

    def run_pass(self, jobs: int | None = None) -> None:
        """Make a pass of the pipeline as the loop does, of at most `jobs` steps."""
        left = iter(range(10_000 if jobs is None else jobs))
        try:
            passes.run_pass(workers=1, go_on=lambda: next(left, None) is not None)
        except DatabaseError:
            self.moving_clock.skip(seconds=TROUBLE.total_seconds())
        self.gateway.settle()

    def due(self) -> dt.datetime | None:
        """Return when the next pass is due; None where nothing is to come."""
        try:
            return schedule.next_step_at()
        except DatabaseError:
            return timezone.now()

    def skip_to(self, moment: dt.datetime) -> None:
        self.moving_clock.skip(seconds=max(0.0, (moment - timezone.now()).total_seconds()) + 0.001)

    def run_until(self, condition: Callable[[], bool], jobs: int | None = None) -> None:
        for _round in range(60):
            if condition():
                return
            self.skip_to(self.due() or timezone.now())
            self.run_pass(jobs)
        raise AssertionError("it has not come to that")

    def run_due(self) -> None:
        """Do what is due without waiting."""
        for _round in range(6):
            due = self.due()
            if due is None or due > timezone.now() + SOON:
                return
            self.skip_to(due)
            self.run_pass()

    def run_for(self, hours: float, step: dt.timedelta = dt.timedelta()) -> None:
        """Let hours pass, with a pass whenever one is due, but no more often than every `step`."""
        ends = timezone.now() + dt.timedelta(hours=hours)
        while (due := self.due()) is not None and due < ends:
            self.skip_to(max(due, timezone.now() + step))
            self.run_pass()
        self.skip_to(ends)


def _get(url: str) -> bytes:
    """Return what the live server sends, once it has done what comes after the response, too."""
    ended = threading.Event()

    def end(**_kwargs: Any) -> None:
        ended.set()

    # Connected after the app's own receiver, which writes what was wanted.
    request_finished.connect(end)
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as response:
            assert response.status == 200
            content = response.read()
        assert ended.wait(TIMEOUT_SECONDS)
    finally:
        request_finished.disconnect(end)
    return content


def _tiles(sheet: BeautifulSoup) -> dict[str, Tile]:
    """Return the sheet's tiles by key."""
    tiles = sheet.select(".smart-resize-tile[data-key]")
    return {
        str(tile["data-key"]): Tile(
            _heading(tile),
            _state_words(tile),
            bool(tile.select(".smart-resize-tile__picture img")),
        )
        for tile in tiles
    }


def _heading(tile: Tag) -> str:
    """Return the heading of the tile's group, without the number of places."""
    group = tile.find_parent(class_="smart-resize-group")
    assert group, "each tile is in a group"
    heading = group.select_one("h2, summary")
    assert heading, "each group has a heading"
    return str(heading.find(string=re.compile(r"\S"))).strip()


def _state_words(tile: Tag) -> str:
    """Return the tile's text after the line with its size and pages."""
    line = tile.select_one(".smart-resize-meta")
    assert line, "each tile tells where it is shown"
    parts = (part.get_text(" ") for part in line.find_next_siblings())
    return " ".join(" ".join(parts).split())


def stored_files() -> list[str]:
    """Return the names of all candidates' files."""
    return [candidate.file.name for candidate in Candidate.objects.filter(stored=True)]


def open_circuit_code() -> str:
    state = PipelineState.get_current()
    return state.circuit_code if state.circuit_open else ""


def reserved_outputs() -> int:
    """Return the outputs that the budget holds on all days; the months must hold the same."""
    outputs = dict(BudgetPeriod.objects.values_list("period", "outputs"))
    days = sum(count for period, count in outputs.items() if len(period) == len("2026-11-22"))
    assert sum(outputs.values()) == 2 * days
    return days


def charged() -> list[str]:
    """Return `charged` of each request of the ledger, the oldest first."""
    return list(GatewayRequest.objects.order_by("pk").values_list("charged", flat=True))
