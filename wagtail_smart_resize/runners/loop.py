"""The loop of passes that the embedded thread and the worker process share."""

import datetime as dt
import random
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from django.db import close_old_connections, connections
from django.utils import timezone

from wagtail_smart_resize.core.logs import get_logger
from wagtail_smart_resize.core.schema import schema
from wagtail_smart_resize.models import PipelineState
from wagtail_smart_resize.purchasing import demand

if TYPE_CHECKING:
    from wagtail_smart_resize.purchasing.thread_pool import ThreadPool

# What only a pass needs, such as the gateway's client and parts of Pillow, is imported by the first
# pass, not at the start of every process.

logger = get_logger(__name__)

#: Time from the begin of a pass after which another runner follows, should this one have died. A
#: pass may outlast it; then two runners work side by side, which costs queries and nothing else.
FOLLOW_AFTER = dt.timedelta(seconds=10)
#: Minimum number of seconds until a process looks again whether another one still makes the passes.
FOLLOWER_REST_SECONDS = 5.0
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


class Work(NamedTuple):
    """What a pass did: the number of steps that have ended, and when the next pass is due."""

    steps: int
    due: dt.datetime


class Loop:
    """Makes passes until stopped.

    `alone`: make only passes that no other process has taken, so that one of many web processes
    works. A worker process makes all its passes, since requests carry leases of their own.
    `give_way` is called before each step, while nothing is locked or open for it. It may wait, but
    not once the event that it is given is set: the loop is to stop then.
    """

    def __init__(
        self,
        *,
        alone: bool,
        give_way: Callable[[threading.Event], object] = lambda stopped: None,
    ) -> None:
        self.alone = alone
        self._give_way = give_way
        self.stopped = threading.Event()
        self._woken = threading.Event()
        self._overdue_passes = 0
        self._pool: ThreadPool | None = None

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
                self._rest(self._run_pass())
        finally:
            self._shut_down()

    def _rest(self, seconds: float) -> None:
        """Wait for `seconds` or until woken, but not less than `REST_SECONDS`. Go on if it is 0."""
        if not seconds:
            return
        if seconds >= FOLLOWER_REST_SECONDS:
            # Idle: a pooled or unused connection must not stay open for hours.
            connections.close_all()
        self.stopped.wait(REST_SECONDS)
        self._woken.wait(max(0, seconds - REST_SECONDS))

    def _shut_down(self) -> None:
        """Wait for the steps under way."""
        try:
            if self._pool:
                self._pool.close()
        finally:
            connections.close_all()

    def _run_pass(self) -> float:
        """Make a pass if it is due here; return the seconds until this process looks again."""
        was_woken = self._woken.is_set()
        if was_woken:
            self._woken.clear()
        close_old_connections()
        try:
            if not schema.is_current():
                return ERROR_REST_SECONDS
            if demand.write_noted_demand():
                PipelineState.bring_pass_forward(timezone.now() + demand.GATHERING_TIME)
            state = PipelineState.get_current()
            return self._take_turn(state, was_woken) if self.alone else self._work(state)
        except Exception:
            if schema.is_still_current():
                logger.exception("A pass of the pipeline failed; trying again")
        return ERROR_REST_SECONDS

    def _work(self, state: PipelineState) -> float:
        """Make a pass; return the seconds until the next."""
        from wagtail_smart_resize.purchasing.thread_pool import ThreadPool

        self._pool = self._pool or ThreadPool(WORKERS, STEP_PATIENCE_SECONDS, self.wake)
        ends = time.monotonic() + PASS_SECONDS

        def go_on() -> bool:
            self._give_way(self.stopped)
            return not self.stopped.is_set() and time.monotonic() < ends

        steps, due = work_once(
            state, go_on, self._pool, repairs_on=lambda: not self.stopped.is_set()
        )
        seconds = self._seconds_until(due, steps)
        return seconds if self.alone else min(POLL_SECONDS, seconds)

    def _take_turn(self, state: PipelineState, was_woken: bool) -> float:
        """Make the pass if it is due and not taken; return the seconds until the next."""
        if was_woken and is_overlooked(state):
            state.replace_appointment(timezone.now())
        until = timezone.now() + FOLLOW_AFTER
        if PipelineState.begin_pass(timezone.now(), until):
            seconds = self._work(state)
            PipelineState.end_pass(until, timezone.now() + dt.timedelta(seconds=seconds))
            was_woken = True
        appointed = PipelineState.get_current().next_pass_at or timezone.now()
        seconds = max(REST_SECONDS, (appointed - timezone.now()).total_seconds())
        if was_woken:
            return seconds
        # Who lost the last turn leaves the next ones to the winner. The jitter keeps the waiting
        # processes from looking all at once.
        return max(seconds, FOLLOWER_REST_SECONDS) + random.uniform(0, 2)

    def _seconds_until(self, due: dt.datetime, steps: int) -> float:
        """Return the seconds until `due`; for overdue work, a rest that grows from pass to pass.

        Work that stays due because it can't be done now must not make the loop spin. After a pass
        that did `steps`, what is due is what there was no room for.
        """
        seconds = max(0.0, (due - timezone.now()).total_seconds())
        if seconds or steps:
            self._overdue_passes = 0
            return seconds
        self._overdue_passes += 1
        growth = 2.0 ** min(self._overdue_passes - 1, 10)
        return min(MAX_OVERDUE_REST_SECONDS, REST_SECONDS * growth)


def work_once(
    state: PipelineState,
    go_on: Callable[[], bool] | None = None,
    pool: "ThreadPool | None" = None,
    *,
    repairs_on: Callable[[], bool] = lambda: True,
) -> Work:
    """Make a pass, and the hourly repair if it is due; return what it did and what comes.

    `go_on` and `pool` are those of `run_pass`; `repairs_on` is asked whether to go on repairing.
    """
    from wagtail_smart_resize.purchasing import passes
    from wagtail_smart_resize.repair import repairs

    result = passes.run_pass(workers=WORKERS, go_on=go_on, pool=pool)
    repairs.run_if_due(state, repairs_on)
    return Work(result.did, next_due_at(state))


def next_due_at(state: PipelineState) -> dt.datetime:
    """Return when the next pass or repair is due, perhaps in the past, by what the tables say."""
    from wagtail_smart_resize.purchasing import schedule
    from wagtail_smart_resize.repair import repairs

    repair_at = repairs.next_repair_at(state)
    return min(schedule.next_step_at() or repair_at, repair_at)


def is_overlooked(state: PipelineState) -> bool:
    """Return whether something is due now although the next pass is appointed for a later time.

    Nobody has told of it: it was changed in a shell, for example, or by SQL.
    """
    now = timezone.now()
    is_later = state.next_pass_at is not None and state.next_pass_at > now + FOLLOW_AFTER
    return is_later and next_due_at(state) <= now
