"""A benchmark's results, as docs/evidence/performance.md shows them."""

from collections.abc import Mapping
from dataclasses import dataclass, field


class Skipped(Exception):
    """Raised with a message that says what this machine lacks."""


@dataclass(frozen=True)
class Row:
    """One measurement and its aim.

    ``found`` is a median, ``low`` and ``high`` the quartiles around it, in ``unit``: a ratio is to
    what was measured in the same run. ``at_most`` is the aim, None where there is none. ``counts``
    are the same on every machine: queries, requests, files.
    """

    what: str
    found: float
    low: float
    high: float
    unit: str = "ratio"
    at_most: float | None = None
    counts: Mapping[str, float] = field(default_factory=dict)
    note: str = ""

    @property
    def held(self) -> bool | None:
        return None if self.at_most is None else self.found <= self.at_most


def table(rows: list[Row]) -> str:
    """Format the rows as a Markdown table."""
    lines = ["| What | Aim | Measured | Quartiles | Counts |", "|---|---|---|---|---|"]
    lines += [_line(row) for row in rows]
    return "\n".join(lines) + "\n"


def _line(row: Row) -> str:
    aim = "" if row.at_most is None else f"at most {_figure(row.at_most, row.unit)}"
    missed = "**missed:** " if row.held is False else ""
    counts = ", ".join(f"{name} {count:g}" for name, count in row.counts.items())
    quartiles = f"{_number(row.low)} to {_number(row.high)}"
    if row.low == row.high == row.found:
        quartiles = ""
    what = f"{row.what}. {row.note}" if row.note else row.what
    return f"| {what} | {aim} | {missed}{_figure(row.found, row.unit)} | {quartiles} | {counts} |"


def _figure(number: float, unit: str) -> str:
    return _number(number) if unit == "ratio" else f"{_number(number)} {unit}"


def _number(number: float) -> str:
    """Format with three significant digits and no exponent."""
    if number == int(number):
        return f"{int(number)}"
    return f"{number:.0f}" if abs(number) >= 100 else f"{number:#.3g}"
