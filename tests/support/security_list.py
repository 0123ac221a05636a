"""Reports each item of docs/evidence/security.md with the results of the tests that try it.

A test names its item: `@pytest.mark.security("the item's words")`.
"""

import re
from collections import Counter

import pytest

from support.paths import PAGES

PAGE = PAGES["security"]
_ROW = re.compile(r"^\| \*\*(.+?)\*\* \|", flags=re.MULTILINE)


def items() -> list[str]:
    """Return the items in the order of the page."""
    return _ROW.findall(PAGE.read_text())


class SecurityList:
    """Counts the tests of each item; `pytest -m security` prints the list at its end."""

    def __init__(self) -> None:
        self._tries: Counter[str] = Counter()
        self._held: Counter[str] = Counter()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item, call):
        report = yield
        if report.when == "call" or report.failed:
            for name in {mark.args[0] for mark in item.iter_markers("security")}:
                self._tries[name] += not report.skipped
                self._held[name] += report.passed
        return report

    def pytest_terminal_summary(self, terminalreporter, config):
        if config.option.markexpr != "security":
            return
        terminalreporter.section("the security list")
        for name in items():
            terminalreporter.line(self._line(name))
        held, tries = sum(self._held.values()), sum(self._tries.values())
        terminalreporter.line(f"{held} of {tries} tries were refused or held.")

    def _line(self, name: str) -> str:
        tries, held = self._tries[name], self._held[name]
        mark = "held  " if tries and held == tries else "BROKEN" if tries else "NOT TRIED"
        return f"{mark}  {name}: {held} of {tries}"
