"""Pass after pass: what the embedded thread and the worker process both do."""

import datetime as dt
import logging
import random
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from django.db import DatabaseError, close_old_connections, connections, router

from . import moments, pipeline, serving, sync
from .models import PipelineState

logger = logging.getLogger(__name__)

#: The lease of a runner that works alone: so long after its death another takes over.
LEASE = dt.timedelta(seconds=60)
#: Work that is due within this time is waited for without giving the lease back.
NEAR = dt.timedelta(seconds=10)
#: Between two passes there is at least this much rest, seconds.
REST = 0.2
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

    def wake(self) -> None:
        """There may be something to do."""
        self._woken.set()

    def stop(self) -> None:
        """End after the pass that is under way."""
        self.stopped.set()
        self._woken.set()

    def run(self) -> None:
        """Work and wait, until stopped."""
        while not self.stopped.is_set():
            self._woken.clear()
            seconds = self._round()
            if seconds is None or seconds > NEAR.total_seconds():
                # Idle: a pooled or forgotten connection must not stay open for hours.
                connections.close_all()
            self._woken.wait(seconds)

    def _round(self) -> float | None:
        """One pass, if it is ours to make; seconds until the next (None: until woken)."""
        close_old_connections()
        try:
            with polite():
                return self._work()
        except DatabaseError:
            logger.exception("The database is in trouble; trying again")
        except Exception:
            logger.exception("A pass of the pipeline failed; trying again")
        return TROUBLE

    def _work(self) -> float | None:
        state = PipelineState.load()
        if self.alone and not self._hold(state):
            return self._until_free(state)
        due = work_once(state)
        if self.alone and (due is None or due - moments.now() > NEAR):
            state.keep_lease(self._lease, None)
            self._lease = ""
        return None if due is None else max(REST, (due - moments.now()).total_seconds())

    def _hold(self, state: PipelineState) -> bool:
        now = moments.now()
        if self._lease and state.keep_lease(self._lease, now + LEASE):
            return True
        self._lease = state.take_lease(now, LEASE)
        return bool(self._lease)

    @staticmethod
    def _until_free(state: PipelineState) -> float:
        """Another process works: look again when its lease would end, not all at once."""
        until = state.runner_until or moments.now()
        return max(REST, (until - moments.now()).total_seconds()) + random.uniform(0, 2)


def work_once(state: PipelineState) -> dt.datetime | None:
    """A pass, and the hourly repair if it is due; returns when the next pass is due."""
    result = pipeline.run_pass(workers=workers())
    sync.run_if_due(state)
    return min(filter(None, (result.due, sync.next_due(state))), default=None)


def workers() -> int:
    """Threads that a pass may use: one where each of them would wait for the same lock."""
    return 1 if must_be_polite() else 4


# SQLite without IMMEDIATE transactions refuses a page at once that has read and then wants to
# write, if anybody has written in between. So we write while no page is being answered.


def must_be_polite() -> bool:
    """Whether our writes can make pages of this process fail: see above."""
    connection = connections[router.db_for_write(PipelineState)]
    if connection.vendor != "sqlite":
        return False
    return str(getattr(connection, "transaction_mode", "") or "").upper() not in (
        "IMMEDIATE",
        "EXCLUSIVE",
    )


#: The longest that a write waits for the requests under way, seconds.
PATIENCE = 5.0
WRITES = ("INSERT", "UPDATE", "DELETE", "REPLACE")


def polite() -> AbstractContextManager[Any]:
    """Let this thread's writes wait until this process answers no request."""
    if not must_be_polite():
        return nullcontext()
    return connections[router.db_for_write(PipelineState)].execute_wrapper(_wait_and_execute)


def _wait_and_execute(
    execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]
) -> Any:
    if sql.startswith(WRITES):
        serving.requests.wait_until_none(PATIENCE)
    return execute(sql, params, many, context)
