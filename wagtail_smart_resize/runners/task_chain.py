"""The chain of ticks: short passes on the site's tasks backend, each of which enqueues the next.

One chain works at a time, under the runner's lease, whose token each tick hands on to the next. A
tick whose chain was succeeded by another ends at once, so that chains never multiply. A chain that
died with its worker is succeeded by the next one started after its lease has ended.
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

#: Seconds after which a tick that has more to do enqueues a second one for another worker.
HELP_AFTER_SECONDS = 2.0
#: Minimum time between two ticks.
TICK_REST = dt.timedelta(seconds=1)

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


def enqueue_tick(when: dt.datetime | None = None, *, lease: str = "", extra: bool = False) -> None:
    """Enqueue a tick, to run at `when` or at once. A failing backend is logged, not raised.

    `lease`: the token of the chain's lease. `extra`: a tick that only helps with a pass.
    """
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
        at_work = _is_chain_running(PipelineState.get_current())
    except DatabaseError:
        logger.exception("Can't tell whether the pipeline is running; trying again later")
        return
    if not at_work:
        enqueue_tick()


def start_if_due() -> None:
    """Start a chain if something is due and no chain is at work: one has died, or lost a tick."""
    state = PipelineState.get_current()
    due = None if _is_chain_running(state) else loop.next_pass_at(state)
    if due is not None and due <= clock.now():
        enqueue_tick()


def _is_chain_running(state: PipelineState) -> bool:
    return state.runner_until is not None and state.runner_until > clock.now()


def run_tick(lease: str = "", extra: bool = False) -> None:
    """Make a pass under the chain's lease, and enqueue the next tick.

    `lease`: the token that the tick before handed on. `extra`: only help with a pass.
    """
    if extra:
        from wagtail_smart_resize.purchasing import passes

        passes.run_pass(workers=loop.WORKERS, go_on=_TickTimer())
        return
    state = PipelineState.get_current()
    token = _obtain_lease(state, lease)
    if token:
        _enqueue_next(state, token, _run_pass(state))


def _obtain_lease(state: PipelineState, lease: str) -> str:
    """Return the token handed on, or a new one if the lease is free; "" ends this tick.

    A chain that ended properly has left a tick of its own for what is to come: then a tick of an
    earlier chain is not needed.
    """
    now = clock.now()
    if lease and state.keep_lease(lease, now + loop.RUNNER_LEASE):
        return lease
    if lease and state.runner_until is None:
        return ""
    return state.take_lease(now, loop.RUNNER_LEASE)


def _run_pass(state: PipelineState) -> dt.datetime | None:
    try:
        return loop.work_once(state, _TickTimer())
    except Exception:
        logger.exception("A pass of the pipeline failed; trying again")
        return clock.now() + dt.timedelta(seconds=loop.ERROR_REST_SECONDS)


def _enqueue_next(state: PipelineState, token: str, due: dt.datetime | None) -> None:
    """Enqueue the next tick.

    The lease is kept only while work is near, so that another chain can be started for what becomes
    due earlier than a distant moment.
    """
    if not loop.is_near(due):
        state.keep_lease(token, None)
        # Processes that looked in between found a chain at work, and count on it.
        due = loop.next_pass_at(state)
    if due is None:
        return
    when = max(due, clock.now() + TICK_REST)
    if not loop.is_near(due) or state.keep_lease(token, when + loop.RUNNER_LEASE):
        enqueue_tick(when, lease=token)


class _TickTimer:
    """The time of a tick: called before each step, it returns whether to start it.

    It enqueues an extra tick once, after `HELP_AFTER_SECONDS`.
    """

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._has_called_for_help = False

    def __call__(self) -> bool:
        passed = time.monotonic() - self._began
        if passed > HELP_AFTER_SECONDS and not self._has_called_for_help:
            self._has_called_for_help = True
            enqueue_tick(extra=True)
        return passed < loop.PASS_SECONDS
