"""The table at the end: each step, what its tests came to, and its minutes.

`table.py STEPS SECONDS` reads the steps' names, exit statuses and seconds from STEPS, and beside
it the report of each tox environment of a step's name. The last line counts all of them.
The exit status is 1 if a step failed.
"""

import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

HEADINGS = ("step", "passed", "failed", "skipped", "minutes")


def main(steps: Path, seconds: str) -> int:
    rows = [read(steps.parent, *line.split("\t")) for line in steps.read_text().splitlines()]
    cells = [HEADINGS, *(tuple(map(shown, row)) for row, _reasons in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for name, *figures in cells:
        right = "  ".join(map(str.rjust, figures, widths[1:]))
        print(f"{name:<{widths[0]}}  {right}")
    for row, reasons in rows:
        for reason, count in reasons.items():
            print(f"skipped in {row[0]}: {count} x {reason}")
    passed, failed, skipped = (sum(row[column] for row, _reasons in rows) for column in (1, 2, 3))
    print(f"\n{passed} passed, {failed} failed, {skipped} skipped in {seconds}s")
    return 1 if failed else 0


def read(folder: Path, name: str, status: str, seconds: str) -> tuple[tuple, Counter[str]]:
    """The step's row, and why tests were skipped. A step without a report counts as one test."""
    report = folder / f"{name.partition(' ')[0]}.xml"
    failed_itself = int(status != "0")
    if not report.exists():
        return (name, 1 - failed_itself, failed_itself, 0, int(seconds)), Counter()
    suite = ElementTree.parse(report).getroot().find("testsuite")
    skips = Counter(skip.get("message") for skip in suite.iter("skipped"))
    failed = int(suite.get("failures")) + int(suite.get("errors"))
    skipped = int(suite.get("skipped"))
    passed = int(suite.get("tests")) - failed - skipped
    # An installation may fail, or a coverage, without any test's failing.
    return (name, passed, max(failed, failed_itself), skipped, int(seconds)), skips


def shown(value: str | int) -> str:
    return str(value)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
