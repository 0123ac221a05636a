"""Estimate of how long a recomposition takes and how far a request has got."""

import datetime as dt
import statistics
from typing import NamedTuple

from django.utils import timezone

from wagtail_smart_resize.editorial.states import State, StateName
from wagtail_smart_resize.models import GatewayRequest, Recomposition

#: Duration that the service calls common, used until the site has completed requests of its own.
COMMON_DURATION = dt.timedelta(seconds=75)
#: Number of recent requests that the estimate is computed from.
SAMPLE_SIZE = 20
#: Percentage that the bar has reached when the usual time is over.
EXPECTED_END_PERCENT = 90


#: Multiple of the usual time beyond which a request counts as slow.
SLOW_FACTOR = 1.5


class Bar(NamedTuple):
    """A progress bar, which the browser advances if `moves`.

    `elapsed` and `usual` are seconds. `value` is a percentage, or None if unknown.
    """

    value: int | None
    elapsed: int
    usual: int
    moves: bool

    @property
    def is_slow(self) -> bool:
        return self.elapsed > self.usual * SLOW_FACTOR


def usual() -> dt.timedelta:
    """Return the median time that recent completed requests took from being sent to the end."""
    done = GatewayRequest.objects.filter(
        status=GatewayRequest.Status.DONE, sent_at__isnull=False, finished_at__isnull=False
    )
    moments_of = done.order_by("-pk").values_list("sent_at", "finished_at")[:SAMPLE_SIZE]
    taken = [
        (finished - sent).total_seconds() for sent, finished in moments_of if sent and finished
    ]
    return dt.timedelta(seconds=statistics.median(taken)) if taken else COMMON_DURATION


def bar(row: Recomposition, state: State, usual: dt.timedelta) -> Bar | None:
    """Return the row's bar; None if nothing is under way that will soon end by itself.

    `usual` is how long a request usually takes.
    """
    if state.is_publishing_delayed:
        return None
    seconds = max(1, round(usual.total_seconds()))
    if state.name in {StateName.QUEUED, StateName.SENDING, StateName.PUBLISHING}:
        return Bar(None, 0, seconds, moves=False)
    if state.name is StateName.FETCHING:
        return Bar(97, 0, seconds, moves=False)
    if state.name is not StateName.WORKING or row.request is None:
        return None
    since = row.request.sent_at or row.request.created_at
    elapsed = max(0, round((timezone.now() - since).total_seconds()))
    return Bar(reached(elapsed, seconds), elapsed, seconds, moves=True)


def reached(elapsed: float, usual: float) -> int:
    """Return the bar's percentage after `elapsed` of the `usual` seconds.

    It grows linearly up to `EXPECTED_END_PERCENT` in the usual time, and ever more slowly after it.
    """
    if elapsed <= usual:
        return round(EXPECTED_END_PERCENT * elapsed / usual)
    over = (elapsed - usual) / usual
    return min(96, round(EXPECTED_END_PERCENT + 7 * over / (1 + over)))
