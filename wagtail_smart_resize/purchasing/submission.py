"""From reserved to sent: one POST, whose request id is stored at once."""

import contextlib
import dataclasses
from collections.abc import Callable
from functools import partial
from time import sleep
from typing import Any

from django.db import DatabaseError, close_old_connections
from django.utils import timezone
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from wagtail_smart_resize.core import clock, database
from wagtail_smart_resize.core.logs import get_logger
from wagtail_smart_resize.core.site_image import SiteImage
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
from wagtail_smart_resize.gateway.client import Answer, GatewayClient, GenerateRequest
from wagtail_smart_resize.models import (
    BudgetPeriod,
    GatewayRequest,
    ImageVersion,
    PipelineState,
    Recomposition,
    events,
    source_file,
)
from wagtail_smart_resize.models.gateway_request import RELEASED
from wagtail_smart_resize.rules import assess
from wagtail_smart_resize.rules.verdict import Reason
from wagtail_smart_resize.settings import settings

from . import circuit, outcomes, plan, polling, source_image, source_storage, under_way, waking
from .leases import STEP_LEASE

logger = get_logger(__name__)

Status = GatewayRequest.Status
Charged = GatewayRequest.Charged

#: Seconds for which recording an answer is retried while the database fails.
RECORD_FOR_SECONDS = 30


def submit(request: GatewayRequest, client: GatewayClient, *, just_judged: bool = False) -> None:
    """Send a request leased by this process, if it is still allowed and nothing blocks it.

    `just_judged`: whether the rules have allowed it a moment ago, so that they are not asked again.
    """
    if _withdraw_if_obsolete(request, just_judged):
        return
    state = PipelineState.get_current()
    if _release_if_blocked(request, state):
        return
    try:
        url = _offer_source(request)
    except SourceUnavailable as error:
        if error.code in source_image.FILE_CODES:
            # The next claim handles an unreadable file.
            outcomes.withdraw(request, {}, "outdated")
        else:
            outcomes.open_circuit(request, error.code, NotSent(error.code, error.detail))
        return
    # Last, so that the budget is that of the day of the POST. After a crash from here on, whether
    # the request was sent is unknown.
    if _hold_budget(request) and request.step(
        status=Status.SENDING,
        sent_at=timezone.now(),
        leased_until=timezone.now() + STEP_LEASE,
        error_code="",
    ):
        events.sent(request)
        _post(request, client, _build_job(request, url), state)
    else:
        source_file.delete_on_commit(request)


def _offer_source(request: GatewayRequest) -> str:
    """Return the URL where the gateway finds the picture. Raise SourceUnavailable."""
    url = (
        source_storage.put(request) if settings.SOURCE_STORAGE else source_image.source_url(request)
    )
    source_image.check_reachable(url)
    return url


# What may have changed since the claim


def _withdraw_if_obsolete(request: GatewayRequest, just_judged: bool) -> bool:
    """Withdraw the request if a row may not, or need not, be bought any more; return whether so."""
    # A deleted image has no rows any more.
    rows = list(outcomes.recompositions_of(request).select_related("image__collection"))
    image = rows[0].image if rows else None
    reasons: dict[int, Reason | None] = {}
    if image is not None and _is_current(request, image, rows):
        if just_judged:
            return False
        # The next claim handles an unreadable file.
        with contextlib.suppress(SourceUnavailable):
            reasons = _reasons_against(request, image, rows)
    if reasons and not any(reasons.values()):
        return False
    code = next((reason for reason in reasons.values() if reason), "outdated")
    outcomes.withdraw(request, reasons, code)
    return True


def _is_current(request: GatewayRequest, image: SiteImage, rows: list[Recomposition]) -> bool:
    """Return whether the image still has the same file and nobody has decided meanwhile."""
    if image.file_hash != request.source_hash:
        return False
    # A person may ask for another candidate where one was chosen before.
    return request.by_person or all(row.is_open for row in rows)


def _reasons_against(
    request: GatewayRequest, image: SiteImage, rows: list[Recomposition]
) -> dict[int, Reason | None]:
    """Return the reason against each row now, by its id: None where it is still allowed.

    An image may have become private, or a page unpublished, since the claim. The rules that a
    person may override are not applied to a person's own request.
    """
    image_facts = assess.ImageFacts.for_image(image, source_image.read_facts(image))
    image_facts = dataclasses.replace(image_facts, budget_left=True, circuit_closed=True)
    return {
        row.pk: plan.verdict_on(
            row, image_facts, rules_overridden=row.rules_overridden or request.by_person
        ).reason
        for row in rows
    }


def _release_if_blocked(request: GatewayRequest, state: PipelineState) -> bool:
    """Release the request and return True if a person, a pause or the open circuit blocks it now.

    The open circuit lets the request through that takes its probe.
    """
    now = timezone.now()
    until = None
    if state.is_stopped:
        until = now + waking.LOOK_EVERY
    elif state.paused_until and state.paused_until > now:
        until = state.paused_until
    elif state.circuit_open and not state.take_probe(
        now, now + circuit.probe_interval(state, state.circuit_code)
    ):
        until = state.probe_at
    if until:
        request.release(next_step_at=max(until, now))
    return until is not None


