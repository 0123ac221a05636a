"""Times jobs that do the same work in turns, so that other load on the machine affects all
alike."""

import gc
import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple


class Spread(NamedTuple):
    median: float
    low: float
    high: float
    """The quartiles."""


def spread(values: Sequence[float]) -> Spread:
    if len(values) == 1:
        return Spread(values[0], values[0], values[0])
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(median, low, high)


class Times(dict[str, list[float]]):
    """Seconds by name; the n-th value of each name comes from the same round."""

    def of(self, name: str) -> Spread:
        return spread(self[name])

    def ratio(self, name: str, to: str) -> Spread:
        """Divide round by round, so that a slow round cancels out."""
        pairs = zip(self[name], self[to], strict=True)
        return spread([each / other for each, other in pairs])


def in_turns(
    jobs: Mapping[str, Callable[[], object]],
    rounds: int,
    *,
    prepare: Callable[[str], object] = lambda name: None,
    clock: Callable[[], float] = time.perf_counter,
    warm_up: int = 3,
) -> Times:
    """Return the seconds that each job took in each round; each round has a random order.

    ``prepare`` is called with the name before each job and not timed. The garbage collector runs
    between two jobs instead of within one.
    """
    chance = random.Random(0)
    times = Times({name: [] for name in jobs})
    for turn in range(-warm_up, rounds):
        names = list(jobs)
        chance.shuffle(names)
        for name in names:
            prepare(name)
            gc.collect()
            gc.disable()
            began = clock()
            jobs[name]()
            took = clock() - began
            gc.enable()
            if turn >= 0:
                times[name].append(took)
    return times
