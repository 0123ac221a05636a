"""One pass over all that is due: claim, send, ask, fetch, flip, purge.

Passes may run in any number of processes at once: leases and conditional updates keep them apart.
What a pass leaves undone, or a process loses, the next pass finds in the tables.
"""

import datetime as dt
import logging
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from wagtail_smart_resize.core import clock
from wagtail_smart_resize.gateway.client import GatewayClient
from wagtail_smart_resize.models import GatewayRequest, ImageVersion, PipelineState
from wagtail_smart_resize.publishing import frontend_cache, publication
from wagtail_smart_resize.settings import settings

from . import demand, fetching, plan, polling, submission
from .schedule import claims_blocked_until, next_due
from .thread_pool import Crew, Job

logger = logging.getLogger(__name__)

#: A step ends within its lease: the longest is one POST, or a turn of downloads.
LEASE = dt.timedelta(minutes=5)
#: The same for a question for the status, which takes `client.STATUS_SECONDS` at most: so long
#: after a process died somebody else asks.
POLL_LEASE = dt.timedelta(seconds=30)
#: The same for preparing an image's renditions. Were it not enough, two would make the same ones.
FLIP_LEASE = dt.timedelta(minutes=1)
#: When an image is looked at again that kept changing while its renditions were prepared.
CHANGING = dt.timedelta(seconds=5)
#: So much is taken on in one pass, so that a task's pass ends soon.
MOST = 40

Status = GatewayRequest.Status


class Pass(NamedTuple):
    """What a pass did: how many steps, how many failed, and when the next pass is due."""

    did: int
    failed: int
    due: dt.datetime | None


def run_pass(
    workers: int = 4, go_on: Callable[[], bool] = lambda: True, crew: Crew | None = None
) -> Pass:
    """Do all that is due now, at most `MOST` of each kind, on so many threads.

    With one worker everything happens in the calling thread. One picture's failure stops no
    other's: it is logged, and due again later. Before each step `go_on` is asked: once it says
    no, what is left stays due. A `crew` of the caller's own may leave a pass before it is done.
    """
    crew = crew or Crew(workers)
    demand.write()
    PipelineState.load().move(where={}, heartbeat=clock.now())
    work = [*_claims(), *_steps(), *_flips(), *_purges()]
    results = crew.work_off(work, go_on)
    # What has just been claimed, completed or fetched is not left waiting for the next pass.
    results += crew.work_off([*_steps(), *_flips()], go_on)
    results += crew.work_off(_flips(), go_on)
    return Pass(len(results), results.count(False), next_due())


# Claims


def _claims() -> list[Job]:
    if not settings.API_KEY:
        return []
    now, state = clock.now(), PipelineState.load()
    blocked = claims_blocked_until(state, now)
    if blocked and blocked > now:
        return []
    room = settings.MAX_IN_FLIGHT - GatewayRequest.objects.unfinished().count()
    # While the circuit is open, what is due now is the one try.
    most = min(room, 1 if state.circuit_open else MOST)
    groups = plan.due_groups(now, most) if most > 0 else []
    return [_bound(_claim, group) for group in groups]


def _claim(group: plan.Group) -> None:
    try:
        plan.claim(group)
    except Exception:
        plan.postpone(group, dt.timedelta(minutes=1))
        raise


def _bound(function: Callable[..., Any], *args: Any) -> Job:
    return lambda: function(*args)


# Steps of requests


def _steps() -> list[Job]:
    due = GatewayRequest.objects.due(clock.now()).order_by("next_step", "pk")[:MOST]
    client = GatewayClient.from_settings()
    return [_bound(_step, request, client) for request in due]


def _step(request: GatewayRequest, client: GatewayClient) -> None:
    """One step of one request, under its lease."""
    length = POLL_LEASE if request.status == Status.SENT else LEASE
    if not request.take(clock.now(), length):
        return
    lease = request.lease
    try:
        _advance(request, client)
    except Exception:
        _excuse(request.pk, lease)
        raise


def _advance(request: GatewayRequest, client: GatewayClient) -> None:
    if request.status == Status.NEW:
        submission.send(request, client)
    elif request.status == Status.SENDING:
        submission.lost(request)
    elif request.status == Status.SENT:
        polling.poll(request, client)
    elif request.status == Status.FETCHING:
        fetching.fetch(request)


def _excuse(pk: Any, lease: str) -> None:
    """Our storage or database failed: the state stays as it was, for another try later.

    A request that was being sent keeps its lease: when that ends, it counts as lost. The row is
    read anew, since the instance has what a transaction took back.
    """
    held = GatewayRequest.objects.filter(pk=pk, lease=lease).exclude(status=Status.SENDING)
    for request in held:
        troubles = request.troubles + 1
        later = clock.now() + clock.backoff(troubles)
        request.release(troubles=troubles, next_step=later)


# Flips and purges


def _flips() -> list[Job]:
    due = ImageVersion.objects.filter(flip_due__lte=clock.now()).order_by("flip_due")
    return [_bound(_flip, version) for version in due[:MOST]]


def _flip(version: ImageVersion) -> None:
    """Take the image's flip, so that of all runners one prepares its renditions."""
    held = clock.now() + FLIP_LEASE
    if not version.move(where={"flip_due": version.flip_due}, flip_due=held):
        return
    again = partial(version.move, where={"flip_due": held})
    try:
        publication.publish(version.pk)
    except publication.StillChanging as changing:
        # No failure: people or other processes are at it, and each change makes it due anyway.
        logger.info("%s It is looked at again.", changing)
        again(flip_due=clock.now() + CHANGING)
    except Exception:
        attempts = version.flip_attempts + 1
        later = clock.now() + clock.backoff(attempts, first=5)
        again(flip_due=later, flip_attempts=attempts)
        raise


def _purges() -> list[Job]:
    due = ImageVersion.objects.filter(purge_due__lte=clock.now()).order_by("purge_due")
    return [_bound(_purge, version) for version in due[:MOST]]


def _purge(version: ImageVersion) -> None:
    try:
        frontend_cache.purge(version)
    except Exception:
        later = clock.now() + dt.timedelta(minutes=1)
        version.move(where={"purge_due": version.purge_due}, purge_due=later)
        raise
