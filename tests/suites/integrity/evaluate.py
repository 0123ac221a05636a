"""Prints how the check judges pairs: by kind, in all, and what it costs.

    cd tests && python -m suites.integrity.evaluate --half other

Thresholds are set on the half "one", and figures told of "other".
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from wagtail_smart_resize.integrity.checking import check
from wagtail_smart_resize.integrity.report import Box

from .pairs import Pair, pairs
from .photographs import HALVES

#: Longer side of both pictures when time and memory are measured.
LARGE = 2048
#: Every so many pairs, one is measured.
STEP = 9


@dataclass(frozen=True)
class Judged:
    """A pair and what the check said of it."""

    name: str
    kind: str
    is_faithful: bool
    reasons: list[str]
    report: dict[str, object]

    @property
    def is_flagged(self) -> bool:
        return bool(self.reasons)


def judged(each: Pair) -> Judged:
    report = check(each.original, each.result, each.focus)
    reasons = [str(reason) for reason in report.reasons]
    return Judged(each.name, each.kind, each.is_faithful, reasons, report.to_json())


def table(all_judged: list[Judged]) -> Iterator[str]:
    yield "| kind | pairs | flagged | share | reasons |"
    yield "|---|---|---|---|---|"
    for kind in dict.fromkeys(each.kind for each in all_judged):
        of_kind = [each for each in all_judged if each.kind == kind]
        flagged = [each for each in of_kind if each.is_flagged]
        reasons = Counter(each.reasons[0] for each in flagged).most_common(3)
        told = ", ".join(f"{reason} {number}" for reason, number in reasons) or "-"
        share = 100 * len(flagged) / len(of_kind)
        truth = "faithful: " if of_kind[0].is_faithful else ""
        yield f"| {truth}{kind} | {len(of_kind)} | {len(flagged)} | {share:.0f} % | {told} |"


def totals(all_judged: list[Judged]) -> Iterator[str]:
    unfaithful = [each for each in all_judged if not each.is_faithful]
    caught = sum(each.is_flagged for each in unfaithful)
    faithful = [each for each in all_judged if each.is_faithful]
    wrongly = sum(each.is_flagged for each in faithful)
    precision, recall = caught / max(1, caught + wrongly), caught / max(1, len(unfaithful))
    share = 100 * wrongly / max(1, len(faithful))
    yield (
        f"Precision {precision:.3f}, recall {recall:.3f}; faithful results flagged: {wrongly} of "
        f"{len(faithful)} ({share:.1f} %)."
    )


def large(picture: Image.Image) -> tuple[Image.Image, float]:
    factor = LARGE / max(picture.size)
    width, height = (round(side * factor) for side in picture.size)
    return picture.resize((width, height)), factor


def seconds(some: Iterable[Pair]) -> list[float]:
    """Return the CPU time of each check of large pictures, in a single thread."""
    cv2.setNumThreads(1)
    took = []
    for each in some:
        (original, factor), (result, _factor) = large(each.original), large(each.result)
        focus = Box(*(round(side * factor) for side in each.focus))
        start = time.process_time()
        check(original, result, focus)
        took.append(time.process_time() - start)
    return took


def megabytes_of_one(original: Path, result: Path) -> float:
    """Return the peak that a check adds to a process that holds both pictures, in MB.

    All is imported, and a small pair was checked.
    """
    cv2.setNumThreads(1)
    ours, theirs = Image.open(original), Image.open(result)
    ours.load()
    theirs.load()
    small = ours.crop((0, 0, 64, 64))
    check(small, small)
    idle = peak()
    check(ours, theirs)
    return peak() - idle


def peak() -> float:
    """Return the most memory that this program has held, in MB.

    Not `ru_maxrss`: that of a new process starts with its parent's.
    """
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def megabytes(each: Pair) -> float:
    """Return `megabytes_of_one` of a process of its own: a peak never falls again."""
    with tempfile.TemporaryDirectory() as folder:
        files = [str(Path(folder) / name) for name in ("original.png", "result.png")]
        for picture, file in zip((each.original, each.result), files, strict=True):
            large(picture)[0].save(file, compress_level=1)
        command = [sys.executable, "-m", __spec__.name, "--memory", *files]
        told = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(told.stdout)


def costs(some: list[Pair]) -> str:
    took = seconds(some)
    return (
        f"CPU time of a pair of {LARGE} pixels, OpenCV {cv2.__version__} in one thread: median "
        f"{np.median(took):.2f} s, 95th percentile {np.percentile(took, 95):.2f} s "
        f"({len(took)} pairs). Memory: {max(map(megabytes, some[:3])):.0f} MB over a process that "
        "holds both."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--half", choices=HALVES, default="all")
    parser.add_argument("--only", help="kinds whose names hold this text")
    parser.add_argument("--write", type=Path, metavar="FILE.md")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--no-costs", action="store_true")
    parser.add_argument("--memory", nargs=2, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory:
        print(megabytes_of_one(*options.memory))
        return
    all_judged, measured = [], []
    for number, each in enumerate(pairs(options.seed, options.half, options.only or "")):
        all_judged.append(judged(each))
        if number % STEP == 0:
            measured.append(each)
    lines = [*table(all_judged), "", *totals(all_judged)]
    if not options.no_costs:
        lines += ["", costs(measured)]
    print("\n".join(lines))
    if options.write:
        title = f'Half "{options.half}", seed {options.seed}, {len(all_judged)} pairs.'
        options.write.write_text("\n".join([title, "", *lines, ""]))
    if options.json:
        options.json.write_text(json.dumps([asdict(each) for each in all_judged], indent=1))


if __name__ == "__main__":
    main()
