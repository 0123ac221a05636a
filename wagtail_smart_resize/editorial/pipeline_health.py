"""Whether something runs the pipeline, and whether the service takes what it sends: in words."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from wagtail_smart_resize.core import clock
from wagtail_smart_resize.core.formatting import moment_text
from wagtail_smart_resize.models import PipelineState
from wagtail_smart_resize.purchasing import schedule
from wagtail_smart_resize.runners import modes
from wagtail_smart_resize.settings import settings

from . import failures
from .states import Tone

Words: TypeAlias = Promise | str

#: Work that has been due for so long, while nobody made a pass, shows that nobody works.
GRACE = dt.timedelta(minutes=5)

_REMEDIES: dict[str, Words] = {
    "off": gettext_lazy(
        "This site leaves the work to a process of its own: start smart_resize_worker, or run "
        "smart_resize_sync from time to time."
    ),
    "tasks": gettext_lazy("The work is given to the site's task queue: start a worker for it."),
    "thread": gettext_lazy(
        "The site's own processes do the work, from their next request on. If this stays, look "
        "into their log."
    ),
}


@dataclass(frozen=True)
class Notice:
    """Something that people must know. `status` is one of Wagtail's help blocks."""

    status: str
    message: Words
    remedy: Words = ""


@dataclass(frozen=True)
class Health:
    label: Words
    tone: Tone
    heartbeat: dt.datetime | None
    """When the last pass was made."""
    notices: tuple[Notice, ...]


def check() -> Health:
    """How the pipeline is doing. Reads only."""
    state = PipelineState.peek()
    now = clock.now()
    due = schedule.next_due()
    label, tone = _activity(state, due, now)
    notices = (*_stopped(state, due, now), *_service(state, now), *_settings())
    return Health(label, tone, state.heartbeat, notices)


def _activity(
    state: PipelineState, due: dt.datetime | None, now: dt.datetime
) -> tuple[Words, Tone]:
    if _is_stopped(state, due, now):
        return _("Not running"), Tone.CRITICAL
    if state.runner_until and state.runner_until > now:
        return _("Running"), Tone.POSITIVE
    if due is not None and due <= now:
        return _("Starting"), Tone.NEUTRAL
    return _("Nothing to do"), Tone.NEUTRAL


def _is_stopped(state: PipelineState, due: dt.datetime | None, now: dt.datetime) -> bool:
    late = due is not None and due < now - GRACE
    return late and (state.heartbeat is None or state.heartbeat < now - GRACE)


def _stopped(state: PipelineState, due: dt.datetime | None, now: dt.datetime) -> Iterator[Notice]:
    if due is not None and _is_stopped(state, due, now):
        message = _("Nothing runs the pipeline: since %(due)s there has been work to do.")
        yield Notice("critical", message % {"due": moment_text(due)}, _REMEDIES[modes.mode()])


def _service(state: PipelineState, now: dt.datetime) -> Iterator[Notice]:
    if state.circuit_opened_at:
        failure = failures.describe_circuit(state.circuit_code)
        message = _("Since %(since)s nothing has been sent to the service: %(why)s") % {
            "since": moment_text(state.circuit_opened_at),
            "why": failure.message,
        }
        yield Notice("critical", f"{message} {_next_try(state)}", failure.remedy)
    if state.paused_until and state.paused_until > now:
        message = _("The service asked for a pause: new requests are sent from %(until)s on.")
        yield Notice("info", message % {"until": moment_text(state.paused_until)})


def _next_try(state: PipelineState) -> Words:
    """When the open circuit tries again: only what waits can be the try."""
    at = next_try(state)
    if at is None:
        return _("Nothing waits to be sent: the next request is the next try.")
    return _("One request tries again at %(at)s.") % {"at": moment_text(at)}


def next_try(state: PipelineState) -> dt.datetime | None:
    """When an open circuit lets a request try; None where nothing waits to be sent."""
    return state.probe_at if schedule.something_waits() else None


def _settings() -> Iterator[Notice]:
    if not settings.API_KEY:
        yield Notice("warning", _("The site has no API key: nothing can be recomposed."))
    elif not settings.AUTO_GENERATE:
        message = _("Automatic generation is off: only what editors ask for is recomposed.")
        yield Notice("info", message)
