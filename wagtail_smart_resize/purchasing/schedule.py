"""When the next pass is due."""

import datetime as dt
from collections.abc import Iterator

from django.db.models import Min, QuerySet
from django.db.models.functions import Coalesce, Greatest

from wagtail_smart_resize.core import clock
from wagtail_smart_resize.models import GatewayRequest, ImageVersion, PipelineState, Recomposition
from wagtail_smart_resize.rules.verdict import Reason
from wagtail_smart_resize.settings import settings

#: When what depends on pages, settings or editors is looked at again, if nothing wakes it before.
PATIENCE = dt.timedelta(hours=24)
#: When what only the settings' thresholds could change is looked at again: the file is opened.
RARELY = dt.timedelta(days=7)

_WAITS = {
    Reason.PRIVATE: PATIENCE,
    Reason.OPTED_OUT: PATIENCE,
    Reason.NOT_PUBLISHED: PATIENCE,
    Reason.AUTOMATIC_OFF: PATIENCE,
    Reason.REFUSED_BY_SITE: dt.timedelta(hours=1),
    Reason.NO_KEY: dt.timedelta(hours=1),
    Reason.CIRCUIT_OPEN: dt.timedelta(hours=1),
    Reason.HOPELESS_SHAPE: RARELY,
    Reason.SMALL_SLOT: RARELY,
    Reason.CROP_KEEPS_ENOUGH: RARELY,
}


def look_again(reason: Reason) -> dt.datetime | None:
    """When a row that waits for this reason is looked at again; None: when its picture changes."""
    if reason == Reason.BUDGET:
        return clock.tomorrow()
    wait = _WAITS.get(reason)
    return clock.now() + wait if wait else None


def next_due() -> dt.datetime | None:
    """The moment of the next pass, perhaps past; None where nothing is to come."""
    return min((moment for moment in _moments() if moment), default=None)


def _moments() -> Iterator[dt.datetime | None]:
    yield _next_step()
    yield _next_claim()
    versions = ImageVersion.objects.aggregate(flip=Min("flip_due"), purge=Min("purge_due"))
    yield versions["flip"]
    yield versions["purge"]


def _next_step() -> dt.datetime | None:
    """The next step of a request; one that a process works on is due when its lease ends."""
    free_at = Greatest("next_step", Coalesce("lease_until", "next_step"))
    unfinished = GatewayRequest.objects.unfinished()
    return unfinished.aggregate(next=Min(free_at))["next"]


def _next_claim() -> dt.datetime | None:
    if not settings.API_KEY:
        return None
    wanted = _claimable().aggregate(next=Min("next_attempt"))["next"]
    if wanted is None or _full():
        return None
    blocked = claims_blocked_until(PipelineState.peek(), clock.now())
    return max(wanted, blocked) if blocked else wanted


def _claimable() -> QuerySet:
    return Recomposition.objects.wanted().filter(
        decision=Recomposition.Decision.NONE, live=None, next_attempt__isnull=False
    )


def something_waits() -> bool:
    """Whether there is anything that would be sent if the gateway took it."""
    unsent = GatewayRequest.objects.filter(status=GatewayRequest.Status.NEW)
    wanted = _claimable().filter(waiting_reason__in=["", Reason.CIRCUIT_OPEN])
    return unsent.exclude(error_code=Reason.BUDGET).exists() or wanted.exists()


def _full() -> bool:
    """With so many requests in flight nothing is claimed until the next step of one of them."""
    return GatewayRequest.objects.unfinished().count() >= settings.MAX_IN_FLIGHT


def claims_blocked_until(state: PipelineState, now: dt.datetime) -> dt.datetime | None:
    """Until when nothing new is asked for: the gateway's pause, or the open circuit's next try."""
    waits = [state.paused_until if state.paused_until and state.paused_until > now else None]
    if state.circuit_open:
        waits.append(state.probe_at)
    return max((moment for moment in waits if moment), default=None)
