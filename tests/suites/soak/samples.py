"""What the server's processes hold: memory, threads, open files, connections.

Memory is looked at in three ways. Blocks are those that Python has in use after a collection, and
objects are counted by class: both exact, and blind to what the allocator keeps for later, so they
are compared between two quiet moments. What other libraries hold shows in the memory that is a
process's own (USS), with the allocator's noise, under load.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import requests

from .database import ACTIVITY, Server

MOST_TRIES = 200


@dataclass(frozen=True)
class Sample:
    """At one moment, all processes of the server together."""

    own_memory: float
    """Megabytes that would be free if the processes ended (USS)."""
    resident: float
    """Megabytes (RSS), what they share counted for each."""
    blocks: int
    """Python's, in use."""
    objects: Counter[str] = field(repr=False)
    """How many there are of each class, where that was asked for."""
    threads: int
    files: int
    """Open files and sockets."""
    connections: int
    """To the database."""
    forgotten: float
    """Seconds that the oldest transaction has been waiting for its next statement."""
    temporary: int
    """Files in the directory for temporary ones."""
    flips: int


class Sampler:
    def __init__(self, pid: int, workers: int, url: str, database: Server, temporary: Path) -> None:
        # Of the extra `soak`: without it the other suites still find this one's tests.
        import psutil

        self._master = psutil.Process(pid)
        self._workers = workers
        self._url = url
        self._database = database
        self._temporary = temporary

    def take(self, *, objects: bool = False) -> Sample:
        workers = self._master.children()
        assert len(workers) == self._workers, "a worker has died"
        inside = self._inside({worker.pid for worker in workers}, {"objects": 1} if objects else {})
        processes = [self._master, *workers]
        memory = [process.memory_full_info() for process in processes]
        connections, _idle, forgotten = self._database.row(ACTIVITY)
        return Sample(
            own_memory=sum(each.uss for each in memory) / 1e6,
            resident=sum(each.rss for each in memory) / 1e6,
            blocks=sum(each["blocks"] for each in inside),
            objects=sum((Counter(each.get("objects")) for each in inside), Counter()),
            threads=sum(process.num_threads() for process in processes),
            files=sum(process.num_fds() for process in processes),
            connections=connections,
            forgotten=forgotten,
            temporary=sum(1 for _ in self._temporary.rglob("*")),
            flips=self._database.flips(),
        )

    def _inside(self, pids: set[int], query: dict[str, Any]) -> list[dict[str, Any]]:
        """What each worker says of itself: asked until each has been the one that answers."""
        told: dict[int, dict[str, Any]] = {}
        for _ in range(MOST_TRIES):
            answer = requests.get(f"{self._url}/inside/", query, timeout=120).json()
            told[answer["process"]] = answer
            if told.keys() >= pids:
                return [told[pid] for pid in pids]
            time.sleep(0.05)
        raise AssertionError(f"not all of {pids} answered")


def thirds(samples: list[Sample]) -> list[list[Sample]]:
    """The start, the middle and the end."""
    size = len(samples) // 3
    assert size >= 3, f"only {len(samples)} samples"
    return [samples[:size], samples[size:-size], samples[-size:]]


def medians(samples: list[Sample], what: Callable[[Sample], float]) -> tuple[float, float, float]:
    start, middle, end = (median(map(what, third)) for third in thirds(samples))
    return start, middle, end


def growth(samples: list[Sample], what: Callable[[Sample], float]) -> float:
    """From the first third to the last."""
    start, _middle, end = medians(samples, what)
    return end - start


def grown_classes(before: Sample, after: Sample, least: float) -> dict[str, int]:
    """Classes that have so many more objects after than before."""
    grown = after.objects - before.objects
    return {name: more for name, more in grown.items() if more >= least}
