"""When the next pass is due."""

import datetime as dt
from collections.abc import Iterator

from django.db.models import Min, QuerySet
from django.db.models.functions import Coalesce, Greatest
from django.utils import timezone

from wagtail_smart_resize.core import clock
from wagtail_smart_resize.models import GatewayRequest, ImageVersion, PipelineState, Recomposition
from wagtail_smart_resize.rules.verdict import Reason
from wagtail_smart_resize.settings import settings

from . import waking

#: Time until a row that waits for pages, settings or editors is assessed again, if nothing wakes it
#: before.
REVISIT_AFTER = dt.timedelta(hours=24)
#: The same where only a threshold in the settings could change the verdict: the file is opened.
REVISIT_SETTINGS_AFTER = dt.timedelta(days=7)

_WAITS = {
    Reason.PRIVATE: REVISIT_AFTER,
    Reason.OPTED_OUT: REVISIT_AFTER,
    Reason.NOT_PUBLISHED: REVISIT_AFTER,
    Reason.UNKNOWN_PRESET: REVISIT_AFTER,
    Reason.AUTOMATIC_OFF: REVISIT_AFTER,
    Reason.REFUSED_BY_SITE: dt.timedelta(hours=1),
    Reason.NO_KEY: dt.timedelta(hours=1),
    Reason.CIRCUIT_OPEN: dt.timedelta(hours=1),
    Reason.HOPELESS_SHAPE: REVISIT_SETTINGS_AFTER,
    Reason.SMALL_SLOT: REVISIT_SETTINGS_AFTER,
    Reason.CROP_KEEPS_ENOUGH: REVISIT_SETTINGS_AFTER,
}


def revisit_at(reason: Reason) -> dt.datetime | None:
    """Return when a row waiting for this reason is assessed again; None until its image changes."""
    if reason == Reason.BUDGET:
        return clock.tomorrow()
    wait = _WAITS.get(reason)
    return timezone.now() + wait if wait else None


def next_step_at() -> dt.datetime | None:
    """Return when the next pass is due, perhaps in the past; None where nothing is to come."""
    return min((moment for moment in _due_times() if moment), default=None)


def _due_times() -> Iterator[dt.datetime | None]:
    state, now = PipelineState.peek(), timezone.now()
    yield _next_step()
    yield _next_claim(state, now)
    versions = ImageVersion.objects.aggregate(flip=Min("publish_due_at"), purge=Min("purge_due_at"))
    yield versions["flip"]
    yield versions["purge"]
    yield waking.next_look_at(state, now)


def _next_step() -> dt.datetime | None:
    """Return when the next step of a request is due: of a leased one, not before the lease ends."""
    free_at = Greatest("next_step_at", Coalesce("leased_until", "next_step_at"))
    unfinished = GatewayRequest.objects.unfinished()
    return unfinished.aggregate(next=Min(free_at))["next"]


def _next_claim(state: PipelineState, now: dt.datetime) -> dt.datetime | None:
    if not settings.API_KEY:
        return None
    wanted = _claimable().aggregate(next=Min("next_attempt_at"))["next"]
    # With `MAX_IN_FLIGHT` reached, nothing is claimed until one request moves on.
    if wanted is None or GatewayRequest.objects.unfinished().count() >= settings.MAX_IN_FLIGHT:
        return None
    blocked = claims_blocked_until(state, now)
    return max(wanted, blocked) if blocked else wanted


def _claimable() -> QuerySet[Recomposition]:
    return Recomposition.objects.wanted().undecided().filter(next_attempt_at__isnull=False)


def something_waits() -> bool:
    """Return whether there is anything that would be sent if the gateway accepted it."""
    unsent = GatewayRequest.objects.unsent()
    wanted = _claimable().filter(waiting_reason__in=["", Reason.CIRCUIT_OPEN])
    return unsent.exclude(error_code=Reason.BUDGET).exists() or wanted.exists()


def claims_blocked_until(state: PipelineState, now: dt.datetime) -> dt.datetime | None:
    """Return when claims are next allowed, perhaps in the past; None where nothing blocks them.

    The gateway's pause blocks them, the open circuit until its next probe, and a person who has
    stopped the buying until it goes on, which is looked for each minute.
    """
    waits = [state.paused_until if state.paused_until and state.paused_until > now else None]
    if state.is_stopped:
        waits.append(now + waking.LOOK_EVERY)
    if state.circuit_open:
        waits.append(state.probe_at)
    return max((moment for moment in waits if moment), default=None)
