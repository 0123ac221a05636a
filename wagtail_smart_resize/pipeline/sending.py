"""From reserved to sent: one POST, its request id stored at once."""

import dataclasses
import logging
from typing import Any

from django.db import DatabaseError, close_old_connections, transaction
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from .. import moments, source, verdicts
from ..client import Answer, GatewayClient, Job
from ..exceptions import (
    AccessDenied,
    GatewayError,
    NotSent,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    SourceUnavailable,
    Unavailable,
)
from ..models import GatewayRequest, PipelineState
from ..rules import Reason
from ..shapes import Size
from . import claims, outcomes, polling

logger = logging.getLogger(__name__)

Status = GatewayRequest.Status
Charged = GatewayRequest.Charged

#: How long storing a request id is tried while the database is in trouble, seconds.
REMEMBER_SECONDS = 30


def send(request: GatewayRequest, client: GatewayClient) -> None:
    """Send a request whose lease is ours, if it is still allowed and nothing holds it up."""
    forbidden = _forbidden(request)
    if forbidden:
        outcomes.withdraw(request, forbidden, claims.look_again(forbidden))
        return
    if _held_up(request) or not _hold_budget(request):
        return
    try:
        url = source.source_url(request)
        source.check_reachable(url)
    except SourceUnavailable as error:
        outcomes.open_circuit(request, error.code, _as_gateway_error(error))
        return
    if request.step(status=Status.SENDING, sent_at=moments.now()):
        _post(request, client, _job(request, url))


def _forbidden(request: GatewayRequest) -> Reason | None:
    """What the rules say now: a picture may have become private, or a page gone, meanwhile."""
    image = request.image
    rows = list(outcomes.rows_of(request))
    if image is None or image.file_hash != request.source_hash or not rows:
        return Reason.REFUSED_BY_SITE
    about = dataclasses.replace(verdicts.About.of(image), budget_left=True, circuit_closed=True)
    reasons = (claims.verdict_on(row, about).reason for row in rows)
    return next((reason for reason in reasons if reason), None)


def _held_up(request: GatewayRequest) -> bool:
    """Whether the gateway asked for a pause, or the circuit is open and this is not its try."""
    now = moments.now()
    state = PipelineState.load()
    until = None
    if state.paused_until and state.paused_until > now:
        until = state.paused_until
    elif state.circuit_open and not state.take_probe(now, now + outcomes.PROBE_INTERVAL):
        until = state.probe_at
    if until:
        request.release(next_step=max(until, now))
    return until is not None


def _hold_budget(request: GatewayRequest) -> bool:
    """Make sure that today's budget holds the request's outputs; else it waits for tomorrow's."""
    today = moments.today()
    if request.reserved_on == today:
        return True
    try:
        with transaction.atomic():
            _move_to_today(request)
    except _NoBudget:
        request.release(next_step=moments.tomorrow(), error_code=Reason.BUDGET)
        return False
    return True


class _NoBudget(Exception):
    """Today's or this month's limit is reached."""


def _move_to_today(request: GatewayRequest) -> None:
    reserved_on = request.reserved_on
    if reserved_on is not None:
        outcomes.Spend.give_back(request.outputs_asked, reserved_on)
        request.move(where={"reserved_on": reserved_on}, reserved_on=None)
    if not claims.reserve(request):
        raise _NoBudget


def _as_gateway_error(error: SourceUnavailable) -> GatewayError:
    return NotSent(error.code, error.detail)


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


def _post(request: GatewayRequest, client: GatewayClient, job: Job) -> None:
    """The POST, and the one table that says what each outcome means."""
    try:
        answer = client.submit(job)
    except NotSent as error:
        outcomes.outage(request, error, counts=False)
    except RateLimited as error:
        outcomes.pause(request, error, error.retry_after)
    except AccessDenied as error:
        outcomes.open_circuit(request, error.code, error)
    except Rejected as error:
        outcomes.fail(request, error.code, error.detail, charged=Charged.NO)
    except Unavailable as error:
        outcomes.outage(request, error, counts=True)
    except OutcomeUnknown as error:
        _unknown(request, error)
    else:
        _sent(request, answer)


def _unknown(request: GatewayRequest, error: OutcomeUnknown) -> None:
    logger.error("Whether request %s was accepted is not known: %s", request.pk, error.detail)
    request.step(request_id=error.request_id)
    outcomes.fail(request, "unknown", error.detail, charged=Charged.UNKNOWN)


def lost(request: GatewayRequest) -> None:
    """A process ended between the POST and storing the request id."""
    detail = "The process that sent the request ended before it had stored the answer."
    outcomes.fail(request, "unknown", detail, charged=Charged.UNKNOWN)


def _sent(request: GatewayRequest, answer: Answer) -> None:
    _remember(request, answer)
    state = PipelineState.load()
    if state.circuit_open or state.outages:
        state.close_circuit()


def _remember(request: GatewayRequest, answer: Answer) -> None:
    """Store what was answered: it is paid for, so a database in trouble gets several tries."""
    changes: dict[str, Any] = {
        "status": Status.SENT,
        "request_id": answer.request_id,
        "polling_url": answer.polling_url,
        "charged": Charged.YES,
        "troubles": 0,
    }
    attempts = Retrying(
        stop=stop_after_delay(REMEMBER_SECONDS),
        wait=wait_random_exponential(multiplier=0.2, max=5),
        retry=retry_if_exception_type(DatabaseError),
        before_sleep=lambda _state: close_old_connections(),
        reraise=True,
    )
    attempts(lambda: request.step(**changes))
    polling.take_in(request, answer)
