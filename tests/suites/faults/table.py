"""Formats the matrix for the terminal and for docs/evidence/reliability.md."""

import re
from collections.abc import Iterable
from itertools import groupby

from .matrix import MATRIX, Outcome, Row

HEAD = (
    "What goes wrong",
    "At first",
    "What editors read",
    "POSTs",
    "Charged",
    "Once it is over",
    "If it lasts for a day",
)


def summary(row: Row, holds: bool) -> str:
    """Format a row as one line for the terminal."""
    states = [_state(row.at_first), _over(row), _lasting(row)]
    mark = "holds " if holds else "BROKEN"
    return f"{mark}  {row.step.name.lower()}: {row.fault}: {' / '.join(filter(None, states))}"


def markdown() -> str:
    """Format the matrix as a heading and a table for each step."""
    return "\n\n".join(
        f"### {step}\n\n{_table(rows)}" for step, rows in groupby(MATRIX, key=lambda row: row.step)
    )


def _table(rows: Iterable[Row]) -> str:
    lines = [HEAD, ("---",) * len(HEAD), *_joined(map(_cells, rows))]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _joined(lines: Iterable[tuple[str, ...]]) -> Iterable[tuple[str, ...]]:
    """Join consecutive faults with the same outcome into one line."""
    for alike, group in groupby(lines, key=_without_number):
        yield "; ".join(line[0] for line in group), *alike


def _without_number(line: tuple[str, ...]) -> tuple[str, ...]:
    """Return all cells but the fault, with NNN for the fault's number in a code."""
    number = re.search(r"HTTP (\d+)", line[0])
    form = rf"_{number[1]}`" if number else r"(?!)"
    return tuple(re.sub(form, "_NNN`", cell) for cell in line[1:])


def _cells(row: Row) -> tuple[str, ...]:
    first = row.at_first
    return (
        row.fault,
        _both(row),
        "; ".join(_reads(outcome) for outcome in (first, row.second) if outcome),
        _posts(first),
        first.charged,
        _over(row) or "stays so",
        _lasting(row),
    )


def _reads(outcome: Outcome) -> str:
    return f"{outcome.reads} [Look again]" if outcome.may_recheck else outcome.reads


def _both(row: Row) -> str:
    if row.second is None:
        return _state(row.at_first)
    return f"{_state(row.at_first)}; the other shape {_state(row.second)}"


def _over(row: Row) -> str:
    return _with_posts(row.over, row.at_first) if row.over else ""


def _lasting(row: Row) -> str:
    return _with_posts(row.lasting, row.at_first) if row.lasting else ""


def _with_posts(outcome: Outcome, before: Outcome) -> str:
    state = _state(outcome)
    return state if outcome.posts == before.posts else f"{state}; POSTs: {_posts(outcome)}"


def _posts(outcome: Outcome) -> str:
    return "one a try" if outcome.posts is None else str(outcome.posts)


def _state(outcome: Outcome) -> str:
    if outcome.live:
        return "live"
    words = [outcome.purchase or "not noted yet"]
    if outcome.code:
        words.append(f"`{outcome.code}`")
    if outcome.circuit:
        words.append(f"circuit open, `{outcome.circuit}`")
    return ", ".join(words)
