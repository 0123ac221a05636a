"""What waited for money, the key or the service, and may go on.

A raised limit or a renewed key comes with a new process, a new day with none: nothing signals them.
So while something waits for them, a pass looks once a minute.
"""

import datetime as dt
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import Exists, Q, QuerySet

from wagtail_smart_resize.models import GatewayRequest, PipelineState, Recomposition
from wagtail_smart_resize.rules import assess
from wagtail_smart_resize.rules.verdict import Reason
from wagtail_smart_resize.settings import settings

from . import circuit

#: How often it is looked for.
LOOK_EVERY = dt.timedelta(minutes=1)
#: Maximum number of rows that one look makes due; the next goes on.
MAX_ROWS = 500
#: What rows wait for that is changed elsewhere.
REASONS = (Reason.BUDGET, Reason.NO_KEY, Reason.CIRCUIT_OPEN)


def wake_what_may_go_on(state: PipelineState, now: dt.datetime) -> None:
    """Make due now what waits for a limit, the key or the service and need not wait any more."""
    unsent = GatewayRequest.objects.unsent()
    if state.circuit_open and state.probe_with_new_settings(circuit.settings_digest(), now):
        _make_due(Reason.CIRCUIT_OPEN, MAX_ROWS, unsent, now)
    for reason in _reasons_gone(state):
        if reason is Reason.BUDGET:
            left = assess.budget_left()
            _make_due(reason, left, _held_back().filter(outputs_asked__lte=left), now)
        else:
            _make_due(reason, MAX_ROWS, unsent, now)


def _make_due(reason: Reason, most: int, unsent: QuerySet[Any], now: dt.datetime) -> None:
    """Make due the rows that wait for the reason, at most so many, and these unsent requests."""
    # By their keys: a condition without an index would read all rows.
    keys = list(_waiting_for(reason).values_list("pk", flat=True)[: min(most, MAX_ROWS)])
    Recomposition.objects.filter(pk__in=keys).wake(reason, now)
    for request in unsent.filter(next_step_at__gt=now)[:MAX_ROWS]:
        request.update_if(where={"leased_until": None}, next_step_at=now)


def next_look_at(state: PipelineState, now: dt.datetime) -> dt.datetime | None:
    """Return when to look next: now if something may go on, None if nothing waits."""
    waits = _waits()
    if not waits:
        return None
    if state.circuit_open and state.is_untried(circuit.settings_digest()):
        return now
    return now if _reasons_gone(state, waits) else now + LOOK_EVERY


def _reasons_gone(state: PipelineState, waits: set[Reason] | None = None) -> list[Reason]:
    """Return the reasons for which something waits, and which hold no more."""
    gone = []
    for reason in _waits() if waits is None else waits:
        if state.is_stopped:
            holds = True
        elif reason is Reason.BUDGET:
            holds = assess.budget_left() < settings.CANDIDATES
        elif reason is Reason.NO_KEY:
            holds = not settings.API_KEY
        else:
            holds = state.circuit_open
        if not holds:
            gone.append(reason)
    return gone


def _waits() -> set[Reason]:
    """Return what is waited for, in one query that reads one row for each."""
    sources: dict[Reason, list[QuerySet[Any]]] = {
        reason: [_waiting_for(reason)] for reason in REASONS
    }
    sources[Reason.BUDGET].append(_held_back())
    asked: dict[str, Any] = {
        f"waits_{reason}": reduce(or_, (Q(Exists(rows)) for rows in found))
        for reason, found in sources.items()
    }
    # The row only gives the query something to select from; before the first pass there is none.
    row = PipelineState.objects.filter(pk=1).values(**asked).first()
    if row is None:
        return {reason for reason, found in sources.items() if any(map(QuerySet.exists, found))}
    told: dict[str, Any] = {**row}
    return {reason for reason in REASONS if told[f"waits_{reason}"]}


def _waiting_for(reason: Reason) -> QuerySet[Recomposition]:
    return Recomposition.objects.wanted().undecided().filter(waiting_reason=reason)


def _held_back() -> QuerySet[Any]:
    """Return the unsent requests for which there was no budget on the day of the POST."""
    unsent = GatewayRequest.objects.unsent()
    return unsent.filter(error_code=Reason.BUDGET)
