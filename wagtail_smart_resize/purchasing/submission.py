"""From reserved to sent: one POST, its request id stored at once."""

import dataclasses
import logging
from collections.abc import Callable
from functools import partial
from time import sleep

from django.db import DatabaseError, close_old_connections, transaction
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from wagtail_smart_resize.core import clock
from wagtail_smart_resize.core.sizes import Size
from wagtail_smart_resize.exceptions import (
    AccessDenied,
    GatewayError,
    NotSent,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    SourceUnavailable,
    Unavailable,
)
from wagtail_smart_resize.gateway.client import Answer, GatewayClient, Job
from wagtail_smart_resize.models import (
    GatewayRequest,
    ImageVersion,
    PipelineState,
    Recomposition,
    Spend,
)
from wagtail_smart_resize.rules import assess
from wagtail_smart_resize.rules.verdict import Reason

from . import outcomes, plan, polling, source_image

logger = logging.getLogger(__name__)

Status = GatewayRequest.Status
Charged = GatewayRequest.Charged

#: How long recording an answer is tried while the database is in trouble, seconds.
REMEMBER_SECONDS = 30


def send(request: GatewayRequest, client: GatewayClient) -> None:
    """Send a request whose lease is ours, if it is still allowed and nothing holds it up."""
    if _withdrawn(request) or _held_up(request):
        return
    try:
        url = source_image.source_url(request)
        source_image.check_reachable(url)
    except SourceUnavailable as error:
        outcomes.open_circuit(request, error.code, NotSent(error.code, error.detail))
        return
    # Last, so that it is the day of the POST whose budget holds it.
    if _hold_budget(request) and _begin(request):
        _post(request, client, _job(request, url))


def _begin(request: GatewayRequest) -> bool:
    """From here on a crash leaves it unknown whether the request was sent."""
    return request.step(status=Status.SENDING, sent_at=clock.now(), error_code="")


# What may have changed since the claim


def _withdrawn(request: GatewayRequest) -> bool:
    """Take back a request for what may not be bought any more, or need not be."""
    rows = list(outcomes.rows_of(request))
    try:
        reasons = _reasons(request, rows) if _is_current(request, rows) else {}
    except SourceUnavailable:
        # The next claim says what to do about the file.
        reasons = {}
    if reasons and not any(reasons.values()):
        return False
    code = next((reason for reason in reasons.values() if reason), "outdated")
    outcomes.withdraw(request, reasons, code)
    return True


def _is_current(request: GatewayRequest, rows: list[Recomposition]) -> bool:
    """Whether the image is there with the same file, and nobody has decided meanwhile."""
    image = request.image
    if image is None or image.file_hash != request.source_hash:
        return False
    # A person may well ask for another candidate where one was chosen before.
    return request.by_person or all(row.is_open for row in rows)


def _reasons(request: GatewayRequest, rows: list[Recomposition]) -> dict[int, Reason | None]:
    """What the rules say now: a picture may have become private, or a page gone, meanwhile.

    What is a matter of taste was settled when a person asked.
    """
    about = assess.About.of(request.image, source_image.inspect(request.image))
    about = dataclasses.replace(about, budget_left=True, circuit_closed=True)
    return {
        row.pk: plan.verdict_on(row, about, overruled=row.overruled or request.by_person).reason
        for row in rows
    }


def _held_up(request: GatewayRequest) -> bool:
    """Whether the gateway asked for a pause, or the circuit is open and this is not its try."""
    now = clock.now()
    state = PipelineState.load()
    until = None
    if state.paused_until and state.paused_until > now:
        until = state.paused_until
    elif state.circuit_open and not state.take_probe(now, now + outcomes.PROBE_INTERVAL):
        until = state.probe_at
    if until:
        request.release(next_step=max(until, now))
    return until is not None


# The budget of the day


def _hold_budget(request: GatewayRequest) -> bool:
    """Make sure that today's budget holds the request's outputs; else it waits for tomorrow's."""
    today = clock.today()
    if request.reserved_on == today:
        return True
    Spend.open(today)
    try:
        with transaction.atomic():
            _move_to_today(request)
    except _NoBudget:
        # What the transaction took back is still in the instance.
        request.refresh_from_db(fields=["reserved_on"])
        request.release(next_step=clock.tomorrow(), error_code=Reason.BUDGET)
        return False
    return True


class _NoBudget(Exception):
    """Today's or this month's limit is reached."""


def _move_to_today(request: GatewayRequest) -> None:
    reserved_on = request.reserved_on
    if reserved_on is not None:
        Spend.give_back(request.outputs_asked, reserved_on)
        request.move(where={"reserved_on": reserved_on}, reserved_on=None)
    if not plan.reserve(request):
        raise _NoBudget


def _job(request: GatewayRequest, url: str) -> Job:
    return Job(
        image_url=url,
        target_sizes=tuple(Size.parse(asked["size"]) for asked in request.sizes),
        prompt=request.prompt,
        num_images_per_size=request.per_size,
        resolution=request.resolution,
        output_format=request.output_format,
        safety_tolerance=request.safety_tolerance or None,
        seed=request.seed,
    )


# The POST, and what came of it


def _post(request: GatewayRequest, client: GatewayClient, job: Job) -> None:
    """Exactly one POST; what it brought may be paid for and is recorded with patience."""
    try:
        answer = client.submit(job)
    except GatewayError as error:
        _record(request, partial(_refused, error=error))
    else:
        _record(request, partial(_accepted, answer=answer))


def _refused(request: GatewayRequest, error: GatewayError) -> None:
    """The one table that says what each error means."""
    match error:
        case NotSent():
            outcomes.outage(request, error, counts=False)
        case RateLimited():
            outcomes.pause(request, error, error.retry_after)
        case AccessDenied():
            outcomes.open_circuit(request, error.code, error)
        case Rejected():
            outcomes.fail(request, error.code, error.detail, charged=Charged.NO)
        case Unavailable():
            outcomes.outage(request, error, counts=True)
        case OutcomeUnknown():
            request.step(request_id=error.request_id)
            outcomes.unknown(request, error)


def _accepted(request: GatewayRequest, answer: Answer) -> None:
    request.step(
        status=Status.SENT,
        request_id=answer.request_id,
        polling_url=answer.polling_url,
        charged=Charged.YES,
        troubles=0,
    )
    polling.take_in(request, answer)
    state = PipelineState.load()
    if state.circuit_open or state.outages:
        state.close_circuit()


def _record(request: GatewayRequest, outcome: Callable[[GatewayRequest], None]) -> None:
    """Write all of an outcome or nothing of it, trying again while the database is in trouble."""
    attempts = Retrying(
        stop=stop_after_delay(REMEMBER_SECONDS),
        wait=wait_random_exponential(multiplier=0.2, max=5),
        retry=retry_if_exception_type(DatabaseError),
        before_sleep=lambda _state: close_old_connections(),
        sleep=sleep,
        reraise=True,
    )
    attempts(_record_once, request, outcome)


def _record_once(request: GatewayRequest, outcome: Callable[[GatewayRequest], None]) -> None:
    with transaction.atomic():
        ImageVersion.lock(request.image_id)
        # What a failed try changed is still in the instance.
        request.refresh_from_db()
        if request.status == Status.SENDING:
            outcome(request)
        else:
            logger.error("Request %s was given up before its answer came", request.pk)


def lost(request: GatewayRequest) -> None:
    """A process ended between the POST and storing the request id."""
    detail = "The process that sent the request ended before it had stored the answer."
    outcomes.fail(request, "unknown", detail, charged=Charged.UNKNOWN)
