"""Making passes until nothing is left that this machine can do now."""

import datetime as dt
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.utils import timezone

from wagtail_smart_resize.models import GatewayRequest, ImageVersion, PipelineState, Recomposition
from wagtail_smart_resize.purchasing import passes
from wagtail_smart_resize.purchasing.thread_pool import ThreadPool
from wagtail_smart_resize.rules.verdict import Reason
from wagtail_smart_resize.settings import settings

from . import loop

#: Maximum number of seconds between two passes: another process may have made something due.
MAX_DRAIN_REST_SECONDS = 2.0


class Outstanding(NamedTuple):
    """Counts of what is still to be done, without what waits for budget, circuit or rules."""

    wanted: int
    in_flight: int
    flips: int
    purges: int

    def __bool__(self) -> bool:
        return any(self)

    @classmethod
    def current(cls) -> "Outstanding":
        state = PipelineState.peek()
        is_blocked = state.circuit_open or state.is_stopped
        versions = ImageVersion.objects
        return cls(
            wanted=0 if is_blocked or not settings.API_KEY else _wanted_rows().count(),
            in_flight=_requests_in_flight(is_blocked).count(),
            flips=versions.filter(publish_due_at__isnull=False).count(),
            purges=versions.filter(purge_due_at__isnull=False).count(),
        )


def _wanted_rows() -> Any:
    rows = Recomposition.objects.wanted().filter(waiting_reason="", next_attempt_at__isnull=False)
    return rows.undecided()


def _requests_in_flight(is_blocked: bool) -> Any:
    """Return the unfinished requests, without unsent ones that are held back."""
    unsent = GatewayRequest.objects.unsent()
    held = unsent if is_blocked else unsent.filter(error_code=Reason.BUDGET)
    return GatewayRequest.objects.unfinished().exclude(pk__in=held.values("pk"))


@dataclass(frozen=True)
class Drained:
    """The result of a drain: steps and purchases that failed, and what was not done in time."""

    failed_steps: int
    failed_purchases: int
    left: Outstanding

    @property
    def ok(self) -> bool:
        return not (self.failed_steps or self.failed_purchases or self.left)


def finish(
    seconds: float,
    tell: Callable[[Outstanding], None],
    told_to_end: threading.Event,
    sleep: Callable[[float], object] | None = None,
) -> Drained:
    """Make passes until nothing is outstanding, `seconds` have passed or it is told to end.

    The steps that are running then are not interrupted. `tell` is called with what is outstanding
    after each pass.
    """
    ends = time.monotonic() + seconds
    sleep = sleep or told_to_end.wait
    failed_before, failed_steps = _failed_purchases(), 0
    with closing(ThreadPool(loop.WORKERS)) as pool:
        while True:
            result = passes.run_pass(go_on=lambda: not told_to_end.is_set(), pool=pool)
            failed_steps += result.failed
            left = Outstanding.current()
            tell(left)
            remaining = ends - time.monotonic()
            if not left or remaining <= 0 or told_to_end.is_set():
                return Drained(failed_steps, len(_failed_purchases() - failed_before), left)
            sleep(min(_seconds_until(result.due), remaining))


def _seconds_until(due: dt.datetime | None) -> float:
    """Return the seconds until the next pass."""
    rest = (due - timezone.now()).total_seconds() if due else MAX_DRAIN_REST_SECONDS
    return min(max(loop.REST_SECONDS, rest), MAX_DRAIN_REST_SECONDS)


def _failed_purchases() -> set[tuple[Any, ...]]:
    """Return the failed purchases, each with its request, since one bought again may fail again."""
    rows = Recomposition.objects.filter(purchase=Recomposition.Purchase.FAILED)
    return set(rows.values_list("pk", "request_id"))
