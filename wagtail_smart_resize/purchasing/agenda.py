"""What is due, and when: one statement reads it for a whole pass."""

import datetime as dt
from functools import reduce
from operator import or_
from typing import Any, NamedTuple

from django.db.models import Count, Exists, IntegerField, Min, Q, QuerySet, Subquery, Value
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
    row = PipelineState.objects.filter(pk=1).annotate(**_asked()).first()
    if row is None:
        PipelineState.get_current()
        return read_agenda()
    told: dict[str, Any] = vars(row)
    return Agenda(
        row,
        told["due_step"],
        told["due_claim"],
        told["due_flip"],
        told["due_purge"],
        told["unfinished"] or 0,
        frozenset(reason for reason in CHANGED_ELSEWHERE if told[f"waits_{reason}"]),
    )


def claimable() -> QuerySet[Recomposition]:
    """Return the rows that are wanted, undecided, and due at some time."""
    return Recomposition.objects.wanted().undecided().filter(next_attempt_at__isnull=False)


def waiting_for(reason: Reason) -> QuerySet[Recomposition]:
    """Return the wanted rows that wait for the reason."""
    return Recomposition.objects.wanted().undecided().filter(waiting_reason=reason)


def held_back() -> QuerySet[GatewayRequest]:
    """Return the unsent requests for which there was no budget on the day of the POST."""
    return GatewayRequest.objects.unsent().filter(error_code=Reason.BUDGET)


def _asked() -> dict[str, Any]:
    free_at = Greatest("next_step_at", Coalesce("leased_until", "next_step_at"))
    unfinished = GatewayRequest.objects.unfinished().order_by().values(all=Value(1))
    versions = ImageVersion.objects
    sources: dict[Reason, list[QuerySet[Any]]] = {
        reason: [waiting_for(reason)] for reason in CHANGED_ELSEWHERE
    }
    sources[Reason.BUDGET].append(held_back())
    waits: dict[str, Any] = {
        f"waits_{reason}": reduce(or_, (Q(Exists(rows)) for rows in found))
        for reason, found in sources.items()
    }
    return {
        "due_step": Subquery(unfinished.annotate(first=Min(free_at)).values("first")),
        "unfinished": Subquery(
            unfinished.annotate(number=Count("pk")).values("number"), output_field=IntegerField()
        ),
        "due_claim": _first(claimable(), "next_attempt_at"),
        "due_flip": _first(versions.filter(publish_due_at__isnull=False), "publish_due_at"),
        "due_purge": _first(versions.filter(purge_due_at__isnull=False), "purge_due_at"),
        **waits,
    }


def _first(rows: QuerySet[Any], moment: str) -> Subquery:
    """Return the earliest moment of these rows, which an index has in its order."""
    return Subquery(rows.order_by(moment).values(moment)[:1])
