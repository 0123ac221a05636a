"""Profiles a recomposition by step: processor time, statements, files read, pictures decoded.

In this process, against the sandbox in a process of its own, and without threads, so that all that
is counted is a step's own. The time between two passes is waited for.
"""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import django

django.setup()

from django.conf import settings as site_settings  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.test import override_settings  # noqa: E402
from support.costs import counted  # noqa: E402
from support.factories import plain_image  # noqa: E402
from support.gateways import answering, picture  # noqa: E402
from wagtail.models import Collection  # noqa: E402

from wagtail_smart_resize.models import Candidate, GatewayRequest  # noqa: E402
from wagtail_smart_resize.publishing import publication  # noqa: E402
from wagtail_smart_resize.purchasing import (  # noqa: E402
    claims,
    demand,
    fetching,
    passes,
    polling,
    schedule,
    submission,
)
from wagtail_smart_resize.renditions import demand_notes  # noqa: E402
from wagtail_smart_resize.runners import loop  # noqa: E402
from wagtail_smart_resize.sandbox.gateway import DEFAULT_KEY  # noqa: E402
from wagtail_smart_resize.sandbox.responses import Reply  # noqa: E402

from . import gateway  # noqa: E402
from .rows import Row  # noqa: E402

PASSES = "The passes themselves: what is due, leases, purges"
SLOT, SOURCE = "1200x630", (1600, 1000)
LATENCY_SECONDS = 10.0
#: The functions that make a step, and what the step is called. All else is the passes' own work.
STEPS = (
    (claims, "claim", "Claim: the rules, the budget, the request"),
    (submission, "submit", "Submission: checks, POST"),
    (polling, "poll_status", "Polls"),
    (fetching, "fetch_outputs", "Download, check, candidate"),
    (publication, "publish", "Renditions and flip"),
)


class _Counts(Counter[str]):
    """What was done since the last look."""

    def __init__(self) -> None:
        super().__init__()
        self._began = time.process_time()

    def taken(self) -> "Counter[str]":
        now = time.process_time()
        found = Counter(self)
        found["seconds"] = now - self._began
        self._began = now
        self.clear()
        return found


def measure(directory: Path, quick: bool) -> list[Row]:
    call_command("migrate", verbosity=0, run_syncdb=True)
    Collection.add_root(name="Root")
    images = 5 if quick else 100
    with ExitStack() as stack:
        far_end = stack.enter_context(answering(Reply(200, picture(), "image/png")))
        url = stack.enter_context(gateway.running(1.0 if quick else LATENCY_SECONDS))
        ours = {
            "API_KEY": DEFAULT_KEY,
            "BASE_URL": url,
            "SOURCE_BASE_URL": far_end.origin,
            "OUTPUT_FORMAT": "webp",
            "MAX_IN_FLIGHT": 100,
            "DAILY_LIMIT": 1000,
            "MONTHLY_LIMIT": 1000,
        }
        changed = {**site_settings.WAGTAIL_SMART_RESIZE, **ours}
        stack.enter_context(override_settings(WAGTAIL_SMART_RESIZE=changed))
        # What a process learns once is no step's.
        _recomposed(1, {})
        found: dict[str, Counter[str]] = {}
        _recomposed(images, found)
    total = sum(found.values(), Counter())
    rows = [_row(name, counts, images) for name, counts in found.items()]
    return [*rows, _row("All of it", total, images)]


def _row(name: str, counts: Counter[str], images: int) -> Row:
    each = {what: round(count / images, 2) for what, count in counts.items() if what != "seconds"}
    milliseconds = counts["seconds"] / images * 1000
    return Row(name, *[milliseconds] * 3, unit="ms", counts=each)


def _recomposed(images: int, found: dict[str, Counter[str]]) -> None:
    """Have so many images recomposed; add what each step did to `found`."""
    before = Candidate.objects.filter(stored=True).count()
    for _ in range(images):
        image = plain_image(*SOURCE)
        image.get_rendition(f"format-jpeg|smartresize-{SLOT}")
        demand_notes.note_demand(image.pk, SLOT, "")
    with ExitStack() as stack:
        counts = _Counts()
        stack.enter_context(counted(counts))
        assert demand.write_noted_demand()
        counts.taken()
        for module, function, name in STEPS:
            stack.enter_context(_attributed(module, function, name, counts, found))
        while due := schedule.next_step_at():
            rest = (due - passes.timezone.now()).total_seconds()
            time.sleep(max(loop.REST_SECONDS, rest))
            counts.taken()
            result = passes.run_pass(workers=1)
            assert not result.failed, result
            _add(found, PASSES, counts)
    done = GatewayRequest.objects.filter(status=GatewayRequest.Status.DONE)
    assert Candidate.objects.filter(stored=True).count() == before + images == done.count()


def _add(found: dict[str, Counter[str]], name: str, counts: _Counts) -> None:
    found.setdefault(name, Counter()).update(counts.taken())


@contextmanager
def _attributed(
    module: Any, function: str, name: str, counts: _Counts, found: dict[str, Counter[str]]
) -> Iterator[None]:
    """Attribute to a step what its function does, and what came before to the passes."""
    real = getattr(module, function)

    def attributed(*args: Any, **kwargs: Any) -> Any:
        _add(found, PASSES, counts)
        try:
            return real(*args, **kwargs)
        finally:
            _add(found, name, counts)

    with patch.object(module, function, attributed):
        yield
