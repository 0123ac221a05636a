"""Prints what becomes of pairs when the photograph's own pixels are laid over its subject.

    cd tests && python -m suites.integrity.own_pixels --half other --sheet sheet.jpg

What a good seam is was set with the half "one", and figures are told of "other". `--sheet` writes
a picture of some results, each beside the same one with own pixels.
"""

import argparse
import math
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from wagtail_smart_resize.integrity.checking import check
from wagtail_smart_resize.integrity.own_pixels import CantLay, Laid, lay
from wagtail_smart_resize.integrity.report import Box, Measures

from . import drawing
from .drawing import Picture
from .evaluate import peak
from .pairs import Kind, Made, Pair, box_of, pair, pairs
from .photographs import HALVES, Photograph

#: Kinds of which no pair may ever get own pixels.
NEVER = ("another picture", "mirrored", "stretched", "subject mirrored in place", "subject moved")
#: Number of pixels of the original, and the result's longer side, when costs are measured.
ORIGINAL_PIXELS, RESULT_SIDE = 24_000_000, 2048
#: Every so many pairs, one is on the sheet, up to a number; and its size there.
ON_SHEET, HIGH, ACROSS = 24, 420, 4
#: Of each photograph, those kinds are on the sheet.
SHOWN = ("redrawn, drift 0.8 %", "redrawn, drift 1.2 %", "subject recoloured", "face exchanged")


def _moved(photograph: Photograph, picture: Picture, rng: np.random.Generator) -> Made:
    """Move the subject by a third of its width or height at least, to where there is most room."""
    box = box_of(photograph.subject, picture)
    height, width = picture.shape[:2]
    rooms = {
        (-1, 0): box.left / box.width,
        (1, 0): (width - box.left - box.width) / box.width,
        (0, -1): box.top / box.height,
        (0, 1): (height - box.top - box.height) / box.height,
    }
    across, down = max(rooms, key=lambda side: rooms[side])
    far = max(0.34, min(1.1, rooms[across, down]) * rng.uniform(0.9, 1.0))
    left = max(0, box.left + round(far * across * box.width))
    top = max(0, box.top + round(far * down * box.height))
    cut = drawing.cut(picture, box)[: height - top, : width - left]
    place = Box(left, top, cut.shape[1], cut.shape[0])
    return Made(picture, drawing.put(drawing.removed(picture, box), cut, place), box)


#: A kind that the check alone does not know: the photograph is found, its subject stands elsewhere.
MOVED = Kind("subject moved", _moved, False)
#: By which share of the result's longer side a right place is made wrong, and the most that own
#: pixels may then lie off: up to that, the drawing itself drifts.
WRONG, MOST_OFF = (0.04, 0.25), 0.025


@dataclass(frozen=True)
class Tried:
    """A pair, and what came of laying own pixels over its result."""

    pair: Pair
    flagged: bool
    measures: Measures
    why: str = ""
    laid: Laid | None = None
    before: float = 0.0
    """SSIM of the middle of the subject."""
    after: float = 0.0
    flagged_after: bool = False


def tried(each: Pair) -> Tried:
    report = check(each.original, each.result, each.focus)
    try:
        laid = lay(each.original, each.result, report.measures, each.focus)
    except CantLay as can_not:
        return Tried(each, not report.passed, report.measures, str(can_not.why))
    return Tried(
        each,
        not report.passed,
        report.measures,
        laid=laid,
        before=ssim_of_subject(each, each.result, laid),
        after=ssim_of_subject(each, laid.picture, laid),
        flagged_after=not check(each.original, laid.picture, each.focus).passed,
    )


