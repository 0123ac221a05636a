"""What waited for money, the key or the service, and may go on.

A raised limit or a renewed key comes with a new process, a new day with none: nothing signals them.
So while something waits for them, a pass looks once a minute.
"""

import datetime as dt
from typing import Any

from django.db.models import QuerySet

from wagtail_smart_resize.models import GatewayRequest, Recomposition
from wagtail_smart_resize.rules import assess
from wagtail_smart_resize.rules.verdict import Reason
from wagtail_smart_resize.settings import settings

from . import circuit
from .agenda import CHANGED_ELSEWHERE, Agenda, held_back, waiting_for

#: How often it is looked for.
LOOK_EVERY = dt.timedelta(minutes=1)
#: Maximum number of rows that one look makes due; the next goes on.
MAX_ROWS = 500


def wake_what_may_go_on(agenda: Agenda, now: dt.datetime) -> bool:
    """Make due now what waits for a limit, the key or the service and need not wait any more.

    Return whether there was anything.
    """
    state, unsent = agenda.state, GatewayRequest.objects.unsent()
    has_news = state.circuit_open and state.probe_with_new_settings(circuit.settings_digest(), now)
    if has_news:
        _make_due(Reason.CIRCUIT_OPEN, MAX_ROWS, unsent, now)
    gone = _reasons_gone(agenda)
    for reason in gone:
        if reason is Reason.BUDGET:
            left = assess.budget_left()
            _make_due(reason, left, held_back().filter(outputs_asked__lte=left), now)
        else:
            _make_due(reason, MAX_ROWS, unsent, now)
    return has_news or bool(gone)


def _make_due(reason: Reason, most: int, unsent: QuerySet[Any], now: dt.datetime) -> None:
    """Make due the rows that wait for the reason, at most so many, and these unsent requests."""
    # By their keys: a condition without an index would read all rows.
    keys = list(waiting_for(reason).values_list("pk", flat=True)[: min(most, MAX_ROWS)])
    Recomposition.objects.filter(pk__in=keys).wake(reason, now)
    for request in unsent.filter(next_step_at__gt=now)[:MAX_ROWS]:
        request.update_if(where={"leased_until": None}, next_step_at=now)


def next_look_at(agenda: Agenda, now: dt.datetime) -> dt.datetime | None:
    """Return when to look next: now if something may go on, None if nothing waits."""
    if not agenda.waits:
        return None
    if agenda.state.is_untried(circuit.settings_digest()):
        return now
    return now if _reasons_gone(agenda) else now + LOOK_EVERY


def _reasons_gone(agenda: Agenda) -> list[Reason]:
    """Return the reasons for which something waits, and which hold no more."""
    state, gone = agenda.state, []
    for reason in CHANGED_ELSEWHERE:
        if reason not in agenda.waits:
            continue
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
