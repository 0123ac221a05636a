"""Finds moments that a clock had put further ahead than the app ever does.

When it is right again nothing would be due until then. Source of each maximum is the constant that
the moment is computed with.
"""

import datetime as dt
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from django.db.models import Q
from django.utils import timezone

from wagtail_smart_resize.gateway.client import MAX_RETRY_AFTER_SECONDS
from wagtail_smart_resize.models import GatewayRequest, ImageVersion, PipelineState, Recomposition
from wagtail_smart_resize.models.base import ConditionalUpdateModel
from wagtail_smart_resize.purchasing import circuit, passes, schedule

from .repairs import REPAIR_INTERVAL
from .report import Finding, Repair

#: The longest of `clock.backoff`, with its jitter.
LONGEST_BACKOFF = dt.timedelta(hours=1.25)
LONGEST_FAILURE_PROBE = dt.timedelta(seconds=1.25 * circuit.LAST_FAILURE_PROBE_SECONDS)
#: Budget is there again on the next day.
A_DAY = dt.timedelta(days=1)
#: Clocks of several machines differ by less.
TOLERANCE = dt.timedelta(minutes=1)
#: Number of rows changed by one statement.
AT_ONCE = 500


class _Moment(NamedTuple):
    """A field, and how far ahead of the present it is put at most; `rows` limits the rows."""

    model: type[ConditionalUpdateModel]
    field: str
    most: dt.timedelta
    rows: Q = Q()


#: Those that have moments, by which an index finds them.
_UNFINISHED = Q(status__in=GatewayRequest.UNFINISHED)
_WANTED = Q(purchase=Recomposition.Purchase.WANTED)
_NO_REASON = Q(waiting_reason="")
_FAILURES = Q(circuit_code__in=circuit.FAILURE_CODES)
_MOMENTS = (
    _Moment(PipelineState, "next_pass_at", REPAIR_INTERVAL),
    _Moment(PipelineState, "probe_at", circuit.PROBE_INTERVAL, ~_FAILURES),
    _Moment(PipelineState, "probe_at", LONGEST_FAILURE_PROBE, _FAILURES),
    _Moment(PipelineState, "paused_until", dt.timedelta(seconds=MAX_RETRY_AFTER_SECONDS)),
    _Moment(GatewayRequest, "next_step_at", A_DAY, _UNFINISHED),
    _Moment(GatewayRequest, "leased_until", passes.STEP_LEASE, _UNFINISHED),
    _Moment(Recomposition, "next_attempt_at", schedule.REVISIT_AFTER, _WANTED & _NO_REASON),
    _Moment(
        Recomposition,
        "next_attempt_at",
        schedule.REVISIT_SETTINGS_AFTER,
        _WANTED & ~_NO_REASON,
    ),
    _Moment(ImageVersion, "publish_due_at", LONGEST_BACKOFF),
    _Moment(ImageVersion, "purge_due_at", LONGEST_BACKOFF),
)


def find_ahead() -> Iterator[Finding]:
    """Yield the moments that are further ahead than any that is written now."""
    for moment in _MOMENTS:
        ahead = moment.rows & Q(**{f"{moment.field}__gt": timezone.now() + moment.most + TOLERANCE})
        count = moment.model._base_manager.filter(ahead).count()
        if count:
            yield Finding(Repair.AHEAD, count, partial(_make_due, moment, ahead))


def _make_due(moment: _Moment, ahead: Q) -> int:
    """Make them due, found by an index and changed by their keys."""
    rows, changed = moment.model.objects.all(), 0
    while ids := list(rows.filter(ahead).values_list("pk", flat=True)[:AT_ONCE]):
        found = rows.filter(pk__in=ids)
        changed += found.update_in_order(ahead, **{moment.field: timezone.now()})
    return changed
