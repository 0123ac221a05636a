"""Samples the server's processes: memory, threads, open files, connections.

Memory is measured in three ways. Blocks are those that Python uses after a collection, and objects
are counted by class: both are exact and ignore what the allocator keeps for later, so they are
compared between two idle moments. The memory of other libraries shows in a process's own memory
(USS), with the allocator's noise, under load.
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
    """All processes of the server together, at one moment."""

    own_memory: float
    """Megabytes that would be free if the processes ended (USS)."""
    resident: float
    """Megabytes (RSS); shared memory is counted for each."""
    blocks: int
    """Python's memory blocks in use."""
    objects: Counter[str] = field(repr=False)
    """The number of objects of each class, where requested."""
    threads: int
    files: int
    """Open files and sockets."""
    connections: int
    """Connections to the database."""
    forgotten: float
    """Seconds that the oldest open transaction has been idle."""
    temporary: int
    """Files in the directory for temporary files."""
    flips: int


class Sampler:
    def __init__(self, pid: int, workers: int, url: str, database: Server, temporary: Path) -> None:
        # From the extra `soak`: pytest must be able to collect this suite without it.
        import psutil

        self._master = psutil.Process(pid)
        self._workers = workers
        self._url = url
        self._database = database
        self._temporary = temporary

    def take(self, *, objects: bool = False) -> Sample:
        workers = self._master.children()
        assert len(workers) == self._workers, "a worker has died"
        inside = self._worker_memory(
            {worker.pid for worker in workers}, {"objects": 1} if objects else {}
        )
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

    def _worker_memory(self, pids: set[int], query: dict[str, Any]) -> list[dict[str, Any]]:
        """Query until each worker has answered, and return the answers."""
        answers: dict[int, dict[str, Any]] = {}
        for _ in range(MOST_TRIES):
            answer = requests.get(f"{self._url}/memory/", query, timeout=120).json()
            answers[answer["process"]] = answer
            if answers.keys() >= pids:
                return [answers[pid] for pid in pids]
            time.sleep(0.05)
        raise AssertionError(f"not all of {pids} answered")


def thirds(samples: list[Sample]) -> list[list[Sample]]:
    """Split the samples into start, middle and end."""
    size = len(samples) // 3
    assert size >= 3, f"only {len(samples)} samples"
    return [samples[:size], samples[size:-size], samples[-size:]]


def medians(samples: list[Sample], what: Callable[[Sample], float]) -> tuple[float, float, float]:
    start, middle, end = (median(map(what, third)) for third in thirds(samples))
    return start, middle, end


def growth(samples: list[Sample], what: Callable[[Sample], float]) -> float:
    """Return the increase from the first third to the last."""
    start, _middle, end = medians(samples, what)
    return end - start


def grown_classes(before: Sample, after: Sample, least: float) -> dict[str, int]:
    """Return the classes that have at least so many more objects after than before."""
    grown = after.objects - before.objects
    return {name: more for name, more in grown.items() if more >= least}
