"""The chain of ticks: short passes on the site's tasks backend, each of which enqueues the next.

Each tick is enqueued for the time for which the next pass is appointed, by whoever made the
appointment. A tick that finds another appointment ends at once, so that chains never multiply. A
tick that is lost is replaced some seconds after its time, at the end of a request.
"""

import datetime as dt
import threading
import time

from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.module_loading import import_string

from wagtail_smart_resize import compat
from wagtail_smart_resize.core.logs import get_logger
from wagtail_smart_resize.models import PipelineState

from . import loop

logger = get_logger(__name__)

#: Time after its appointment from which a tick counts as lost.
LOST_AFTER = dt.timedelta(seconds=5)
#: Seconds after which a tick that has more to do enqueues the next for another worker.
HELP_AFTER_SECONDS = 2.0
#: Time before its appointment from which a tick may run.
TOLERANCE = dt.timedelta(seconds=5)
#: Minimum time between two ticks.
TICK_REST = dt.timedelta(seconds=0.5)

#: Dotted path of the task that calls `run_tick`. Imported by this path, which the backends store.
TICK = "wagtail_smart_resize.tasks.tick"

_enqueuing = threading.local()


def backend_defers() -> bool:
    """Return whether the tasks backend can defer a tick to a later time."""
    try:
        return bool(compat.get_task_backend().supports_defer)
    except ImproperlyConfigured:
        return False


def enqueuing_here() -> bool:
    """Return whether this very thread is enqueuing a tick now, so that its body runs inline."""
    return getattr(_enqueuing, "now", False)


def enqueue_tick(when: dt.datetime) -> None:
    """Enqueue the tick of the pass appointed for `when`.

    A failing backend is logged, not raised: the tick counts as lost.
    """
    _enqueuing.now = True
    try:
        tick = import_string(TICK)
        at_once = when <= timezone.now()
        (tick if at_once else tick.using(run_after=when)).enqueue(appointed=when.isoformat())
    except Exception:
        logger.exception("Can't enqueue a tick; the next request or tick tries again")
    finally:
        _enqueuing.now = False


def start(when: dt.datetime) -> None:
    """Bring the next pass forward to `when`, and enqueue its tick, unless one comes before."""
    if PipelineState.bring_pass_forward(when):
        enqueue_tick(when)


def restart_if_lost() -> None:
    """Enqueue a tick if the appointed one was lost, or if something due has no appointment."""
    now, state = timezone.now(), PipelineState.get_current()
    is_lost = state.next_pass_at is None or state.next_pass_at <= now - LOST_AFTER
    if (is_lost or loop.is_overlooked(state)) and state.replace_appointment(now):
        enqueue_tick(now)


def run_tick(appointed: str) -> None:
    """Make the pass appointed for this time (ISO 8601), appoint the next and enqueue its tick."""
    state, now = PipelineState.get_current(), timezone.now()
    until, moment = now + loop.FOLLOW_AFTER, parse_datetime(appointed)
    # A backend may run it somewhat early, and this machine's clock may be behind.
    is_early = moment is None or moment > now + TOLERANCE
    if not PipelineState.begin_pass(now, until, appointed=None if is_early else moment):
        return
    due = max(_run_pass(state), timezone.now() + TICK_REST)
    if PipelineState.end_pass(until, due):
        enqueue_tick(due)


def _run_pass(state: PipelineState) -> dt.datetime:
    try:
        return loop.work_once(state, _TickTimer()).due
    except Exception:
        logger.exception("A pass of the pipeline failed; trying again")
        return timezone.now() + dt.timedelta(seconds=loop.ERROR_REST_SECONDS)


class _TickTimer:
    """The time of a tick: called before each step, it returns whether to start it.

    After `HELP_AFTER_SECONDS` it brings the next pass forward, once: another worker helps.
    """

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._has_called_for_help = False

    def __call__(self) -> bool:
        passed = time.monotonic() - self._began
        if passed > HELP_AFTER_SECONDS and not self._has_called_for_help:
            self._has_called_for_help = True
            start(timezone.now())
        return passed < loop.PASS_SECONDS
