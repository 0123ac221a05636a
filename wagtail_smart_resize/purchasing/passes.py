"""One pass over all that is due: claim, send, poll, fetch, flip, purge.

Passes may run in any number of processes at once: leases and conditional updates keep them apart.
What a pass leaves undone, or a process loses, the next pass finds in the tables.
"""

import datetime as dt
from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import Any, NamedTuple

from django.db.models import Q, QuerySet
from django.utils import timezone

from wagtail_smart_resize.core import clock
from wagtail_smart_resize.core.database import unindexed
from wagtail_smart_resize.core.logs import get_logger
from wagtail_smart_resize.core.slices import slices
from wagtail_smart_resize.gateway.client import GatewayClient
from wagtail_smart_resize.models import GatewayRequest, ImageVersion, PipelineState, ownership
from wagtail_smart_resize.publishing import frontend_cache, publication
from wagtail_smart_resize.publishing.material import Material
from wagtail_smart_resize.publishing.publication import FLIP_LEASE
from wagtail_smart_resize.settings import settings

from . import claims, demand, fetching, polling, submission, waking
from .agenda import Agenda, read_agenda
from .leases import POLL_LEASE, STEP_LEASE
from .schedule import claims_blocked_until, next_step_at
from .thread_pool import Job, ThreadPool

logger = get_logger(__name__)

#: Delay before an image that kept changing while its renditions were prepared is tried again.
RETRY_CHANGING_AFTER = dt.timedelta(seconds=5)
#: Number of images that are claimed in one transaction. All their files are opened before the first
#: of them is submitted.
CLAIMED_TOGETHER = 20
#: Maximum number of steps of each kind in one pass, so that a task's pass ends soon.
MAX_STEPS = 40

Status = GatewayRequest.Status


class _Pass(NamedTuple):
    """What a pass did: the number of steps and of failed ones, and when the next pass is due."""

    did: int
    failed: int
    due: dt.datetime | None


def run_pass(
    workers: int = 4, go_on: Callable[[], bool] | None = None, pool: ThreadPool | None = None
) -> _Pass:
    """Do all that is due now, at most `MAX_STEPS` of each kind, on `workers` threads.

    With one worker everything runs in the calling thread. A step that fails is logged and due again
    later, and stops no other. `go_on` is called before each step: once it returns False, what is
    left stays due. A `pool` replaces the pool of this call; with one that has a patience the pass
    may return before its steps have ended. Nothing is done in a database that isn't the owner.
    """
    if not ownership.is_owner():
        return _Pass(0, 0, None)
    if pool is None:
        with closing(ThreadPool(workers)) as pool:
            return run_pass(go_on=go_on, pool=pool)
    demand.write_noted_demand()
    agenda, now, client = read_agenda(), timezone.now(), GatewayClient.from_settings()
    if not agenda.state.update_if(where={}, last_pass_at=now):
        PipelineState.get_current().update_if(where={}, last_pass_at=now)
    if waking.wake_what_may_go_on(agenda, now):
        agenda = read_agenda()
    results = pool.run_jobs(_due_jobs(agenda, now, client), go_on)
    return _Pass(len(results), results.count(False), next_step_at())


def _due_jobs(agenda: Agenda, now: dt.datetime, client: GatewayClient) -> list[Job]:
    """Return what is due, having looked only for those kinds of which the agenda has any."""
    due = _claims(agenda, now, client) if _is_due(agenda.claim, now) else []
    due += _steps(now, client) if _is_due(agenda.step, now) else []
    due += _flips(now) if _is_due(agenda.flip, now) else []
    return due + (_purges(now) if _is_due(agenda.purge, now) else [])


def _is_due(moment: dt.datetime | None, now: dt.datetime) -> bool:
    return moment is not None and moment <= now


# Claims


def _claims(agenda: Agenda, now: dt.datetime, client: GatewayClient) -> list[Job]:
    if not settings.API_KEY:
        return []
    blocked = claims_blocked_until(agenda.state, now)
    if blocked and blocked > now:
        return []
    room = settings.MAX_IN_FLIGHT - agenda.unfinished
    # While the circuit is open, one claim is allowed: the probe.
    limit = min(room, 1 if agenda.state.circuit_open else MAX_STEPS)
    groups = claims.due_groups(now, limit) if limit > 0 else []
    return [partial(_claim, together, client) for together in slices(groups, CLAIMED_TOGETHER)]


def _claim(groups: list[claims.DueGroup], client: GatewayClient) -> list[Job]:
    """Claim the groups; return the submissions, on the verdict that the claim has reached."""
    try:
        requests = claims.claim(groups)
    except Exception:
        if len(groups) > 1:
            # One by one, so that what is wrong with one group stops no other.
            return [partial(_claim, [group], client) for group in groups]
        claims.postpone(groups, dt.timedelta(minutes=1))
        raise
    return [partial(_step, each, client, is_leased=True, just_judged=True) for each in requests]


