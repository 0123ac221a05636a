"""When the next pass is due."""

import datetime as dt
from collections.abc import Iterator

from django.db.models import Min
from django.db.models.functions import Coalesce, Greatest

from .. import moments
from ..models import GatewayRequest, ImageVersion, PipelineState, Recomposition
from ..settings import settings


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
    rows = Recomposition.objects.wanted().filter(
        decision=Recomposition.Decision.NONE, live=None, next_attempt__isnull=False
    )
    wanted = rows.aggregate(next=Min("next_attempt"))["next"]
    if wanted is None or _full():
        return None
    blocked = claims_blocked_until(PipelineState.load(), moments.now())
    return max(wanted, blocked) if blocked else wanted


def _full() -> bool:
    """With so many requests in flight nothing is claimed until the next step of one of them."""
    return GatewayRequest.objects.unfinished().count() >= settings.MAX_IN_FLIGHT


def claims_blocked_until(state: PipelineState, now: dt.datetime) -> dt.datetime | None:
    """Until when nothing new is asked for: the gateway's pause, or the open circuit's next try."""
    waits = [state.paused_until if state.paused_until and state.paused_until > now else None]
    if state.circuit_open:
        waits.append(state.probe_at)
    return max((moment for moment in waits if moment), default=None)
