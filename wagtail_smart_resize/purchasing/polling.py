"""From sent to completed: polling the status of a request."""

import datetime as dt
from typing import Any

from django.utils import timezone

from wagtail_smart_resize.core import clock
from wagtail_smart_resize.core.logs import get_logger
from wagtail_smart_resize.exceptions import NotSent, StatusUnavailable
from wagtail_smart_resize.gateway.client import Answer, GatewayClient, JobStatus, Output
from wagtail_smart_resize.models import GatewayRequest, source_file
from wagtail_smart_resize.settings import settings

from . import outcomes, source_storage
from .durations import usual_durations
from .leases import STEP_LEASE

logger = get_logger(__name__)

Status = GatewayRequest.Status
Charged = GatewayRequest.Charged

#: Number of deadlines after which a request is given up. After the first it is polled slowly.
GIVE_UP_AFTER_DEADLINES = 6
#: Interval of polls for a request that is past its deadline.
SLOW_INTERVAL = dt.timedelta(seconds=60)
#: Share by which an interval is changed at most, so that a poll falls at the usual end.
GIVE = 0.2
#: Seconds that a submission and a poll are on their way, beside the gateway's own work.
ON_THE_WAY_SECONDS = 0.4
#: Interval at which a site without an API key checks whether it has one again.
NO_KEY_INTERVAL = dt.timedelta(minutes=1)


def poll_status(request: GatewayRequest, client: GatewayClient) -> None:
    """Poll the status once of a request that is leased by this process."""
    source_storage.delete_if_forbidden(request)
    if not settings.API_KEY:
        # The key may return with the next deployment, and what is paid for can still be fetched.
        request.release(next_step_at=timezone.now() + NO_KEY_INTERVAL)
        return
    try:
        answer = client.status(request.request_id, request.polling_url)
    except StatusUnavailable as error:
        _handle_poll_failure(request, error)
    else:
        store_answer(request, answer)


def store_answer(request: GatewayRequest, answer: Answer) -> None:
    """Move the request on by the gateway's answer, to the submission or to a poll."""
    if answer.status == JobStatus.COMPLETED:
        _handle_completed(request, answer)
    elif answer.status == JobStatus.FAILED or (answer.status == JobStatus.ERROR and answer.outputs):
        # An ERROR that names outputs contradicts itself: they may have been charged.
        detail = answer.error or "The service could not make the AI version."
        outcomes.settle_as_failed(request, "failed", detail, charged=Charged.UNKNOWN)
    elif answer.status == JobStatus.ERROR:
        _handle_error(request, answer)
    elif _has_timed_out(request):
        _fail_as_timed_out(request)
    else:
        request.release(**next_poll(request))


def is_at_work(answer: Answer) -> bool:
    """Return whether the answer says that the service goes on with the request."""
    ended = (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.ERROR)
    return answer.status not in ended


def next_poll(request: GatewayRequest) -> dict[str, Any]:
    """Return the changes of a request that is asked about again after `interval`."""
    return {"next_step_at": timezone.now() + interval(request), "consecutive_errors": 0}


def interval(request: GatewayRequest) -> dt.timedelta:
    """Return the time until the next poll.

    It grows from `POLL_INTERVAL` at first to four times that at the deadline. After it, it is
    `SLOW_INTERVAL`, or `POLL_INTERVAL` if that is longer. Before the time at which most requests
    have ended, it is shortened or stretched by a fifth at the most, so that a poll falls there.
    """
    waited = _seconds_waited(request)
    if waited > settings.DEADLINE:
        return max(SLOW_INTERVAL, dt.timedelta(seconds=settings.POLL_INTERVAL))
    seconds = settings.POLL_INTERVAL * (1 + 3 * waited / settings.DEADLINE)
    usual = usual_durations.seconds(request.resolution)
    if usual is not None:
        seconds = _meeting(usual + ON_THE_WAY_SECONDS - waited, seconds)
    return dt.timedelta(seconds=seconds)


def _meeting(seconds_left: float, interval_seconds: float) -> float:
    """Return the interval, changed so that whole ones end when the seconds left have passed."""
    if seconds_left <= 0:
        return interval_seconds
    polls = max(1, round(seconds_left / interval_seconds))
    shortest, longest = interval_seconds * (1 - GIVE), interval_seconds * (1 + GIVE)
    return min(max(seconds_left / polls, shortest), longest)


def _seconds_waited(request: GatewayRequest) -> float:
    """Return the seconds since the request was sent; 0 if the clock was ahead then."""
    return max(0.0, (timezone.now() - (request.sent_at or request.created_at)).total_seconds())


def _has_timed_out(request: GatewayRequest) -> bool:
    return _seconds_waited(request) > settings.DEADLINE * GIVE_UP_AFTER_DEADLINES


def _fail_as_timed_out(request: GatewayRequest) -> None:
    detail = "The service did not finish in time."
    outcomes.settle_as_failed(request, "deadline", detail, charged=Charged.UNKNOWN)


def _handle_poll_failure(request: GatewayRequest, error: StatusUnavailable) -> None:
    """Poll again later, or give the request up: a failed poll says nothing about the request."""
    if _has_timed_out(request):
        _fail_as_timed_out(request)
        return
    logger.warning("No word on request %s: %s", request.pk, error.detail)
    consecutive_errors = request.consecutive_errors + 1
    wait = clock.backoff(consecutive_errors, first=settings.POLL_INTERVAL * 2, most=60)
    asked_for = dt.timedelta(seconds=error.retry_after or 0)
    request.release(
        next_step_at=timezone.now() + max(wait, asked_for), consecutive_errors=consecutive_errors
    )


def _handle_error(request: GatewayRequest, answer: Answer) -> None:
    """Retry after the status ERROR, which the gateway documents as not charged."""
    error = NotSent("error", answer.error or "The service had a system error.")
    when = timezone.now() + clock.backoff(request.attempts + 1, first=30)
    outcomes.try_again(request, error, when)


def _handle_completed(request: GatewayRequest, answer: Answer) -> None:
    now = timezone.now()
    if not answer.outputs:
        detail = answer.error or "The service says that it is done, and names no picture."
        outcomes.settle_as_failed(request, "empty", detail, charged=Charged.UNKNOWN)
        return
    # Still leased: what is completed is fetched at once, by whoever has heard of it.
    request.step(
        status=Status.FETCHING,
        leased_until=now + STEP_LEASE,
        charged=Charged.YES,
        outputs=[_output_to_json(output) for output in answer.outputs],
        outputs_received=len(answer.outputs),
        completed_at=now,
        service_seconds=answer.seconds,
        next_step_at=now,
        consecutive_errors=0,
    )
    usual_durations.learn(request.resolution)
    # The service has read it.
    source_file.delete_on_commit(request)


def _output_to_json(output: Output) -> dict[str, str]:
    return {
        "url": output.url,
        "file_name": output.file_name,
        "content_type": output.content_type,
    }
