"""The loop of passes that the embedded thread and the worker process share."""

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
from wagtail_smart_resize.purchasing.thread_pool import ThreadPool
from wagtail_smart_resize.repair import repairs

logger = logging.getLogger(__name__)

#: Lease of a runner that works alone: when this has passed after its death, another takes over. A
#: pass may outlast it; then two runners work side by side, which costs queries and nothing else.
RUNNER_LEASE = dt.timedelta(seconds=10)
#: Work that is due within this time is waited for without giving the lease back.
NEAR = dt.timedelta(seconds=5)
#: Minimum number of seconds between two passes.
REST_SECONDS = 0.2
#: Seconds up to which the rest grows while passes leave something due that they could not do.
MAX_OVERDUE_REST_SECONDS = 2.5
#: Maximum number of seconds between two passes of a worker, which no other process can wake.
POLL_SECONDS = 2.0
#: Seconds after which a pass starts no further step: what is left is due in the next pass.
PASS_SECONDS = 20.0
#: Seconds after which a step goes on beside the next passes: one that waits for the gateway's
#: answer must not delay those that editors wait for.
STEP_PATIENCE_SECONDS = 3.0
#: Number of threads for a pass.
WORKERS = 4
#: Seconds until a retry when a whole pass fails, for want of a database for example.
ERROR_REST_SECONDS = 15.0


class Loop:
    """Makes passes until stopped.

    `alone`: make them only while holding the runner's lease, so that one of many web processes
    works. A worker process does not need it, since requests carry leases of their own.
    """

    def __init__(self, *, alone: bool) -> None:
        self.alone = alone
        self.stopped = threading.Event()
        self._woken = threading.Event()
        self._lease = ""
        self._overdue_passes = 0
        self._crew: ThreadPool | None = None

    def wake(self) -> None:
        """Start the next pass now: there may be something to do."""
        self._woken.set()

    def stop(self) -> None:
        """Start no further step, and end when those under way are done."""
        self.stopped.set()
        self._woken.set()

    def run(self) -> None:
        """Make passes and wait between them, until stopped."""
        try:
            while not self.stopped.is_set():
                self._woken.clear()
                self._rest(self._run_pass())
        finally:
            self._shut_down()

    def _rest(self, seconds: float | None) -> None:
        """Wait for `seconds`, or until woken if None, but never less than `REST_SECONDS`."""
        if seconds is None or seconds > NEAR.total_seconds() or (self.alone and not self._lease):
            # Idle: a pooled or unused connection must not stay open for hours.
            connections.close_all()
        self.stopped.wait(REST_SECONDS)
        self._woken.wait(seconds if seconds is None else max(0, seconds - REST_SECONDS))

    def _shut_down(self) -> None:
        """Wait for the steps under way, and give the lease back, so that another takes over."""
        try:
            if self._crew:
                self._crew.wait()
            if self._lease:
                PipelineState.get_current().keep_lease(self._lease, None)
        except Exception:
            logger.exception("Can't give the runner's lease back; it ends by itself")
        finally:
            connections.close_all()

    def _run_pass(self) -> float | None:
        """Make a pass if it is due here; return the seconds until the next, or None until woken."""
        close_old_connections()
        try:
            return self._work()
        except Exception:
            logger.exception("A pass of the pipeline failed; trying again")
        return ERROR_REST_SECONDS

    def _work(self) -> float | None:
        demand.write_noted_demand()
        state = PipelineState.get_current()
        if self.alone and not self._hold_lease(state):
            wait = (state.runner_until or clock.now()) - clock.now()
            # The jitter keeps the waiting processes from looking all at once.
            return max(REST_SECONDS, min(wait, NEAR).total_seconds()) + random.uniform(0, 2)
        self._crew = self._crew or ThreadPool(WORKERS, STEP_PATIENCE_SECONDS, self.wake)
        ends = time.monotonic() + PASS_SECONDS
        due = work_once(
            state, lambda: not self.stopped.is_set() and time.monotonic() < ends, self._crew
        )
        if self.alone and not is_near(due):
            state.keep_lease(self._lease, None)
            self._lease = ""
            # Processes that looked in between found the lease held, and count on this one.
            due = next_pass_at(state)
        seconds = self._seconds_until(due)
        return (
            seconds
            if self.alone
            else min(POLL_SECONDS, POLL_SECONDS if seconds is None else seconds)
        )

    def _hold_lease(self, state: PipelineState) -> bool:
        now = clock.now()
        if self._lease and state.keep_lease(self._lease, now + RUNNER_LEASE):
            return True
        # As it was read, so that most checks need no write.
        is_held = state.runner_until is not None and state.runner_until > now
        self._lease = "" if is_held else state.take_lease(now, RUNNER_LEASE)
        return bool(self._lease)

    def _seconds_until(self, due: dt.datetime | None) -> float | None:
        """Return the seconds until `due`; for overdue work, a rest that grows from pass to pass.

        Work that stays due because it can't be done now must not make the loop spin.
        """
        seconds = None if due is None else (due - clock.now()).total_seconds()
        if seconds is None or seconds > 0:
            self._overdue_passes = 0
            return seconds
        self._overdue_passes += 1
        return min(
            MAX_OVERDUE_REST_SECONDS, REST_SECONDS * 2.0 ** min(self._overdue_passes - 1, 10)
        )


def work_once(
    state: PipelineState,
    go_on: Callable[[], bool] = lambda: True,
    crew: ThreadPool | None = None,
) -> dt.datetime | None:
    """Make a pass, and the hourly repair if it is due; return when the next pass is due.

    `go_on` and `crew` are those of `run_pass`.
    """
    # Imported here, not at the start of every web process: it imports the gateway's client and
    # parts of Pillow.
    from wagtail_smart_resize.purchasing import passes

    passes.run_pass(workers=WORKERS, go_on=go_on, crew=crew)
    repairs.run_if_due(state)
    return next_pass_at(state)


def next_pass_at(state: PipelineState) -> dt.datetime | None:
    """Return when the next pass or repair is due, perhaps in the past; None for nothing to come."""
    return min(filter(None, (schedule.next_step_at(), repairs.next_repair_at(state))), default=None)


def is_near(due: dt.datetime | None) -> bool:
    """Return whether work is due so soon that the lease is kept until then."""
    return due is not None and due - clock.now() <= NEAR
