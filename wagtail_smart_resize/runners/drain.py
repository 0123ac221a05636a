"""Making passes until nothing is left that this machine can do now."""

import datetime as dt
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from wagtail_smart_resize.core import clock
from wagtail_smart_resize.models import GatewayRequest, ImageVersion, PipelineState, Recomposition
from wagtail_smart_resize.purchasing import passes
from wagtail_smart_resize.rules.verdict import Reason
from wagtail_smart_resize.settings import settings

from . import loop

#: The longest rest between two passes, seconds: another process may have made something due.
MOST_REST = 2.0


class Outstanding(NamedTuple):
    """What is still to be done. What waits for a reason (budget, circuit, rules) is not."""

    wanted: int
    in_flight: int
    flips: int
    purges: int

    def __bool__(self) -> bool:
        return any(self)

    @classmethod
    def count(cls) -> "Outstanding":
        circuit_open = PipelineState.peek().circuit_open
        versions = ImageVersion.objects
        return cls(
            wanted=0 if circuit_open or not settings.API_KEY else _wanted().count(),
            in_flight=_in_flight(circuit_open).count(),
            flips=versions.filter(flip_due__isnull=False).count(),
            purges=versions.filter(purge_due__isnull=False).count(),
        )


def _wanted() -> Any:
    rows = Recomposition.objects.wanted().filter(waiting_reason="", next_attempt__isnull=False)
    return rows.filter(decision=Recomposition.Decision.NONE, live=None)


def _in_flight(circuit_open: bool) -> Any:
    """Requests under way, without those that are held back: unsent, for want of budget or by an
    open circuit."""
    unsent = GatewayRequest.objects.filter(status=GatewayRequest.Status.NEW)
    held = unsent if circuit_open else unsent.filter(error_code=Reason.BUDGET)
    return GatewayRequest.objects.unfinished().exclude(pk__in=held.values("pk"))


@dataclass(frozen=True)
class Ending:
    """How it came out: steps and purchases that failed meanwhile, and what was not done in time."""

    failed_steps: int
    failed_purchases: int
    left: Outstanding

    @property
    def ok(self) -> bool:
        return not (self.failed_steps or self.failed_purchases or self.left)


def finish(
    seconds: float,
    tell: Callable[[Outstanding], None],
    sleep: Callable[[float], None] = time.sleep,
) -> Ending:
    """Make passes until nothing is outstanding, for so many seconds at most.

    A pass that is under way when the time is over is not interrupted. `tell` is called with what
    is outstanding after each pass.
    """
    ends = time.monotonic() + seconds
    failed_before, failed_steps = _failed(), 0
    while True:
        result = passes.run_pass(workers=loop.workers())
        failed_steps += result.failed
        left = Outstanding.count()
        tell(left)
        remaining = ends - time.monotonic()
        if not left or remaining <= 0:
            return Ending(failed_steps, len(_failed() - failed_before), left)
        sleep(min(_rest(result.due), remaining))


def _rest(due: dt.datetime | None) -> float:
    until = (due - clock.now()).total_seconds() if due else MOST_REST
    return min(max(loop.REST, until), MOST_REST)


def _failed() -> set[tuple[Any, ...]]:
    """The purchases that failed, each with its request: one bought anew may fail anew."""
    rows = Recomposition.objects.filter(purchase=Recomposition.Purchase.FAILED)
    return set(rows.values_list("pk", "request_id"))
