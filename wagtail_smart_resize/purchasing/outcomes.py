"""What becomes of a purchase: DESIGN's table of outcomes, in one place.

Each function ends a request or moves it on. What was provably not charged gives its budget back;
what may have been bought is never bought again without a person's word.
"""

import datetime as dt
import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from django.db import transaction

from wagtail_smart_resize.core import clock
from wagtail_smart_resize.exceptions import GatewayError
from wagtail_smart_resize.models import (
    GatewayRequest,
    ImageVersion,
    PipelineState,
    Recomposition,
    Spend,
)
from wagtail_smart_resize.models.gateway_request import new_token
from wagtail_smart_resize.rules.verdict import Reason

from .schedule import look_again

logger = logging.getLogger(__name__)

#: So many answers "out of order" fail a purchase, and so many "system error" statuses.
MAX_ATTEMPTS = 8
#: So many submissions in a row that found nobody, or nobody in order, open the circuit.
MAX_OUTAGES = 5
#: How long an open circuit waits between two tries.
PROBE_INTERVAL = dt.timedelta(minutes=5)
#: How long submissions pause after a 429 that names no time, seconds.
DEFAULT_PAUSE = 30.0

Status = GatewayRequest.Status
Charged = GatewayRequest.Charged


def rows_of(request: GatewayRequest) -> Iterable[Recomposition]:
    """The recompositions that still wait for this request."""
    return Recomposition.objects.filter(
        pk__in=request.recomposition_ids(),
        request=request,
        purchase=Recomposition.Purchase.REQUESTED,
    )


# Not charged


def try_again(
    request: GatewayRequest,
    error: GatewayError,
    when: dt.datetime,
    *,
    counts: bool = True,
    reason: str = "",
) -> None:
    """Close the request as not charged; what it asked for is asked again at `when`.

    `counts`: the try is one of the `MAX_ATTEMPTS` that a purchase has.
    """
    with _settling(request) as rows:
        if not _close(request, Status.FAILED, error.code, error.detail, Charged.NO):
            return
        tried = {row.pk: row.attempts + counts for row in rows}
        for row in rows:
            if tried[row.pk] >= MAX_ATTEMPTS:
                row.fail(error.code, error.detail)
            elif not request.by_person:
                row.want_again(when, attempts=tried[row.pk], reason=reason)
        if request.by_person:
            _ask_again(request, [row for row in rows if tried[row.pk] < MAX_ATTEMPTS], when, tried)


@contextmanager
def _settling(request: GatewayRequest) -> Iterator[list[Recomposition]]:
    """A transaction over all that a request's end changes, with the rows that wait for it.

    The image's lock comes first, as in every transaction that touches an image's purchases.
    """
    with transaction.atomic():
        ImageVersion.lock(request.image_id)
        yield list(rows_of(request))


def _ask_again(
    request: GatewayRequest,
    rows: list[Recomposition],
    when: dt.datetime,
    tried: Mapping[int, int],
) -> None:
    """A person's request is sent as it was: prompt, count, seed and batch."""
    if not rows:
        return
    again = GatewayRequest.objects.create(
        **{name: getattr(request, name) for name in REPEATED},
        source_token=new_token(),
        next_step=when,
    )
    for row in rows:
        row.move(where={"request": request.pk}, request=again, attempts=tried[row.pk])


REPEATED = (
    "image_id",
    "image_title",
    "source_hash",
    "recipe",
    "prompt",
    "resolution",
    "output_format",
    "safety_tolerance",
    "seed",
    "sizes",
    "per_size",
    "outputs_asked",
    "price",
    "currency",
    "asked_by_id",
    "by_person",
    "batch",
)


def withdraw(request: GatewayRequest, reasons: Mapping[int, Reason | None], code: str) -> None:
    """Nothing is sent, and the budget goes back. `reasons`: by recomposition, the rule that
    forbids it; those without one are looked at again at once."""
    with _settling(request) as rows:
        if not _close(request, Status.FAILED, "withdrawn", code, Charged.NO):
            return
        for row in rows:
            reason = reasons.get(row.pk)
            if request.by_person:
                row.fail("withdrawn", code)
            else:
                when = look_again(reason) if reason else clock.now()
                row.want_again(when, attempts=row.attempts, reason=reason or "")


def pause(request: GatewayRequest, error: GatewayError, seconds: float | None) -> None:
    """429: no submission until then, and no alarm."""
    until = clock.now() + dt.timedelta(seconds=seconds or DEFAULT_PAUSE)
    PipelineState.load().move(where={}, paused_until=until)
    try_again(request, error, until, counts=False)


def open_circuit(request: GatewayRequest, code: str, error: GatewayError) -> None:
    """Every other request would fail as well: stop, and let one try from time to time."""
    probe_at = _break_circuit(PipelineState.load(), code, error)
    try_again(request, error, probe_at, counts=False, reason=Reason.CIRCUIT_OPEN)


def _break_circuit(state: PipelineState, code: str, error: GatewayError) -> dt.datetime:
    probe_at = clock.now() + PROBE_INTERVAL
    state.open_circuit(code, error.detail, probe_at)
    logger.error("Nothing is asked of the gateway for now: %s", error.detail)
    return probe_at


def _count_outage(error: GatewayError) -> int:
    """How many submissions in a row went wrong; too many open the circuit."""
    state = PipelineState.load()
    outages = state.count_outage()
    if outages >= MAX_OUTAGES:
        _break_circuit(state, error.code, error)
    return outages


def outage(request: GatewayRequest, error: GatewayError, *, counts: bool) -> None:
    """The gateway could not be reached or said that it is out of order."""
    outages = _count_outage(error)
    when = clock.now() + clock.backoff(max(outages, request.attempts + 1))
    reason = Reason.CIRCUIT_OPEN if outages >= MAX_OUTAGES else ""
    try_again(request, error, when, counts=counts, reason=reason)


def unknown(request: GatewayRequest, error: GatewayError) -> None:
    """It may have been accepted and charged. If that goes on, no more is risked."""
    logger.error("Whether request %s was accepted is not known: %s", request.pk, error.detail)
    _count_outage(error)
    fail(request, "unknown", error.detail, charged=Charged.UNKNOWN)


def fail(request: GatewayRequest, code: str, detail: str, *, charged: "Charged") -> None:
    """It failed for good, for this file and recipe; only a person asks again."""
    status = Status.UNKNOWN if code == "unknown" else Status.FAILED
    with _settling(request) as rows:
        if not _close(request, status, code, detail, charged):
            return
        for row in rows:
            row.fail(code, detail)


def _close(
    request: GatewayRequest, status: "Status", code: str, detail: str, charged: "Charged"
) -> bool:
    """End the request; its budget goes back where it was not charged."""
    reserved_on, outputs = request.reserved_on, request.outputs_asked
    give_back = charged == Charged.NO and reserved_on is not None
    done = request.finish(
        status,
        error_code=code,
        error_detail=detail,
        charged=charged,
        reserved_on=None if give_back else reserved_on,
    )
    if done and give_back:
        Spend.give_back(outputs, reserved_on)
    return done
