"""Who makes the pipeline's passes: the tasks backend, a thread of this process, or nobody here."""

import datetime as dt
import logging
import os
import threading
import time
from typing import Any

from django.core import mail
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import request_finished
from django.db import DatabaseError, connections, router, transaction

from . import compat, loop, moments, pipeline, wanted
from .models import PipelineState
from .settings import settings

logger = logging.getLogger(__name__)

#: How often, in seconds, a process makes sure that a chain of ticks has not died with its worker.
CHECK_INTERVAL = 60.0


def mode() -> str:
    """ "thread", "tasks" or "off": what `RUNNER` comes to here.

    Never anything by itself while Django's test environment is set up: no site's test suite may
    buy a picture.
    """
    if settings.RUNNER != "auto":
        return settings.RUNNER
    if hasattr(mail, "outbox"):
        return "off"
    return "tasks" if _backend_defers() else "thread"


def _backend_defers() -> bool:
    try:
        return bool(compat.get_task_backend().supports_defer)
    except ImproperlyConfigured:
        return False


def wake() -> None:
    """There may be something to do. Returns at once; safe in requests and transactions."""
    chosen = mode()
    if chosen == "thread":
        transaction.on_commit(thread.wake)
    elif chosen == "tasks":
        transaction.on_commit(_start_chain)


# The embedded thread


class EmbeddedThread:
    """One daemon thread of this process, started when it is first needed."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """In a forked child the parent's thread does not run."""
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._loop = loop.Loop(alone=True)

    def wake(self) -> None:
        """Let it look for work; start it if it does not run."""
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._loop = loop.Loop(alone=True)
                self._thread = threading.Thread(
                    target=self._loop.run, name="smart-resize", daemon=True
                )
                self._thread.start()
        self._loop.wake()

    def stop(self, seconds: float = 10.0) -> None:
        """End it after the pass under way; for tests."""
        if self._thread is not None:
            self._loop.stop()
            self._thread.join(seconds)


thread = EmbeddedThread()
os.register_at_fork(after_in_child=thread.reset)


# The chain of ticks

_enqueuing = threading.local()


def enqueuing_here() -> bool:
    """Whether this very thread is enqueuing a tick now: then its body runs inline."""
    return getattr(_enqueuing, "now", False)


def enqueue_tick(when: dt.datetime | None = None, *, lease: str = "", extra: bool = False) -> None:
    """Put a tick on the backend. A backend that is out of order is a log line, not an error."""
    from .tasks import tick

    _enqueuing.now = True
    try:
        deferred = tick.using(run_after=when) if when and _backend_defers() else tick
        deferred.enqueue(lease=lease, extra=extra)
    except Exception:
        logger.exception("Can't enqueue a tick; the next request or tick tries again")
    finally:
        _enqueuing.now = False


def _start_chain() -> None:
    """Enqueue a tick, unless a chain is at work already."""
    try:
        state = PipelineState.load()
    except DatabaseError:
        logger.exception("Can't tell whether the pipeline is running; trying again later")
        return
    if state.runner_until is None or state.runner_until <= moments.now():
        enqueue_tick()


def run_tick(lease: str, extra: bool) -> None:
    """What a tick does: a pass under the chain's lease, and the next tick."""
    if extra:
        if pipeline.run_pass(workers=loop.workers()).did >= pipeline.MOST:
            enqueue_tick(extra=True)
        return
    state = PipelineState.load()
    now = moments.now()
    held = bool(lease) and state.keep_lease(lease, now + loop.LEASE)
    token = lease if held else state.take_lease(now, loop.LEASE)
    if token:
        _go_on(state, token, loop.work_once(state))


def _go_on(state: PipelineState, token: str, due: dt.datetime | None) -> None:
    """Enqueue the next tick. The lease is kept only while work is near, so that a kick can
    start a chain of its own for what comes before a distant moment."""
    now = moments.now()
    if due is None:
        state.keep_lease(token, None)
    elif due - now <= loop.NEAR:
        when = max(due, now + dt.timedelta(seconds=loop.REST))
        state.keep_lease(token, when + loop.LEASE)
        enqueue_tick(when, lease=token)
    else:
        state.keep_lease(token, None)
        enqueue_tick(due)


# The end of a request


class _Checked:
    """When this process last made sure that somebody runs the pipeline (monotonic seconds)."""

    at: float | None = None


def _on_request_finished(**_kwargs: Any) -> None:
    """After the response: write what templates wanted, wake who works on it."""
    try:
        if wanted.notes or _check_is_due():
            _write_and_wake()
    except Exception:
        logger.exception("Can't write what templates wanted, or wake the pipeline")
    finally:
        # Django's own receiver ran before this one. A transaction that is still open is a test's.
        for connection in connections.all(initialized_only=True):
            if not connection.in_atomic_block:
                connection.close_if_unusable_or_obsolete()


def _check_is_due() -> bool:
    """At the process's first request, and from time to time: a comparison in memory."""
    now = time.monotonic()
    if _Checked.at is not None and now < _Checked.at + CHECK_INTERVAL:
        return False
    _Checked.at = now
    return mode() != "off"


def _write_and_wake() -> None:
    chosen = mode()
    # On SQLite the thread writes, when no page is being answered.
    if not (chosen == "thread" and _is_sqlite()):
        wanted.write()
    if chosen == "thread":
        thread.wake()
    elif chosen == "tasks":
        _start_chain()


def _is_sqlite() -> bool:
    return connections[router.db_for_write(PipelineState)].vendor == "sqlite"


def connect() -> None:
    """Listen to the ends of requests. From `AppConfig.ready`."""
    request_finished.connect(_on_request_finished, dispatch_uid="smart_resize_runners")
