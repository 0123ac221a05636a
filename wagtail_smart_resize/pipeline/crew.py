"""Several jobs at once, on threads that never hold up the end of the process.

An executor of the standard library would: its threads are waited for at exit, and one of them may
be waiting for the gateway.
"""

import logging
import threading
from collections.abc import Callable, Iterable

from django.db import connections

logger = logging.getLogger(__name__)

Job = Callable[[], object]


def work_off(jobs: list[Job], workers: int, go_on: Callable[[], bool]) -> list[bool]:
    """Do the jobs on so many threads; tell of each whether it succeeded.

    `go_on` is asked before each: once it says no, the rest is left for another pass. With one
    worker, or one job, all happens in the calling thread.
    """
    crew = _Crew(jobs, go_on)
    hands = min(workers, len(jobs))
    if hands <= 1:
        crew.work()
    else:
        threads = [threading.Thread(target=crew.work_apart, daemon=True) for _ in range(hands)]
        for number, thread in enumerate(threads):
            thread.name = f"smart-resize-{number}"
            thread.start()
        for thread in threads:
            thread.join()
    return crew.results


class _Crew:
    """Jobs that several threads take from one heap."""

    def __init__(self, jobs: Iterable[Job], go_on: Callable[[], bool]) -> None:
        self.results: list[bool] = []
        self._jobs = iter(jobs)
        self._go_on = go_on
        self._lock = threading.Lock()

    def work(self) -> None:
        while (job := self._next()) is not None:
            self.results.append(_guarded(job))

    def work_apart(self) -> None:
        try:
            self.work()
        finally:
            connections.close_all()

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
