"""What is due, and when: one statement reads it for a whole pass."""

import datetime as dt
from functools import reduce
from operator import or_
from typing import Any, NamedTuple

from django.db.models import Count, Exists, Min, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, Greatest

from wagtail_smart_resize.models import GatewayRequest, ImageVersion, PipelineState, Recomposition
from wagtail_smart_resize.rules.verdict import Reason

#: Reasons to wait that are changed elsewhere: nothing tells the pipeline when they go.
CHANGED_ELSEWHERE = (Reason.BUDGET, Reason.NO_KEY, Reason.CIRCUIT_OPEN)


class Agenda(NamedTuple):
    """When the next of each kind is due, perhaps in the past; None where there is none."""

    state: PipelineState
    step: dt.datetime | None
    """A request's: of a leased one, not before its lease ends."""
    claim: dt.datetime | None
    flip: dt.datetime | None
    purge: dt.datetime | None
    unfinished: int
    """Number of requests that are not finished."""
    waits: frozenset[Reason]
    """Those of `CHANGED_ELSEWHERE` for which something waits."""


def read_agenda() -> Agenda:
    """Return what is due now and later."""
    moments, waits = _moments(), _waits()
    asked: dict[str, Any] = {name: Subquery(rows) for name, rows in moments.items()}
    for reason, sources in waits.items():
        asked[f"waits_{reason}"] = reduce(or_, (Q(Exists(rows)) for rows in sources))
    row = PipelineState.objects.filter(pk=1).annotate(**asked).first()
    found: dict[str, Any]
    if row is None:
        # Before the first pass there is no row to ask it with.
        found = {name: _first_value(rows) for name, rows in moments.items()}
        waiting = {reason for reason, rows in waits.items() if any(map(QuerySet.exists, rows))}
        row = PipelineState(pk=1)
    else:
        found = {name: getattr(row, name) for name in moments}
        waiting = {reason for reason in waits if getattr(row, f"waits_{reason}")}
    found["unfinished"] = found["unfinished"] or 0
    return Agenda(state=row, waits=frozenset(waiting), **found)


def _first_value(rows: QuerySet[Any]) -> Any:
    (value,) = next(iter(rows), {"": None}).values()
    return value


def claimable() -> QuerySet[Recomposition]:
    """Return the rows that are wanted, undecided, and due at some time."""
    return Recomposition.objects.wanted().undecided().filter(next_attempt_at__isnull=False)


def waiting_for(reason: Reason) -> QuerySet[Recomposition]:
    """Return the wanted rows that wait for the reason."""
    return Recomposition.objects.wanted().undecided().filter(waiting_reason=reason)


def held_back() -> QuerySet[GatewayRequest]:
    """Return the unsent requests for which there was no budget on the day of the POST."""
    return GatewayRequest.objects.unsent().filter(error_code=Reason.BUDGET)


def _moments() -> dict[str, QuerySet[Any]]:
    """Return, for each field of the agenda, rows of which the first holds its value."""
    free_at = Greatest("next_step_at", Coalesce("leased_until", "next_step_at"))
    unfinished = GatewayRequest.objects.unfinished().order_by().values(all=Value(1))
    versions = ImageVersion.objects
    return {
        "step": unfinished.annotate(first=Min(free_at)).values("first"),
        "unfinished": unfinished.annotate(number=Count("pk")).values("number"),
        "claim": _earliest(claimable(), "next_attempt_at"),
        "flip": _earliest(versions.filter(publish_due_at__isnull=False), "publish_due_at"),
        "purge": _earliest(versions.filter(purge_due_at__isnull=False), "purge_due_at"),
    }


def _earliest(rows: QuerySet[Any], moment: str) -> QuerySet[Any]:
    """Return the earliest moment of these rows, which an index has in its order."""
    return rows.order_by(moment).values(moment)[:1]


def _waits() -> dict[Reason, list[QuerySet[Any]]]:
    """Return, for each reason, the rows of which any waits for it."""
    waits: dict[Reason, list[QuerySet[Any]]] = {
        reason: [waiting_for(reason)] for reason in CHANGED_ELSEWHERE
    }
    waits[Reason.BUDGET].append(held_back())
    return waits
