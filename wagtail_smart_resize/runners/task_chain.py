"""The chain of ticks: short passes on the site's tasks backend, each of which enqueues the next.

One chain works at a time, under the runner's lease, whose token its ticks hand on. A tick whose
chain another has followed ends at once, so that chains never double; a chain that died with its
worker is followed by the next one that anybody starts, when its lease has ended.
"""

import datetime as dt
import logging
import threading
import time

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError
from django.utils.module_loading import import_string

from wagtail_smart_resize import compat
from wagtail_smart_resize.core import clock
from wagtail_smart_resize.models import PipelineState

from . import loop

logger = logging.getLogger(__name__)

#: A tick that takes longer than this and has more to do calls for another worker, seconds.
HELP_AFTER = 2.0
#: Between two ticks there is at least this much rest.
REST = dt.timedelta(seconds=1)

#: The task, found as the backends find it: by the path that they store. It calls `run_tick`.
TICK = "wagtail_smart_resize.tasks.tick"

_enqueuing = threading.local()


def backend_defers() -> bool:
    """Whether the tasks backend can run a tick at a later time."""
    try:
        return bool(compat.get_task_backend().supports_defer)
    except ImproperlyConfigured:
        return False


def enqueuing_here() -> bool:
    """Whether this very thread is enqueuing a tick now: then its body runs inline."""
    return getattr(_enqueuing, "now", False)


def enqueue_tick(when: dt.datetime | None = None, *, lease: str = "", extra: bool = False) -> None:
    """Put a tick on the backend. A backend that is out of order is a log line, not an error."""
    _enqueuing.now = True
    try:
        tick = import_string(TICK)
        (tick.using(run_after=when) if when else tick).enqueue(lease=lease, extra=extra)
    except Exception:
        logger.exception("Can't enqueue a tick; the next request or tick tries again")
    finally:
        _enqueuing.now = False


def start() -> None:
    """Enqueue a tick, unless a chain is at work already."""
    try:
        at_work = _is_at_work(PipelineState.load())
    except DatabaseError:
        logger.exception("Can't tell whether the pipeline is running; trying again later")
        return
    if not at_work:
        enqueue_tick()


def start_if_due() -> None:
    """Start a chain if something waits that none takes care of: one has died, or lost a tick."""
    state = PipelineState.load()
    due = None if _is_at_work(state) else loop.next_due(state)
    if due is not None and due <= clock.now():
        enqueue_tick()


def _is_at_work(state: PipelineState) -> bool:
    return state.runner_until is not None and state.runner_until > clock.now()


def run_tick(lease: str = "", extra: bool = False) -> None:
    """What a tick does: a pass under the chain's lease, and the next tick."""
    if extra:
        from wagtail_smart_resize.purchasing import passes

        passes.run_pass(workers=loop.workers(), go_on=_Shift())
        return
    state = PipelineState.load()
    token = _token(state, lease)
    if token:
        _go_on(state, token, _pass(state))


def _token(state: PipelineState, lease: str) -> str:
    """The lease: the one handed on, or one of our own where it is free. "" ends this tick.

    A chain that ended in good order has left a tick of its own for what is to come: then an
    earlier chain's tick is not needed.
    """
    now = clock.now()
    if lease and state.keep_lease(lease, now + loop.LEASE):
        return lease
    if lease and state.runner_until is None:
        return ""
    return state.take_lease(now, loop.LEASE)


def _pass(state: PipelineState) -> dt.datetime | None:
    try:
        return loop.work_once(state, _Shift())
    except Exception:
        logger.exception("A pass of the pipeline failed; trying again")
        return clock.now() + dt.timedelta(seconds=loop.TROUBLE)


def _go_on(state: PipelineState, token: str, due: dt.datetime | None) -> None:
    """Enqueue the next tick. The lease is kept only while work is near, so that a chain of its
    own can be started for what comes before a distant moment."""
    if not loop.is_near(due):
        state.keep_lease(token, None)
        # Whoever came in between found a chain at work, and counts on it.
        due = loop.next_due(state)
    if due is None:
        return
    when = max(due, clock.now() + REST)
    if not loop.is_near(due) or state.keep_lease(token, when + loop.LEASE):
        enqueue_tick(when, lease=token)


class _Shift:
    """A tick's time. Asked before each step: whether to begin it; may call for help."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._called = False

    def __call__(self) -> bool:
        passed = time.monotonic() - self._began
        if passed > HELP_AFTER and not self._called:
            self._called = True
            enqueue_tick(extra=True)
        return passed < loop.PASS_SECONDS