# Steps of requests


def _steps(now: dt.datetime, client: GatewayClient) -> list[Job]:
    due = list(GatewayRequest.objects.due(now).order_by("next_step_at", "pk")[:MAX_STEPS])
    polls = [request for request in due if request.status == Status.SENT]
    jobs: list[Job] = [partial(_step, each, client) for each in due if each not in polls]
    return [*jobs, partial(_poll_all, polls, client)] if polls else jobs


def _poll_all(requests: list[GatewayRequest], client: GatewayClient) -> list[Job]:
    """Take the leases of all requests that are to be polled, and return the polls."""
    taken = GatewayRequest.take_due(requests, timezone.now(), POLL_LEASE)
    return [partial(_step, request, client, is_leased=True) for request in taken]


def _step(
    request: GatewayRequest,
    client: GatewayClient,
    *,
    is_leased: bool = False,
    just_judged: bool = False,
) -> list[Job]:
    """Do the next step of a request; return what can follow at once.

    `is_leased`: whether this process has its lease already. `just_judged`: whether the rules have
    allowed it a moment ago.
    """
    now = timezone.now()
    length = POLL_LEASE if request.status == Status.SENT else STEP_LEASE
    if not (request.is_leased_at(now) if is_leased else request.take(now, length)):
        return []
    lease = request.lease
    try:
        return _advance(request, client, just_judged)
    except Exception:
        _release_for_retry(request.pk, lease)
        raise


def _advance(request: GatewayRequest, client: GatewayClient, just_judged: bool) -> list[Job]:
    if request.status == Status.NEW:
        submission.submit(request, client, just_judged=just_judged)
    elif request.status == Status.SENDING:
        submission.settle_as_lost(request)
    elif request.status == Status.SENT:
        polling.poll_status(request, client)
    if request.status == Status.FETCHING:
        found = fetching.fetch_outputs(request)
        return [partial(_publish, *found)] if found else []
    return []


def _release_for_retry(pk: Any, lease: str) -> None:
    """Release a request after the storage or database failed: its state stays, for a later retry.

    A request that was being sent keeps its lease; when that ends, the request counts as lost. The
    row is read again, since the instance still has changes that a transaction rolled back.
    """
    held = GatewayRequest.objects.filter(pk=pk, lease=lease).exclude(status=Status.SENDING)
    for request in held:
        consecutive_errors = request.consecutive_errors + 1
        later = timezone.now() + clock.backoff(consecutive_errors)
        request.release(consecutive_errors=consecutive_errors, next_step_at=later)


# Flips and purges


def _flips(now: dt.datetime) -> list[Job]:
    due = ImageVersion.objects.filter(publish_due_at__lte=now).order_by("publish_due_at")
    return [partial(_flip, version) for version in due[:MAX_STEPS]]


def _flip(version: ImageVersion) -> None:
    """Publish an image under a lease on its flip, so that one runner alone prepares renditions."""
    held = timezone.now() + FLIP_LEASE
    if version.update_if(where={"publish_due_at": version.publish_due_at}, publish_due_at=held):
        _publish(version.pk, held)


def _publish(image_id: Any, held: dt.datetime, material: Material | None = None) -> None:
    """Publish an image whose flip this process holds until then."""
    try:
        publication.publish(image_id, material)
    except publication.StillChanging as changing:
        # Not a failure: people or other processes are changing it, and each change makes it due
        # anyway.
        logger.info("%s It is looked at again.", changing)
        _held(image_id, held).update(publish_due_at=timezone.now() + RETRY_CHANGING_AFTER)
    except Exception:
        for version in _held(image_id, held):
            attempts = version.publish_attempts + 1
            later = timezone.now() + clock.backoff(attempts, first=5)
            _held(image_id, held).update(publish_due_at=later, publish_attempts=attempts)
        raise


def _held(image_id: Any, held: dt.datetime) -> QuerySet[ImageVersion]:
    """Return the image's version, unless something has made it due meanwhile."""
    rows = ImageVersion.objects.filter(pk=image_id)
    return rows.filter(unindexed(Q(publish_due_at=held)))


def _purges(now: dt.datetime) -> list[Job]:
    due = ImageVersion.objects.filter(purge_due_at__lte=now).order_by("purge_due_at")
    versions = list(due[:MAX_STEPS])
    return [partial(_purge, versions)] if versions else []


def _purge(versions: list[ImageVersion]) -> list[Job]:
    """Purge the pages of these images at once, or one by one where that fails."""
    try:
        frontend_cache.purge_pages(versions)
    except Exception:
        if len(versions) > 1:
            return [partial(_purge, [version]) for version in versions]
        for version in versions:
            later = timezone.now() + dt.timedelta(minutes=1)
            version.update_if(where={"purge_due_at": version.purge_due_at}, purge_due_at=later)
        raise
    return []
