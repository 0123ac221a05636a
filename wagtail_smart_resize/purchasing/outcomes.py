"""The outcomes of a purchase, all in one place.

Each function ends a request or moves it on. A request that was provably not charged gives its
budget back; what may have been bought is never bought again unless a person asks.
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from django.db.models import Q, QuerySet
from django.utils import timezone

from wagtail_smart_resize.core import clock, database
from wagtail_smart_resize.exceptions import GatewayError
from wagtail_smart_resize.models import (
    BudgetPeriod,
    GatewayRequest,
    ImageVersion,
    PipelineState,
    Recomposition,
    events,
)
from wagtail_smart_resize.models.gateway_request import new_token
from wagtail_smart_resize.rules.verdict import Reason

from . import circuit
from .schedule import revisit_at

#: Number of "out of order" answers or "system error" statuses after which a purchase fails.
MAX_ATTEMPTS = 8
#: Seconds for which submissions pause after a 429 that names no time.
DEFAULT_PAUSE = 30.0

Status = GatewayRequest.Status
Charged = GatewayRequest.Charged


def recompositions_of(request: GatewayRequest) -> QuerySet[Recomposition]:
    """Return the recompositions that still wait for this request."""
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
    """Close the request as not charged; what it asked for is requested again at `when`.

    `counts`: whether this try is one of the `MAX_ATTEMPTS` of a purchase. `reason`: the `Reason`
    for which the rows wait meanwhile, or "".
    """
    with _locked_rows(request) as rows:
        if not _close(request, Status.FAILED, error.code, error.detail, Charged.NO):
            return
        tried = {row.pk: row.attempts + counts for row in rows}
        for row in rows:
            if tried[row.pk] >= MAX_ATTEMPTS:
                row.fail(error.code, error.detail)
            elif not request.by_person:
                row.want_again(when, attempts=tried[row.pk], reason=reason)
        if max(tried.values(), default=0) >= MAX_ATTEMPTS:
            note_failure(request, error.code, error.detail)
        if request.by_person:
            _repeat_request(
                request, [row for row in rows if tried[row.pk] < MAX_ATTEMPTS], when, tried
            )


@contextmanager
def _locked_rows(request: GatewayRequest) -> Iterator[list[Recomposition]]:
    """Open a transaction for all that a request's end changes; yield the rows that wait for it.

    The image is locked first, as in every transaction that touches an image's purchases, and then
    the pipeline's state, before the budget: what ends a request may count in both.
    """
    PipelineState.get_current()
    with database.atomic():
        ImageVersion.lock(request.image_id)
        PipelineState.lock()
        yield list(recompositions_of(request))


def _repeat_request(
    request: GatewayRequest,
    rows: list[Recomposition],
    when: dt.datetime,
    tried: Mapping[int, int],
) -> None:
    """Create a person's request again, unchanged: prompt, count, seed and batch."""
    if not rows:
        return
    repeated = GatewayRequest.objects.create(
        **{name: getattr(request, name) for name in REPEATED},
        source_token=new_token(),
        next_step_at=when,
    )
    for row in rows:
        row.update_if(where={"request": request.pk}, request=repeated, attempts=tried[row.pk])


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
    "images_per_size",
    "outputs_asked",
    "price",
    "currency",
    "asked_by_id",
    "by_person",
    "use_at_once",
    "batch",
)


def withdraw(request: GatewayRequest, reasons: Mapping[int, Reason | None], code: str) -> None:
    """Close a request that was not sent, and give its budget back.

    `reasons`: by the recomposition's id, the rule that forbids it; rows without one are assessed
    again at once. `code`: why, as the request's detail. The rows of a person's request fail with
    "withdrawn".
    """
    with _locked_rows(request) as rows:
        if not _close(request, Status.FAILED, "withdrawn", code, Charged.NO):
            return
        for row in rows:
            reason = reasons.get(row.pk)
            if request.by_person:
                row.fail("withdrawn", code)
            else:
                when = revisit_at(reason) if reason else timezone.now()
                row.want_again(when, attempts=row.attempts, reason=reason or "")


