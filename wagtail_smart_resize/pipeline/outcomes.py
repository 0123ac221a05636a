"""What becomes of a purchase: DESIGN's table of outcomes, in one place.

Each function ends a request or moves it on. What was provably not charged gives its budget back;
what may have been bought is never bought again without a person's word.
"""

import datetime as dt
import logging
from collections.abc import Iterable

from django.db import transaction

from .. import moments
from ..exceptions import GatewayError
from ..models import GatewayRequest, PipelineState, Recomposition, Spend
from ..models.ledger import new_token
from ..rules import Reason

logger = logging.getLogger(__name__)

#: So many answers "out of order" fail a purchase, and so many "system error" statuses.
MAX_ATTEMPTS = 8
#: So many submissions in a row that found nobody open the circuit.
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
    attempts = request.attempts + counts
    if attempts >= MAX_ATTEMPTS:
        fail(request, error.code, error.detail, charged=Charged.NO)
        return
    with transaction.atomic():
        rows = list(rows_of(request))
        if not _close(request, Status.FAILED, error.code, error.detail, Charged.NO):
            return
        if request.by_person:
            _ask_again(request, rows, when, attempts)
        else:
            for row in rows:
                row.want_again(when, attempts=row.attempts + counts, reason=reason)


def _ask_again(
    request: GatewayRequest, rows: list[Recomposition], when: dt.datetime, attempts: int
) -> None:
    """A person's request is sent as it was: prompt, count, seed and batch."""
    again = GatewayRequest.objects.create(
        **{name: getattr(request, name) for name in REPEATED},
        source_token=new_token(),
        attempts=attempts,
        next_step=when,
    )
    for row in rows:
        row.move(where={"request": request.pk}, request=again)


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


def withdraw(request: GatewayRequest, reason: str, when: dt.datetime | None) -> None:
    """The rules no longer allow it: nothing is sent."""
    with transaction.atomic():
        rows = list(rows_of(request))
        if not _close(request, Status.FAILED, "withdrawn", str(reason), Charged.NO):
            return
        for row in rows:
            if request.by_person:
                row.fail("withdrawn", str(reason))
            else:
                row.want_again(when, attempts=row.attempts, reason=reason)


def pause(request: GatewayRequest, error: GatewayError, seconds: float | None) -> None:
    """429: no submission until then, and no alarm."""
    until = moments.now() + dt.timedelta(seconds=seconds or DEFAULT_PAUSE)
    PipelineState.load().move(where={}, paused_until=until)
    try_again(request, error, until, counts=False)


def open_circuit(request: GatewayRequest, code: str, error: GatewayError) -> None:
    """Every other request would fail as well: stop, and let one try from time to time."""
    probe_at = moments.now() + PROBE_INTERVAL
    PipelineState.load().open_circuit(code, error.detail, probe_at)
    logger.error("Nothing is asked of the gateway for now: %s", error.detail)
    try_again(request, error, probe_at, counts=False, reason=Reason.CIRCUIT_OPEN)


def outage(request: GatewayRequest, error: GatewayError, *, counts: bool) -> None:
    """The gateway could not be reached or said that it is out of order."""
    state = PipelineState.load()
    outages = state.outages + 1
    state.move(where={}, outages=outages)
    if outages >= MAX_OUTAGES:
        probe_at = moments.now() + PROBE_INTERVAL
        state.open_circuit(error.code, error.detail, probe_at)
        logger.error("The gateway stays out of order: %s", error.detail)
    when = moments.now() + moments.backoff(max(outages, request.attempts + 1))
    try_again(request, error, when, counts=counts)


def fail(request: GatewayRequest, code: str, detail: str, *, charged: "Charged") -> None:
    """It failed for good, for this file and recipe; only a person asks again."""
    status = Status.UNKNOWN if code == "unknown" else Status.FAILED
    with transaction.atomic():
        rows = list(rows_of(request))
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
