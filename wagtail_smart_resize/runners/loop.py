"""Pass after pass: what the embedded thread and the worker process both do."""

import datetime as dt
import logging
import random
import threading
import time
from collections.abc import Callable

from django.db import close_old_connections, connections

from wagtail_smart_resize.core import clock
from wagtail_smart_resize.models import PipelineState
from wagtail_smart_resize.purchasing import demand, schedule
from wagtail_smart_resize.purchasing.thread_pool import Crew
from wagtail_smart_resize.repair import repairs

from . import sqlite

logger = logging.getLogger(__name__)

#: The lease of a runner that works alone: so long after its death another takes over. A pass may
#: outlast it; then two runners work side by side, which costs queries and nothing else.
LEASE = dt.timedelta(seconds=10)
#: Work that is due within this time is waited for without giving the lease back.
NEAR = dt.timedelta(seconds=5)
#: Between two passes there is at least this much rest, seconds.
REST = 0.2
#: The rest grows up to this, seconds, while a pass leaves something due that it could not do.
LONG_REST = 2.5
#: A worker, whom no other process can wake, looks for work at least so often, seconds.
LOOK = 2.0
#: After this time a pass begins nothing more: what is left is due in the next, seconds.
PASS_SECONDS = 20.0
#: A step that takes longer goes on beside the next passes: one that waits for the gateway's answer
#: must not keep editors waiting for theirs, seconds.
PATIENCE = 3.0
#: When something goes wrong with a whole pass (no database), it is tried again after so long.
TROUBLE = 15.0


class Loop:
    """Makes passes until told to stop.

    `alone`: only while it holds the runner's lease, so that of many web processes one works. A
    worker process doesn't need it: requests carry leases of their own.
    """

    def __init__(self, *, alone: bool) -> None:
        self.alone = alone
        self.stopped = threading.Event()
        self._woken = threading.Event()
        self._lease = ""
        self._overdue = 0
        self._crew: Crew | None = None

    def wake(self) -> None:
        """There may be something to do."""
        self._woken.set()

    def stop(self) -> None:
        """Begin nothing more; end when what is under way is done."""
        self.stopped.set()
        self._woken.set()

    def run(self) -> None:
        """Work and wait, until stopped."""
        try:
            while not self.stopped.is_set():
                self._woken.clear()
                self._rest(self._round())
        finally:
            self._leave()

    def _rest(self, seconds: float | None) -> None:
        """Wait so long (None: until woken), however often it is woken no less than `REST`."""
        if seconds is None or seconds > NEAR.total_seconds() or (self.alone and not self._lease):
            # Idle: a pooled or forgotten connection must not stay open for hours.
            connections.close_all()
        self.stopped.wait(REST)
        self._woken.wait(seconds if seconds is None else max(0, seconds - REST))

    def _leave(self) -> None:
        """Finish what is under way, and let another process take over at once."""
        try:
            if self._crew:
                self._crew.wait()
            if self._lease:
                PipelineState.load().keep_lease(self._lease, None)
        except Exception:
            logger.exception("Can't give the runner's lease back; it ends by itself")
        finally:
            connections.close_all()

    def _round(self) -> float | None:
        """One pass, if it is ours to make; seconds until the next (None: until woken)."""
        close_old_connections()
        try:
            with sqlite.polite():
                return self._work()
        except Exception:
            logger.exception("A pass of the pipeline failed; trying again")
        return TROUBLE

    def _work(self) -> float | None:
        demand.write()
        state = PipelineState.load()
        if self.alone and not self._hold(state):
            return self._until_free(state)
        self._crew = self._crew or Crew(workers(), PATIENCE, self.wake)
        due = work_once(state, self._time_left(), self._crew)
        if self.alone and not is_near(due):
            state.keep_lease(self._lease, None)
            self._lease = ""
            # Whoever came in between found the lease held, and counts on us.
            due = next_due(state)
        seconds = self._seconds_until(due)
        return seconds if self.alone else min(LOOK, LOOK if seconds is None else seconds)

    def _time_left(self) -> Callable[[], bool]:
        ends = time.monotonic() + PASS_SECONDS
        return lambda: not self.stopped.is_set() and time.monotonic() < ends

    def _hold(self, state: PipelineState) -> bool:
        now = clock.now()
        if self._lease and state.keep_lease(self._lease, now + LEASE):
            return True
        self._lease = "" if _is_held(state, now) else state.take_lease(now, LEASE)
        return bool(self._lease)

    @staticmethod
    def _until_free(state: PipelineState) -> float:
        """Another process works: look again when its lease would end, not all at once."""
        wait = (state.runner_until or clock.now()) - clock.now()
        return max(REST, min(wait, NEAR).total_seconds()) + random.uniform(0, 2)

    def _seconds_until(self, due: dt.datetime | None) -> float | None:
        """What stays due, because nothing can be done about it now, must not make us spin."""
        seconds = None if due is None else (due - clock.now()).total_seconds()
        if seconds is None or seconds > 0:
            self._overdue = 0
            return seconds
        self._overdue += 1
        return min(LONG_REST, REST * 2.0 ** min(self._overdue - 1, 10))


def work_once(
    state: PipelineState,
    go_on: Callable[[], bool] = lambda: True,
    crew: Crew | None = None,
) -> dt.datetime | None:
    """A pass, and the hourly repair if it is due; returns when the next pass is due."""
    # Not at the start of every web process: this brings the gateway's client, and Pillow's parts.
    from wagtail_smart_resize.purchasing import passes

    passes.run_pass(workers=workers(), go_on=go_on, crew=crew)
    repairs.run_if_due(state)
    return next_due(state)


def next_due(state: PipelineState) -> dt.datetime | None:
    """When the next pass is due, perhaps past; None where nothing is to come."""
    return min(filter(None, (schedule.next_due(), repairs.next_due(state))), default=None)


def is_near(due: dt.datetime | None) -> bool:
    """Whether it is worth keeping the lease until then."""
    return due is not None and due - clock.now() <= NEAR


def _is_held(state: PipelineState, now: dt.datetime) -> bool:
    """By what was read: most look-ups need no write to know that another works."""
    return state.runner_until is not None and state.runner_until > now


def workers() -> int:
    """Threads that a pass may use: one where each of them would wait for the same lock."""
    return 1 if sqlite.is_due() else 4
