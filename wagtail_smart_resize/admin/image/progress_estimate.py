"""How long recomposing usually takes, and how far a request is by that."""

import datetime as dt
import statistics
from typing import NamedTuple

from wagtail_smart_resize.core import clock
from wagtail_smart_resize.editorial.states import State, Word
from wagtail_smart_resize.models import GatewayRequest, Recomposition

#: What the service says is common, until the site has requests of its own to go by.
COMMON = dt.timedelta(seconds=75)
#: So many of the last requests tell the pace.
SAMPLE = 20
#: Where the bar stands, in per cent, when the usual time is over and the picture is not there.
EXPECTED_END = 90


#: So many times the usual time is said to be long.
SLOW = 1.5


class Bar(NamedTuple):
    """A progress bar, moved on by the browser. Seconds; `value` in per cent, None: no telling."""

    value: int | None
    elapsed: int
    usual: int
    moves: bool

    @property
    def is_slow(self) -> bool:
        return self.elapsed > self.usual * SLOW


def usual() -> dt.timedelta:
    """The median of the last requests that were done, from sending to the end."""
    done = GatewayRequest.objects.filter(
        status=GatewayRequest.Status.DONE, sent_at__isnull=False, finished_at__isnull=False
    )
    moments_of = done.order_by("-pk").values_list("sent_at", "finished_at")[:SAMPLE]
    taken = [(finished - sent).total_seconds() for sent, finished in moments_of]
    return dt.timedelta(seconds=statistics.median(taken)) if taken else COMMON


def bar(row: Recomposition, state: State, usual: dt.timedelta) -> Bar | None:
    """The row's bar; None where nothing is under way that ends by itself soon."""
    seconds = max(1, round(usual.total_seconds()))
    if state.word in {Word.QUEUED, Word.SENDING, Word.PUBLISHING}:
        return Bar(None, 0, seconds, moves=False)
    if state.word is Word.FETCHING:
        return Bar(97, 0, seconds, moves=False)
    if state.word is not Word.WORKING or row.request is None:
        return None
    since = row.request.sent_at or row.request.created_at
    elapsed = max(0, round((clock.now() - since).total_seconds()))
    return Bar(reached(elapsed, seconds), elapsed, seconds, moves=True)


def reached(elapsed: float, usual: float) -> int:
    """Per cent: evenly up to `EXPECTED_END` in the usual time, and ever slower from there on."""
    if elapsed <= usual:
        return round(EXPECTED_END * elapsed / usual)
    over = (elapsed - usual) / usual
    return min(96, round(EXPECTED_END + 7 * over / (1 + over)))
