"""Formats the figures of a soak as tables, which go into the docs unchanged."""

from collections import Counter
from collections.abc import Callable, Iterable
from statistics import median, quantiles
from typing import Any

from .samples import Sample, medians

HELD: dict[str, Callable[[Sample], float]] = {
    "Memory of their own, MB": lambda sample: sample.own_memory,
    "Resident memory, MB": lambda sample: sample.resident,
    "Python's memory blocks": lambda sample: sample.blocks,
    "Threads": lambda sample: sample.threads,
    "Open files and sockets": lambda sample: sample.files,
    "Connections to PostgreSQL": lambda sample: sample.connections,
    "Temporary files": lambda sample: sample.temporary,
}

Rounds = list[dict[str, dict[str, float]]]


def ratios(rounds: Rounds, one: str, other: str, what: str) -> list[float]:
    """Return, for each round, one page's value divided by the other's."""
    return [each[one][what] / each[other][what] for each in rounds]


def spread(values: list[float]) -> tuple[float, float, float]:
    """Return the median and the quartiles."""
    low, middle, high = quantiles(values, n=4)
    return middle, low, high


def total(rounds: Rounds, twin: str, what: str) -> float:
    return sum(each[twin][what] for each in rounds)


def _table(head: list[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _number(value: float) -> str:
    return f"{value:,.0f}".replace(",", " ")


def held(before: Sample, samples: list[Sample], after: Sample) -> str:
    """Format the samples: idle before and after, and the medians of thirds between."""
    head = ["Master and two workers", "Before", "Start", "Middle", "End", "After"]
    rows = (
        [name, *map(_number, [what(before), *medians(samples, what), what(after)])]
        for name, what in HELD.items()
    )
    return _table(head, rows)


def pages(rounds: Rounds, twins: dict[str, str]) -> str:
    rows = ([name, *_page(rounds, twin)] for twin, name in twins.items())
    return _table(["Page", "Median, ms", "p95, ms", "CPU, ms", "Queries"], rows)


def _page(rounds: Rounds, twin: str) -> Iterable[str]:
    took = [each[twin]["ms"] for each in rounds]
    yield f"{median(took):.1f}"
    yield f"{quantiles(took, n=20)[-1]:.1f}"
    yield f"{median(each[twin]['cpu'] for each in rounds):.1f}"
    yield f"{total(rounds, twin, 'queries') / len(rounds):.2f}"


def compared(rounds: Rounds, pairs: dict[tuple[str, str], str]) -> str:
    rows = (
        [name, *(_spread(ratios(rounds, *pair, what)) for what in ("ms", "cpu"))]
        for pair, name in pairs.items()
    )
    return _table(["Ratio, median and quartiles", "Time", "CPU"], rows)


def _spread(values: list[float]) -> str:
    middle, low, high = spread(values)
    return f"{middle:.3f} ({low:.2f} to {high:.2f})"


def done(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))


def worst(classes: dict[str, Any]) -> str:
    top = sorted(classes.items(), key=lambda pair: -pair[1])[:8]
    return ", ".join(f"{name} +{more:.0f}" for name, more in top) or "none"
