"""Counts a page's calls of the gateway, for twenty images in three shapes, in the real pipeline.

The sandbox is a real server. The time between two passes is skipped: each pass is made at the
moment that the last one named, and a job's age grows with it.
"""

import datetime as dt
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

import django

django.setup()

from django.conf import settings as site_settings  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.test import override_settings  # noqa: E402
from django.utils import timezone  # noqa: E402
from support.factories import plain_image  # noqa: E402
from support.gateways import answering, picture  # noqa: E402
from support.small_engine_presets import SMALL_ENGINE_PRESETS  # noqa: E402
from wagtail.models import Collection  # noqa: E402

from wagtail_smart_resize.core import sizes  # noqa: E402
from wagtail_smart_resize.models import BudgetPeriod, Candidate, GatewayRequest  # noqa: E402
from wagtail_smart_resize.purchasing import demand, passes, schedule  # noqa: E402
from wagtail_smart_resize.renditions import demand_notes  # noqa: E402
from wagtail_smart_resize.sandbox import SandboxGateway  # noqa: E402
from wagtail_smart_resize.sandbox import jobs as sandbox_jobs  # noqa: E402
from wagtail_smart_resize.sandbox.responses import Reply  # noqa: E402
from wagtail_smart_resize.settings import settings  # noqa: E402

from .rows import Row  # noqa: E402

IMAGES = 20
SLOTS = ("400x200", "300x300", "200x400")
LATENCIES = (5, 30, 120)


def measure(directory: Path, quick: bool) -> list[Row]:
    call_command("migrate", verbosity=0, run_syncdb=True)
    Collection.add_root(name="Root")
    latencies = LATENCIES[1:2] if quick else LATENCIES
    return [row for latency in latencies for row in _rows(latency)]


class _Clock:
    """The pipeline's and the sandbox's clock, which is advanced instead of waited for."""

    def __init__(self) -> None:
        self.ahead = 0.0
        self._real_now = timezone.now

    def now(self) -> dt.datetime:
        return self._real_now() + dt.timedelta(seconds=self.ahead)

    def time(self) -> float:
        return time.time() + self.ahead

    def until(self, moment: dt.datetime) -> None:
        self.ahead += max(0.0, (moment - self.now()).total_seconds())


def _rows(latency: int) -> list[Row]:
    with ExitStack() as stack:
        moving_clock = _Clock()
        stack.enter_context(patch.object(timezone, "now", moving_clock.now))
        gateway = _gateway(stack, latency, moving_clock)
        _wants()
        _passes(moving_clock, gateway)
        polls = Counter(gateway.polls)
        done = GatewayRequest.objects.filter(status=GatewayRequest.Status.DONE)
        assert Candidate.objects.filter(stored=True).count() == IMAGES * len(SLOTS)
        assert done.count() == IMAGES
        counts = {
            "downloads": len(gateway.downloads),
            "polls": sum(polls.values()),
            "polls after the end": _after_the_end(moving_clock, gateway),
        }
        posts, most = len(gateway.requests), max(polls.values())
        _forget()
    allowed = _allowed(latency)
    return [
        Row(
            f"POSTs for {IMAGES} images in {len(SLOTS)} shapes, latency {latency} s",
            *[posts] * 3,
            unit="POSTs",
            at_most=IMAGES,
            counts=counts,
        ),
        Row(
            f"Most polls of one request, latency {latency} s",
            *[most] * 3,
            unit="polls",
            at_most=allowed,
            note="The aim is what the schedule makes of the latency",
        ),
    ]


def _gateway(stack: ExitStack, latency: int, moving_clock: _Clock) -> SandboxGateway:
    stack.enter_context(patch.object(sizes, "ENGINE_PRESETS", SMALL_ENGINE_PRESETS))
    # Only this module's clock is replaced: threads and sockets keep theirs.
    stack.enter_context(patch.object(sandbox_jobs, "time", moving_clock))
    far_end = stack.enter_context(answering(Reply(200, picture(), "image/png")))
    gateway = stack.enter_context(SandboxGateway(latency=latency))
    ours = {
        "API_KEY": gateway.key,
        "BASE_URL": gateway.url,
        "SOURCE_BASE_URL": far_end.origin,
        "RESOLUTION": "1K",
        "DAILY_LIMIT": 1000,
        "MONTHLY_LIMIT": 1000,
    }
    changed = {**site_settings.WAGTAIL_SMART_RESIZE, **ours}
    stack.enter_context(override_settings(WAGTAIL_SMART_RESIZE=changed))
    return gateway


def _wants() -> None:
    """Write the demand as the end of a page's request does."""
    for _ in range(IMAGES):
        image = plain_image(800, 600)
        for slot in SLOTS:
            demand_notes.note_demand(image.pk, slot, "")
    assert demand.write_noted_demand()


def _passes(moving_clock: _Clock, gateway: SandboxGateway) -> None:
    """Make each pass when the last one said, until nothing is due."""
    while due := schedule.next_step_at():
        moving_clock.until(due)
        result = passes.run_pass(workers=1)
        assert not result.failed, result
        gateway.settle()


def _after_the_end(moving_clock: _Clock, gateway: SandboxGateway) -> int:
    before = len(gateway.polls)
    for _ in range(10):
        moving_clock.ahead += 60
        passes.run_pass(workers=1)
    return len(gateway.polls) - before


def _allowed(latency: float) -> int:
    """Return the polls that the schedule allows: one per interval, and the one that sees the
    end."""
    waited, polls = 0.0, 0
    while waited < latency:
        waited += settings.POLL_INTERVAL * (1 + 3 * waited / settings.DEADLINE)
        polls += 1
    return polls + 1


def _forget() -> None:
    for model in (Candidate, GatewayRequest, BudgetPeriod):
        model.objects.all().delete()
