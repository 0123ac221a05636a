"""From sent to completed: asking how far a request is."""

import datetime as dt
import logging

from wagtail_smart_resize.core import clock
from wagtail_smart_resize.exceptions import NotSent, StatusUnavailable
from wagtail_smart_resize.gateway.client import Answer, GatewayClient, Output
from wagtail_smart_resize.gateway.client import Status as Word
from wagtail_smart_resize.models import GatewayRequest
from wagtail_smart_resize.settings import settings

from . import outcomes

logger = logging.getLogger(__name__)

Status = GatewayRequest.Status
Charged = GatewayRequest.Charged

#: So many times the deadline a request is still asked about, slowly, before it is given up.
PATIENCE = 6
#: How often one that is past its deadline is asked about.
SLOW = dt.timedelta(seconds=60)
#: How often a site without a key looks whether it has one again.
NO_KEY = dt.timedelta(minutes=10)


def poll(request: GatewayRequest, client: GatewayClient) -> None:
    """Ask once how far a request is whose lease is ours."""
    if not settings.API_KEY:
        # It may come back with the next deployment, and what is paid for is still to be had.
        request.release(next_step=clock.now() + NO_KEY)
        return
    try:
        answer = client.status(request.request_id, request.polling_url)
    except StatusUnavailable as error:
        _no_word(request, error)
    else:
        take_in(request, answer)


def take_in(request: GatewayRequest, answer: Answer) -> None:
    """Move on with what the gateway said, at the submission or later."""
    if answer.status == Word.COMPLETED:
        _completed(request, answer)
    elif answer.status == Word.FAILED or (answer.status == Word.ERROR and answer.outputs):
        # An error that shows pictures contradicts itself: they may have been charged.
        detail = answer.error or "The service could not recompose the picture."
        outcomes.fail(request, "failed", detail, charged=Charged.UNKNOWN)
    elif answer.status == Word.ERROR:
        _not_charged(request, answer)
    elif _given_up(request):
        _too_late(request)
    else:
        request.release(next_step=clock.now() + interval(request), troubles=0)


def interval(request: GatewayRequest) -> dt.timedelta:
    """How long until the next question: the setting's interval, longer as the wait gets long."""
    waited = _waited(request)
    if waited > settings.DEADLINE:
        return max(SLOW, dt.timedelta(seconds=settings.POLL_INTERVAL))
    stretch = 1 + 3 * waited / settings.DEADLINE
    return dt.timedelta(seconds=settings.POLL_INTERVAL * stretch)


def _waited(request: GatewayRequest) -> float:
    """Seconds since it was sent."""
    return (clock.now() - (request.sent_at or request.created_at)).total_seconds()


def _given_up(request: GatewayRequest) -> bool:
    return _waited(request) > settings.DEADLINE * PATIENCE


def _too_late(request: GatewayRequest) -> None:
    detail = "The service did not finish in time."
    outcomes.fail(request, "deadline", detail, charged=Charged.UNKNOWN)


def _no_word(request: GatewayRequest, error: StatusUnavailable) -> None:
    """Trouble with asking says nothing about the request: ask again, until its time is over."""
    if _given_up(request):
        _too_late(request)
        return
    logger.warning("No word on request %s: %s", request.pk, error.detail)
    troubles = request.troubles + 1
    wait = clock.backoff(troubles, first=settings.POLL_INTERVAL * 2, most=60)
    asked_for = dt.timedelta(seconds=error.retry_after or 0)
    request.release(next_step=clock.now() + max(wait, asked_for), troubles=troubles)


def _not_charged(request: GatewayRequest, answer: Answer) -> None:
    """ERROR: documented as not charged."""
    error = NotSent("error", answer.error or "The service had a system error.")
    when = clock.now() + clock.backoff(request.attempts + 1, first=30)
    outcomes.try_again(request, error, when)


def _completed(request: GatewayRequest, answer: Answer) -> None:
    now = clock.now()
    if not answer.outputs:
        detail = "The service says that it is done, and names no picture."
        outcomes.fail(request, "empty", detail, charged=Charged.UNKNOWN)
        return
    request.release(
        status=Status.FETCHING,
        charged=Charged.YES,
        outputs=[_stored(output) for output in answer.outputs],
        outputs_received=len(answer.outputs),
        completed_at=now,
        next_step=now,
        troubles=0,
    )


def _stored(output: Output) -> dict[str, str]:
    return {
        "url": output.url,
        "file_name": output.file_name,
        "content_type": output.content_type,
    }