def call_off(row: Recomposition) -> list[Recomposition]:
    """Take back the request of a row before it is sent; return the rows that are not bought now.

    Empty if it is being sent, or has been. The image must be locked.
    """
    request = row.request
    if request is None:
        return []
    rows = list(recompositions_of(request))
    now = timezone.now()
    free = Q(leased_until=None) | Q(leased_until__lte=now)
    token = new_token()
    taken = request.update_if(
        where=free & Q(status=Status.NEW), lease=token, leased_until=now + dt.timedelta(minutes=1)
    )
    if not taken:
        return []
    _close(request, Status.FAILED, "called_off", "A person called it off.", Charged.NO)
    called_off = rows if request.by_person else [each for each in rows if each.pk == row.pk]
    for each in rows:
        if each in called_off:
            each.take_back()
        else:
            each.want_again(now, attempts=each.attempts)
    return called_off


def pause(request: GatewayRequest, error: GatewayError, seconds: float | None) -> None:
    """Pause submissions after a 429, for `seconds` or `DEFAULT_PAUSE`, and raise no alarm."""
    until = timezone.now() + dt.timedelta(seconds=seconds or DEFAULT_PAUSE)
    PipelineState.get_current().pause(until, error.detail)
    try_again(request, error, until, counts=False)


def open_circuit(request: GatewayRequest, code: str, error: GatewayError) -> None:
    """Open the circuit, since every other request would fail as well; probes go on meanwhile."""
    probe_at = circuit.trip(PipelineState.get_current(), code, error.detail)
    try_again(request, error, probe_at, counts=False, reason=Reason.CIRCUIT_OPEN)


def note_outage(request: GatewayRequest, error: GatewayError, *, counts: bool) -> None:
    """Retry the request later: the gateway could not be reached, or said that it is out of order.

    `counts`: as for `try_again`. Too many consecutive outages open the circuit.
    """
    state = circuit.note_outage(error)
    when = timezone.now() + clock.backoff(max(state.consecutive_outages, request.attempts + 1))
    reason = Reason.CIRCUIT_OPEN if state.circuit_open else ""
    try_again(request, error, when, counts=counts, reason=reason)


def settle_as_unknown(request: GatewayRequest, error: GatewayError) -> None:
    """Fail a request that may have been accepted and charged.

    It counts as an outage, so that the circuit opens if this goes on, and no more is risked.
    """
    circuit.note_outage(error)
    settle_as_failed(request, "unknown", error.detail, charged=Charged.UNKNOWN)


def reopen_lost(request: GatewayRequest) -> bool:
    """Take a request that was given up as lost for one being sent; return whether it was one.

    Its answer has come after all, later than its lease: the process was paused, or a clock was set.
    The rows that failed with it wait for it again, unless a person has gone on meanwhile.
    """
    lost = {"status": Status.UNKNOWN, "request_id": ""}
    if not request.update_if(where=lost, status=Status.SENDING, **REOPENED):
        return False
    wait_again(request)
    return True


#: What a request no longer says when it is reopened.
REOPENED = {"finished_at": None, "consecutive_errors": 0, "error_code": "", "error_detail": ""}


def wait_again(request: GatewayRequest) -> None:
    """Let the rows that failed with the request wait for it once more."""
    for row in Recomposition.objects.filter(request=request):
        row.update_if(
            where={"purchase": Recomposition.Purchase.FAILED},
            purchase=Recomposition.Purchase.REQUESTED,
            failure_code="",
            failure_detail="",
        )


def settle_as_failed(
    request: GatewayRequest, code: str, detail: str, *, charged: "Charged"
) -> None:
    """Fail the request for good, for this file and recipe; only a person can ask again.

    The code "unknown" gives the request the status of that name.
    """
    status = Status.UNKNOWN if code == "unknown" else Status.FAILED
    with _locked_rows(request) as rows:
        if not _close(request, status, code, detail, charged):
            return
        for row in rows:
            row.fail(code, detail)
        note_failure(request, code, detail)


def note_failure(request: GatewayRequest, code: str, detail: str) -> None:
    """Tell that a request has come to nothing, and count it among the failures in a row.

    What became of one with the code "unknown" is not known; that counts as an outage instead.
    """
    unknown = code == "unknown"
    events.purchase_failed(request, code, detail, unknown=unknown)
    if not unknown:
        circuit.note_failure(request, detail)


def _close(
    request: GatewayRequest, status: "Status", code: str, detail: str, charged: "Charged"
) -> bool:
    """Finish the request, giving its budget back if not charged; return whether the lease held."""
    reserved_on, outputs = request.reserved_on, request.outputs_asked
    given_back = reserved_on if charged == Charged.NO else None
    done = request.finish(
        status,
        error_code=code,
        error_detail=detail,
        charged=charged,
        reserved_on=None if given_back else reserved_on,
    )
    if done and given_back:
        BudgetPeriod.give_back(outputs, given_back)
    return done
