"""Several jobs at once, on threads that never hold up the end of the process.

An executor of the standard library would: its threads are waited for at exit, and one of them may
be waiting for the gateway.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable

from django.db import connections

logger = logging.getLogger(__name__)

Job = Callable[[], object]


def _nothing() -> None:
    pass


class Crew:
    """So many threads at most. With one, all happens in the calling thread.

    With `patience`, seconds, jobs that take longer are not waited for: they end by themselves,
    under their leases, and `finished` is called when they do. The seconds are the caller's: a
    thread that a busy machine starts late has fewer.
    """

    def __init__(
        self,
        workers: int = 4,
        patience: float | None = None,
        finished: Callable[[], object] = _nothing,
    ) -> None:
        self._workers = workers
        self._patience = patience
        self._finished = finished
        self._threads: list[threading.Thread] = []

    def work_off(self, jobs: list[Job], go_on: Callable[[], bool]) -> list[bool]:
        """Do the jobs; tell of each that has ended whether it succeeded.

        `go_on` is asked before each: once it says no, the rest is left for another pass.
        """
        heap = _Heap(jobs, go_on)
        if self._workers <= 1 or (len(jobs) <= 1 and self._patience is None):
            heap.work()
        else:
            threads = self._start(heap, len(jobs))
            _join(threads, self._patience)
            # Before the results are read: who ends later than that is told of by `finished`.
            heap.is_left = any(thread.is_alive() for thread in threads)
        return list(heap.results)

    def wait(self) -> None:
        """Wait for all that is under way."""
        _join(self._threads, None)

    def _start(self, heap: "_Heap", jobs: int) -> list[threading.Thread]:
        """There is always a hand for what comes, though others wait for the gateway."""
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        free = max(1, self._workers - len(self._threads))
        started = []
        for number in range(min(free, jobs)):
            thread = threading.Thread(
                target=self._work_apart, args=(heap,), name=f"smart-resize-{number}", daemon=True
            )
            thread.start()
            started.append(thread)
        self._threads += started
        return started

    def _work_apart(self, heap: "_Heap") -> None:
        try:
            heap.work()
        finally:
            connections.close_all()
            if heap.is_left:
                self._finished()


def _join(threads: Iterable[threading.Thread], seconds: float | None) -> None:
    """Wait for all of them; so long at most."""
    ends = None if seconds is None else time.monotonic() + seconds
    for thread in threads:
        thread.join(None if ends is None else max(0.0, ends - time.monotonic()))


class _Heap:
    """Jobs that several threads take from."""

    def __init__(self, jobs: Iterable[Job], go_on: Callable[[], bool]) -> None:
        self.results: list[bool] = []
        self.is_left = False
        """Whether the caller has gone on without those who are still at work."""
        self._jobs = iter(jobs)
        self._go_on = go_on
        self._lock = threading.Lock()

    def work(self) -> None:
        while (job := self._next()) is not None:
            self.results.append(_guarded(job))

    def _next(self) -> Job | None:
        with self._lock:
            job = next(self._jobs, None)
            return job if job is not None and self._go_on() else None


def _guarded(job: Job) -> bool:
    """One picture's failure stops no other's."""
    try:
        job()
    except Exception:
        logger.exception("A step of the pipeline failed; it is tried again")
        return False
    return True
