"""The table at the end: each step, what its tests came to, and its minutes.

`table.py STEPS SECONDS` reads the steps' names, exit statuses and seconds from STEPS, and beside
it the report of each tox environment of a step's name. The last line counts all of them.
The exit status is 1 if a step failed.
"""

import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path
from typing import NamedTuple


class Row(NamedTuple):
    name: str
    passed: int
    failed: int
    skips: Counter[str]
    seconds: int

    def cells(self) -> tuple[str, ...]:
        counts = self.passed, self.failed, self.skips.total()
        return self.name, *map(str, counts), f"{self.seconds / 60:.1f}"


def main(steps: Path, seconds: str) -> int:
    rows = [read(steps.parent, *line.split("\t")) for line in steps.read_text().splitlines()]
    lines = [("step", "passed", "failed", "skipped", "minutes"), *(row.cells() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for name, *figures in lines:
        print(name.ljust(widths[0]), *map(str.rjust, figures, widths[1:]), sep="  ")
    for row in rows:
        for reason, count in row.skips.items():
            print(f"skipped in {row.name}: {count} x {reason}")
    passed, failed = sum(row.passed for row in rows), sum(row.failed for row in rows)
    skipped = sum(row.skips.total() for row in rows)
    print(f"\n{passed} passed, {failed} failed, {skipped} skipped in {seconds}s")
    return 1 if failed else 0


def read(folder: Path, name: str, status: str, seconds: str) -> Row:
    """A step without a report counts as one test."""
    report = folder / f"{name.partition(' ')[0]}.xml"
    failed_itself = int(status != "0")
    if not report.exists():
        return Row(name, 1 - failed_itself, failed_itself, Counter(), int(seconds))
    suite = ElementTree.parse(report).getroot().find("testsuite")
    skips = Counter(skip.get("message") for skip in suite.iter("skipped"))
    failed = int(suite.get("failures")) + int(suite.get("errors"))
    passed = int(suite.get("tests")) - failed - skips.total()
    # An installation may fail without any test's failing.
    return Row(name, passed, max(failed, failed_itself), skips, int(seconds))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
