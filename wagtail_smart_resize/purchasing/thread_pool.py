"""Concurrent jobs on daemon threads, which never delay the end of the process.

An executor of the standard library would: Python joins its threads at exit, and one of them may be
waiting for the gateway.
"""

import threading
import time
from collections.abc import Callable, Iterable

from django.db import connections

from wagtail_smart_resize.core.logs import get_logger

logger = get_logger(__name__)

Job = Callable[[], object]


class ThreadPool:
    """A pool of at most `workers` threads. With one, jobs run in the calling thread.

    `patience`: seconds after which `run_jobs` no longer waits for jobs. Those end by themselves,
    under their leases, and `finished` is called when they do. The time is measured in the caller: a
    thread that a busy machine starts late has less of it.
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
        self._threads: list[threading.Thread] = []

    def run_jobs(self, jobs: list[Job], go_on: Callable[[], bool] | None = None) -> list[bool]:
        """Run the jobs; return for each one that has ended whether it succeeded.

        `go_on` is called before each job: once it returns False, the rest is not run.
        """
        queue = _JobQueue(jobs, go_on)
        if self._workers <= 1 or (len(jobs) <= 1 and self._patience is None):
            queue.work()
        else:
            threads = self._start(queue, len(jobs))
            _join(threads, self._patience)
            # Set before the results are read: jobs that end later than that are reported by
            # `finished`.
            queue.is_abandoned = any(thread.is_alive() for thread in threads)
        return list(queue.results)

    def wait(self) -> None:
        """Wait for all jobs that are running."""
        _join(self._threads, None)

    def _start(self, queue: "_JobQueue", jobs: int) -> list[threading.Thread]:
        """Start threads for the queue: at least one, even if all others wait for the gateway."""
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        free = max(1, self._workers - len(self._threads))
        started = []
        for number in range(min(free, jobs)):
            thread = threading.Thread(
                target=self._run_worker, args=(queue,), name=f"smart-resize-{number}", daemon=True
            )
            thread.start()
            started.append(thread)
        self._threads += started
        return started

    def _run_worker(self, queue: "_JobQueue") -> None:
        try:
            queue.work()
        finally:
            connections.close_all()
            if queue.is_abandoned:
                self._finished()


def _join(threads: Iterable[threading.Thread], seconds: float | None) -> None:
    """Wait for all threads, for `seconds` in total at most; None for no limit."""
    deadline = None if seconds is None else time.monotonic() + seconds
    for thread in threads:
        thread.join(None if deadline is None else max(0.0, deadline - time.monotonic()))


class _JobQueue:
    """Jobs that several threads take from, and their results."""

    def __init__(self, jobs: Iterable[Job], go_on: Callable[[], bool] | None) -> None:
        self.results: list[bool] = []
        #: Whether the caller has gone on without waiting for the threads still at work.
        self.is_abandoned = False
        self._jobs = iter(jobs)
        self._go_on = go_on or (lambda: True)
        self._lock = threading.Lock()

    def work(self) -> None:
        while (job := self._next()) is not None:
            self.results.append(_run_guarded(job))

    def _next(self) -> Job | None:
        with self._lock:
            job = next(self._jobs, None)
            return job if job is not None and self._go_on() else None


def _run_guarded(job: Job) -> bool:
    """Run a job and return whether it succeeded: one failure stops no other job."""
    try:
        job()
    except Exception:
        logger.exception("A step of the pipeline failed; it is tried again")
        return False
    return True