def ssim_of_subject(each: Pair, picture: Image.Image, laid: Laid) -> float:
    """Return the SSIM of the middle two thirds of the focal area, laid back onto the original."""
    width, height = each.original.size
    back = cv2.warpAffine(
        np.asarray(picture.convert("L")),
        laid.matrix,
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
    )
    left, top = each.focus.left + each.focus.width // 6, each.focus.top + each.focus.height // 6
    middle = np.s_[
        top : top + max(16, each.focus.height * 2 // 3),
        left : left + max(16, each.focus.width * 2 // 3),
    ]
    return ssim(np.asarray(each.original.convert("L"))[middle], back[middle])


def ssim(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Return the structural similarity of two grey pictures (Wang et al., 2004)."""

    def blurred(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return cv2.GaussianBlur(values, (11, 11), 1.5)  # type: ignore[return-value]

    a, b = one.astype(np.float64), other.astype(np.float64)
    mean_a, mean_b = blurred(a), blurred(b)
    spread_a, spread_b = blurred(a * a) - mean_a**2, blurred(b * b) - mean_b**2
    both = blurred(a * b) - mean_a * mean_b
    first, second = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    same = (2 * mean_a * mean_b + first) * (2 * both + second)
    return float((same / ((mean_a**2 + mean_b**2 + first) * (spread_a + spread_b + second))).mean())


def table(all_tried: list[Tried]) -> Iterator[str]:
    yield (
        "| kind | pairs | refused | laid | SSIM of the subject | good seams | flagged before "
        "| flagged after |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    for kind in dict.fromkeys(each.pair.kind for each in all_tried):
        yield row(kind, [each for each in all_tried if each.pair.kind == kind])
    yield row("all", all_tried)


def row(kind: str, of_kind: list[Tried]) -> str:
    reasons = Counter(each.why for each in of_kind if each.why).most_common()
    refused = ", ".join(f"{why} {number}" for why, number in reasons) or "-"
    all_laid = [each for each in of_kind if each.laid]
    good = sum(each.laid.passed for each in all_laid if each.laid)
    told = ["-"] * 4
    if all_laid:
        before = np.mean([each.before for each in all_laid])
        after = np.mean([each.after for each in all_laid])
        flagged = sum(each.flagged for each in all_laid)
        flagged_after = sum(each.flagged_after for each in all_laid)
        told = [
            f"{before:.2f} to {after:.2f}",
            f"{good} ({100 * good / len(all_laid):.0f} %)",
            str(flagged),
            str(flagged_after),
        ]
    return f"| {kind} | {len(of_kind)} | {refused} | {len(all_laid)} | {' | '.join(told)} |"


def wrongly_laid(all_tried: list[Tried]) -> str:
    wrong = [each for each in all_tried if each.laid and each.pair.kind in NEVER]
    return f"Laid where they must never be: {len(wrong)}."


def wrong_places(all_tried: list[Tried]) -> str:
    """Say what happens if the photograph is said to lie where it does not."""
    rng = np.random.default_rng(1)
    told: Counter[str] = Counter()
    for each in all_tried:
        if not each.laid or each.pair.kind not in ("pasted", "redrawn, drift 0.4 %"):
            continue
        ours, theirs = each.pair.original, each.pair.result
        right = each.laid.matrix
        turn, far = rng.uniform(0, 2 * np.pi), rng.uniform(*WRONG) * max(theirs.size)
        wrong = right + far * np.array([[0, 0, np.cos(turn)], [0, 0, np.sin(turn)]])
        measures = replace(each.measures, matrix=tuple(float(value) for value in wrong.flat))
        try:
            laid = lay(ours, theirs, measures, each.pair.focus)
        except CantLay:
            told["refused"] += 1
            continue
        left, top, width, height = each.pair.focus
        middle = np.array([left + width / 2, top + height / 2, 1])
        off = float(np.hypot(*((laid.matrix - right) @ middle))) / max(theirs.size)
        if off < MOST_OFF:
            told["laid where they belong after all"] += 1
        else:
            told["laid wrongly, and passed" if laid.passed else "laid wrongly, seam bad"] += 1
    return f"Said to lie {WRONG[0]:.0%} to {WRONG[1]:.0%} off: {dict(told)}."


def sheet(all_tried: list[Tried], file: Path) -> None:
    """Write some results, each beside the same one with own pixels, all of one height."""
    laid = [each for each in all_tried if each.laid and each.pair.kind in SHOWN]
    chosen = laid[:: max(1, len(laid) // ON_SHEET)][:ON_SHEET]
    tiles = [_tile(each) for each in chosen]
    rows = [tiles[start : start + ACROSS] for start in range(0, len(tiles), ACROSS)]
    width = max(sum(tile.width + 12 for tile in row) for row in rows)
    whole = Image.new("RGB", (width, len(rows) * (HIGH + 30)), "white")
    for number, row in enumerate(rows):
        left = 0
        for tile in row:
            whole.paste(tile, (left, number * (HIGH + 30)))
            left += tile.width + 12
    whole.save(file, quality=88)


def _tile(each: Tried) -> Image.Image:
    assert each.laid
    width = max(1, round(HIGH * each.pair.result.width / each.pair.result.height))
    tile = Image.new("RGB", (2 * width + 4, HIGH + 24), "white")
    for number, picture in enumerate((each.pair.result, each.laid.picture)):
        tile.paste(picture.resize((width, HIGH)), (number * (width + 4), 20))
    label = f"{each.pair.name}, {each.pair.kind}, seam {each.laid.seam:.2f}"
    ImageDraw.Draw(tile).text((2, 4), label + ("" if each.laid.passed else " (bad)"), "black")
    return tile


def costs(each: Pair) -> str:
    """Return what laying costs, measured in a process of its own: a peak never falls again."""
    factor = math.sqrt(ORIGINAL_PIXELS / (each.original.width * each.original.height))
    original = each.original.resize(tuple(round(side * factor) for side in each.original.size))
    shrink = RESULT_SIDE / max(each.result.size)
    result = each.result.resize(tuple(round(side * shrink) for side in each.result.size))
    focus = ",".join(str(round(side * factor)) for side in each.focus)
    with tempfile.TemporaryDirectory() as folder:
        files = [str(Path(folder) / name) for name in ("original.png", "result.png")]
        for picture, file in zip((original, result), files, strict=True):
            picture.save(file, compress_level=1)
        command = [sys.executable, "-m", __spec__.name, "--costs", *files, focus]
        told = subprocess.run(command, check=True, capture_output=True, text=True)
    return told.stdout.strip()


def costs_of_one(original: str, result: str, focus: str) -> str:
    cv2.setNumThreads(1)
    ours, theirs = Image.open(original), Image.open(result)
    ours.load()
    theirs.load()
    box = Box(*(int(side) for side in focus.split(",")))
    small = ours.reduce(8)
    measures = check(small, theirs, Box(*(side // 8 for side in box))).measures
    measures = _of_whole(measures, small, ours)
    idle, start = _resident(), time.process_time()
    Path("/proc/self/clear_refs").write_text("5")
    laid = lay(ours, theirs, measures, box)
    took = time.process_time() - start
    return (
        f"{ours.width} x {ours.height} on {theirs.width} x {theirs.height}, own share "
        f"{laid.share:.2f}: {took:.2f} s of CPU, {peak() - idle:.0f} MB over a process that holds "
        "both."
    )


def _of_whole(measures: Measures, small: Image.Image, whole: Image.Image) -> Measures:
    a, b, c, d, e, f = measures.matrix
    across, down = small.width / whole.width, small.height / whole.height
    return Measures(
        found=True,
        matrix=(a * across, b * down, c, d * across, e * down, f),
        inside=measures.inside,
        focus_inside=measures.focus_inside,
        agreement=measures.agreement,
    )


def _resident() -> float:
    """Return the memory that this program holds, in MB."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--half", choices=HALVES, default="all")
    parser.add_argument("--only", default="", help="kinds whose names hold this text")
    parser.add_argument("--sheet", type=Path, metavar="FILE.jpg")
    parser.add_argument("--no-costs", action="store_true")
    parser.add_argument("--costs", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.costs:
        print(costs_of_one(*options.costs))
        return
    all_tried = [tried(each) for each in pairs(options.seed, options.half, options.only)]
    if options.only in MOVED.name:
        all_tried += [
            tried(pair(photograph, MOVED, options.seed, number))
            for photograph in HALVES[options.half]
            for number in range(MOVED.number)
        ]
    lines = [*table(all_tried), "", wrongly_laid(all_tried), wrong_places(all_tried)]
    if not options.no_costs:
        laid = [each.pair for each in all_tried if each.laid]
        lines += ["", *(costs(each) for each in laid[:: max(1, len(laid) // 4)][:4])]
    print("\n".join(lines))
    if options.sheet:
        sheet(all_tried, options.sheet)


if __name__ == "__main__":
    main()
