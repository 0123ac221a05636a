"""One pass over all that is due: claim, send, ask, fetch, flip, purge.

Passes may run in any number of processes at once: leases and conditional updates keep them apart.
What a pass leaves undone, or a process loses, the next pass finds in the tables.
"""

import datetime as dt
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from django.db import connections

from .. import moments, publishing, wanted
from ..client import GatewayClient
from ..models import GatewayRequest, ImageVersion, PipelineState
from ..settings import settings
from . import claims, fetching, polling, sending
from .schedule import claims_blocked_until, next_due

logger = logging.getLogger(__name__)

__all__ = ["Pass", "run_pass"]

#: A step ends within its lease: the longest is one POST, or the downloads of one request.
LEASE = dt.timedelta(minutes=15)
#: So much is taken on in one pass, so that a task's pass ends soon.
MOST = 40

Status = GatewayRequest.Status


class Pass(NamedTuple):
    """What a pass did: how many steps, how many failed, and when the next pass is due."""

    did: int
    failed: int
    due: dt.datetime | None


def run_pass(workers: int = 4) -> Pass:
    """Do all that is due now, at most `MOST` of each kind, on so many threads.

    With one worker everything happens in the calling thread. One picture's failure stops no
    other's: it is logged, and due again later.
    """
    wanted.write()
    PipelineState.load().move(where={}, heartbeat=moments.now())
    work = [*_claims(), *_steps(), *_flips(), *_purges()]
    results = _work_off(work, workers)
    # What has just been claimed or completed is not left waiting for the next pass.
    results += _work_off([*_steps(), *_flips()], workers)
    return Pass(len(results), results.count(False), next_due())


Job = Callable[[], None]


def _work_off(jobs: list[Job], workers: int) -> list[bool]:
    if workers <= 1 or len(jobs) <= 1:
        return [_guarded(job) for job in jobs]
    with ThreadPoolExecutor(min(workers, len(jobs)), "smart-resize") as pool:
        return list(pool.map(_in_thread, jobs))


def _in_thread(job: Job) -> bool:
    try:
        return _guarded(job)
    finally:
        connections.close_all()


def _guarded(job: Job) -> bool:
    try:
        job()
    except Exception:
        logger.exception("A step of the pipeline failed; it is tried again")
        return False
    return True


# Claims


def _claims() -> list[Job]:
    if not settings.API_KEY:
        return []
    now = moments.now()
    blocked = claims_blocked_until(PipelineState.load(), now)
    if blocked and blocked > now:
        return []
    room = settings.MAX_IN_FLIGHT - GatewayRequest.objects.unfinished().count()
    # While the circuit is open, what is due now is the one try.
    most = 1 if PipelineState.load().circuit_open else min(room, MOST)
    groups = claims.due_groups(now, most) if most > 0 else []
    return [_bound(claims.claim, group) for group in groups]


def _bound(function: Callable[..., Any], *args: Any) -> Job:
    return lambda: function(*args)


# Steps of requests


def _steps() -> list[Job]:
    due = GatewayRequest.objects.due(moments.now()).order_by("next_step", "pk")[:MOST]
    client = GatewayClient.from_settings()
    return [_bound(_step, request, client) for request in due]


def _step(request: GatewayRequest, client: GatewayClient) -> None:
    """One step of one request, under its lease."""
    if not request.take(moments.now(), LEASE):
        return
    try:
        _advance(request, client)
    except Exception:
        _excuse(request)
        raise


def _advance(request: GatewayRequest, client: GatewayClient) -> None:
    if request.status == Status.NEW:
        sending.send(request, client)
    elif request.status == Status.SENDING:
        sending.lost(request)
    elif request.status == Status.SENT:
        polling.poll(request, client)
    elif request.status == Status.FETCHING:
        fetching.fetch(request)


def _excuse(request: GatewayRequest) -> None:
    """Our storage or database failed: the state stays as it was, for another try later.

    A request that was being sent keeps its lease: when that ends, it counts as lost.
    """
    if request.status == Status.SENDING:
        return
    troubles = request.troubles + 1
    later = moments.now() + moments.backoff(troubles)
    request.release(troubles=troubles, next_step=later)


# Flips and purges


def _flips() -> list[Job]:
    due = ImageVersion.objects.filter(flip_due__lte=moments.now()).order_by("flip_due")
    return [_bound(_flip, version) for version in due[:MOST]]


def _flip(version: ImageVersion) -> None:
    try:
        publishing.publish(version.pk)
    except Exception:
        attempts = version.flip_attempts + 1
        version.move(
            where={"flip_due": version.flip_due},
            flip_due=moments.now() + moments.backoff(attempts, first=5),
            flip_attempts=attempts,
        )
        raise


def _purges() -> list[Job]:
    due = ImageVersion.objects.filter(purge_due__lte=moments.now()).order_by("purge_due")
    return [_bound(_purge, version) for version in due[:MOST]]


def _purge(version: ImageVersion) -> None:
    due = version.purge_due
    if due is None:
        return
    try:
        publishing.purge(version.pk, due)
    except Exception:
        version.move(where={"purge_due": due}, purge_due=moments.now() + dt.timedelta(minutes=1))
        raise
