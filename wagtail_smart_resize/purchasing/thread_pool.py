"""Concurrent jobs on daemon threads, which never delay the end of the process.

An executor of the standard library would: Python joins its threads at exit, and one of them may be
waiting for the gateway.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from django.db import connections

from wagtail_smart_resize.core.logs import get_logger

logger = get_logger(__name__)

#: What is to be done. A job may return further jobs, which are done before those that wait: what
#: was begun is finished first.
Job = Callable[[], "Iterable[Job] | None"]

#: Seconds for which a thread stays without a job, so that its database connection serves several
#: passes.
IDLE_SECONDS = 5.0


class ThreadPool:
    """A pool of at most `workers` threads. The caller's is one of them, unless it is impatient.

    `patience`: seconds after which `run_jobs` no longer waits for jobs, None for no limit. Those
    end by themselves, under their leases, and `finished` is called when they do. The time is
    measured in the caller: a thread that a busy machine starts late has less of it.
    """

    def __init__(
        self,
        workers: int = 4,
        patience: float | None = None,
        finished: Callable[[], object] = lambda: None,
    ) -> None:
        self._workers = workers
        self._patience = patience
        self._finished = finished
        self._changed = threading.Condition()
        self._batches: deque[_Batch] = deque()
        self._threads: set[threading.Thread] = set()
        self._idle = 0
        self._is_closed = False

    @property
    def _most_threads(self) -> int:
        """The maximum number of threads beside the caller's, which works as well if it waits."""
        return self._workers - (self._patience is None)

    def run_jobs(self, jobs: Iterable[Job], go_on: Callable[[], bool] | None = None) -> list[bool]:
        """Run the jobs and those that they return; return for each that has ended if it succeeded.

        `go_on` is called before each job: once it returns False, the rest is not run.
        """
        batch = _Batch(jobs, go_on)
        if not batch.waiting:
            return []
        if self._patience is None:
            return self._work_on(batch)
        with self._changed:
            self._is_closed = False
            self._batches.append(batch)
            # At least one thread, even if all others wait for the gateway.
            self._start(len(batch.waiting), 0 if self._idle else 1)
            self._changed.notify_all()
            # An abandoned batch calls `finished`: so this is decided before the results are read.
            batch.is_abandoned = not self._changed.wait_for(lambda: batch.is_done, self._patience)
            return list(batch.results)

    def _work_on(self, batch: "_Batch") -> list[bool]:
        """Do the jobs in this thread, with as many others as there are jobs for."""
        with self._changed:
            self._is_closed = False
            self._batches.append(batch)
            self._start(len(batch.waiting) - 1)
            self._changed.notify_all()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: batch.is_done or batch.waiting)
                if batch.is_done:
                    self._forget_what_is_done()
                    return list(batch.results)
                job = batch.next_job()
            self._run(batch, job)

    def close(self) -> None:
        """Wait for all jobs that are running or waiting, and end the threads."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
            threads = list(self._threads)
        for thread in threads:
            thread.join()

    def _start(self, jobs: int, at_least: int = 0) -> None:
        """Start threads for so many jobs, as far as the pool may have more."""
        room = self._most_threads - len(self._threads)
        for _ in range(max(at_least, min(room, jobs - self._idle))):
            number = len(self._threads)
            thread = threading.Thread(
                target=self._run_worker, name=f"smart-resize-{number}", daemon=True
            )
            self._threads.add(thread)
            thread.start()

    def _run_worker(self) -> None:
        try:
            while found := self._next():
                self._run(*found)
        finally:
            connections.close_all()
            with self._changed:
                self._threads.discard(threading.current_thread())

    def _next(self) -> "tuple[_Batch, Job] | None":
        """Return a job and its batch; None after `IDLE_SECONDS` without one, or once closed."""
        with self._changed:
            self._idle += 1
            try:
                self._changed.wait_for(
                    lambda: self._is_closed or any(batch.waiting for batch in self._batches),
                    IDLE_SECONDS,
                )
            finally:
                self._idle -= 1
            waiting = next((batch for batch in self._batches if batch.waiting), None)
            return (waiting, waiting.next_job()) if waiting else None

    def _run(self, batch: "_Batch", job: Job) -> None:
        # Not locked: to be told whether to go on may take a moment.
        outcome = batch.run(job)
        with self._changed:
            batch.end(outcome)
            # This thread does one of them.
            self._start(len(batch.waiting) - 1)
            self._forget_what_is_done()

    def _forget_what_is_done(self) -> None:
        for batch in [batch for batch in self._batches if batch.is_done]:
            self._batches.remove(batch)
            if batch.is_abandoned:
                self._finished()
        self._changed.notify_all()


class _Batch:
    """The jobs of one call, and their results."""

    def __init__(self, jobs: Iterable[Job], go_on: Callable[[], bool] | None) -> None:
        self.waiting = deque(jobs)
        self.results: list[bool] = []
        #: Whether the caller has gone on without waiting for the rest.
        self.is_abandoned = False
        self._running = 0
        self._go_on = go_on or (lambda: True)

    @property
    def is_done(self) -> bool:
        return not (self.waiting or self._running)

    def next_job(self) -> Job:
        """Return a job that is to be run now."""
        self._running += 1
        return self.waiting.popleft()

    def run(self, job: Job) -> "_Outcome":
        """Run a job, unless none may begin any more; a failure stops no other job."""
        if not self._go_on():
            return _Outcome(is_begun=False)
        try:
            return _Outcome(following=list(job() or ()))
        except Exception:
            logger.exception("A step of the pipeline failed; it is tried again")
            return _Outcome(succeeded=False)

    def end(self, outcome: "_Outcome") -> None:
        """Note what became of a job. Where it was not begun, neither is the rest."""
        self._running -= 1
        if outcome.is_begun:
            self.results.append(outcome.succeeded)
            self.waiting.extendleft(reversed(outcome.following))
        else:
            self.waiting.clear()


class _Outcome(NamedTuple):
    """What became of a job, and the jobs that it returned."""

    is_begun: bool = True
    succeeded: bool = True
    following: Sequence[Job] = ()