# The budget of the day


def _hold_budget(request: GatewayRequest) -> bool:
    """Hold the outputs in today's budget; else release the request until tomorrow, return False."""
    today = clock.today()
    if request.reserved_on == today:
        return True
    BudgetPeriod.ensure_rows(today)
    try:
        with database.atomic():
            _move_to_today(request)
    except _NoBudget:
        # The instance still has the value that the transaction rolled back.
        request.refresh_from_db(fields=["reserved_on"])
        request.release(next_step_at=clock.tomorrow(), error_code=Reason.BUDGET)
        plan.tell_of_budget()
        return False
    return True


class _NoBudget(Exception):
    """Today's or this month's limit is reached."""


def _move_to_today(request: GatewayRequest) -> None:
    reserved_on = request.reserved_on
    if reserved_on is not None:
        BudgetPeriod.give_back(request.outputs_asked, reserved_on)
        request.update_if(where={"reserved_on": reserved_on}, reserved_on=None)
    if not plan.reserve(request):
        raise _NoBudget


def _build_job(request: GatewayRequest, url: str) -> GenerateRequest:
    return GenerateRequest(
        image_url=url,
        target_sizes=tuple(Size.parse(asked["size"]) for asked in request.sizes),
        prompt=request.prompt,
        num_images_per_size=request.images_per_size,
        resolution=request.resolution,
        output_format=request.output_format,
        safety_tolerance=request.safety_tolerance or None,
        seed=request.seed,
    )


# The POST, and what came of it


def _post(
    request: GatewayRequest, client: GatewayClient, job: GenerateRequest, state: PipelineState
) -> None:
    """Send exactly one POST; its outcome may be paid for, and recording it is retried."""
    with under_way.posts.one_more():
        try:
            answer = client.submit(job)
        except GatewayError as error:
            _record(request, partial(_handle_error, error=error))
        else:
            _retried(_record_accepted, request, answer)
            circuit.note_accepted(state)


def _handle_error(request: GatewayRequest, error: GatewayError) -> None:
    """Handle a gateway error; the only place that maps each error to its outcome."""
    match error:
        case NotSent():
            outcomes.note_outage(request, error, counts=False)
        case RateLimited():
            outcomes.pause(request, error, error.retry_after)
        case AccessDenied():
            outcomes.open_circuit(request, error.code, error)
        case Rejected():
            outcomes.settle_as_failed(request, error.code, error.detail, charged=Charged.NO)
        case Unavailable():
            outcomes.note_outage(request, error, counts=True)
        case OutcomeUnknown():
            request.step(request_id=error.request_id)
            outcomes.settle_as_unknown(request, error)


def _record_accepted(request: GatewayRequest, answer: Answer) -> None:
    """Note that the service works on the request: in one statement where nothing came between."""
    sending = {"status": Status.SENDING, "lease": request.lease}
    at_work = polling.is_at_work(answer)
    if at_work and request.update_if(
        where=sending, **_accepted(answer), **polling.next_poll(request), **RELEASED
    ):
        events.accepted(request)
    else:
        _record_once(request, partial(_handle_accepted, answer=answer))


def _accepted(answer: Answer) -> dict[str, Any]:
    return {
        "status": Status.SENT,
        "request_id": answer.request_id,
        "polling_url": answer.polling_url,
        "charged": Charged.YES,
    }


def _handle_accepted(request: GatewayRequest, answer: Answer) -> None:
    request.step(**_accepted(answer), consecutive_errors=0)
    polling.store_answer(request, answer)
    events.accepted(request)


def _record(request: GatewayRequest, outcome: Callable[[GatewayRequest], None]) -> None:
    """Write an outcome in full or not at all, retrying while the database fails."""
    _retried(_record_once, request, outcome)


def _retried(record: Callable[..., None], *args: Any) -> None:
    attempts = Retrying(
        stop=stop_after_delay(RECORD_FOR_SECONDS),
        wait=wait_random_exponential(multiplier=0.2, max=5),
        retry=retry_if_exception_type(DatabaseError),
        before_sleep=lambda _state: close_old_connections(),
        sleep=sleep,
        reraise=True,
    )
    attempts(record, *args)


def _record_once(request: GatewayRequest, outcome: Callable[[GatewayRequest], None]) -> None:
    with database.atomic():
        ImageVersion.lock(request.image_id)
        # The instance still has the changes of a failed try.
        request.refresh_from_db()
        if request.status == Status.SENDING or outcomes.reopen_lost(request):
            outcome(request)
        else:
            logger.error("Request %s was given up before its answer came", request.pk)


def settle_as_lost(request: GatewayRequest) -> None:
    """Fail a request whose process ended between the POST and storing the request id."""
    detail = "The process that sent the request ended before it had stored the answer."
    outcomes.settle_as_failed(request, "unknown", detail, charged=Charged.UNKNOWN)
