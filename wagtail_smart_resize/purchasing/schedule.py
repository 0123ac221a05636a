"""When the next pass is due."""

import datetime as dt

from django.utils import timezone

from wagtail_smart_resize.core import clock
from wagtail_smart_resize.models import GatewayRequest, PipelineState
from wagtail_smart_resize.rules.verdict import Reason
from wagtail_smart_resize.settings import settings

from . import waking
from .agenda import Agenda, claimable, read_agenda

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
    Reason.CROP_KEEPS_SUBJECT: REVISIT_SETTINGS_AFTER,
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
    agenda, now = read_agenda(), timezone.now()
    moments = (
        agenda.step,
        _next_claim(agenda, now),
        agenda.flip,
        agenda.purge,
        waking.next_look_at(agenda, now),
    )
    return min((moment for moment in moments if moment), default=None)


def _next_claim(agenda: Agenda, now: dt.datetime) -> dt.datetime | None:
    # With `MAX_IN_FLIGHT` reached, nothing is claimed until one request moves on.
    has_room = agenda.unfinished < settings.MAX_IN_FLIGHT
    if agenda.claim is None or not (settings.API_KEY and has_room):
        return None
    blocked = claims_blocked_until(agenda.state, now)
    return max(agenda.claim, blocked) if blocked else agenda.claim


def something_waits() -> bool:
    """Return whether there is anything that would be sent if the gateway accepted it."""
    unsent = GatewayRequest.objects.unsent()
    wanted = claimable().filter(waiting_reason__in=["", Reason.CIRCUIT_OPEN])
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
