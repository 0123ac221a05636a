"""How many pictures are bought with focal areas, and how many by the share that the crop cuts off.

`python -m suites.integrity.purchases`, from `tests`, prints a table: for each shape that the demo
site shows, and for some usual ones, how many of the photographs each rule would buy.
"""

import os
import re
import runpy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import django
from django.apps import apps

if not apps.ready:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "support.settings")
    django.setup()

from support.paths import ROOT
from wagtail.images.models import Filter
from wagtail.images.rect import Rect

from wagtail_smart_resize.core.sizes import Size, Slot, same_shape
from wagtail_smart_resize.renditions.standard_crop import subject_kept
from wagtail_smart_resize.rules.verdict import (
    Policy,
    RuleInput,
    Verdict,
    verdict,
)

from .photographs import DEMO, HALVES, Photograph

SITE = ROOT / "testproject" / "demo"
USUAL = ("1200x630", "1920x600", "1080x1080", "1080x1350", "1600x900", "900x1600")
#: The defaults of the settings.
POLICY = Policy(min_crop_loss=0.1, min_subject_kept=0.97, min_slot_side=100, min_kept=0.5)


@dataclass(frozen=True)
class WithArea:
    """An image as the crop sees it, its subject being its focal area."""

    photograph: Photograph

    @property
    def size(self) -> Size:
        return Size(*self.photograph.picture.size)

    def is_svg(self) -> bool:
        return False

    def get_focal_point(self) -> Rect:
        area, (width, height) = self.photograph.subject, self.size
        return Rect(
            round(area.left * width),
            round(area.top * height),
            round((area.left + area.width) * width),
            round((area.top + area.height) * height),
        )


@dataclass(frozen=True)
class Pair:
    """A photograph and slots of one shape: a purchase, or none."""

    photograph: Photograph
    slots: tuple[Slot, ...]
    subject_kept: float
    by_loss: Verdict
    by_subject: Verdict


def pairs(photographs: Iterable[Photograph]) -> Iterator[Pair]:
    for photograph in photographs:
        for slots in shapes():
            yield _pair(photograph, slots)


def _pair(photograph: Photograph, slots: tuple[Slot, ...]) -> Pair:
    image = WithArea(photograph)
    kept = subject_kept(image, slots, image.size)

    def judged(subject: float | None) -> Verdict:
        width, height = image.size
        facts = RuleInput(
            width=width, height=height, shape=slots[0].shape, slots=slots, subject_kept=subject
        )
        return verdict(facts, POLICY)

    return Pair(photograph, slots, kept, by_loss=judged(None), by_subject=judged(kept))


def shapes() -> list[tuple[Slot, ...]]:
    """Return the slots in groups that share a purchase, the usual ones first."""
    groups: list[list[Slot]] = []
    for slot in dict.fromkeys([*map(Slot.parse, USUAL), *demo_slots()]):
        alike = (group for group in groups if same_shape(group[0].shape, slot.shape))
        if group := next(alike, None):
            group.append(slot)
        else:
            groups.append([slot])
    return [tuple(group) for group in groups]


def demo_slots() -> list[Slot]:
    """Return the slots that the demo site's pages and code ask for."""
    settings = runpy.run_path(str(SITE / "settings.py"))
    presets = settings["WAGTAIL_SMART_RESIZE"]["PRESETS"]
    targets = sorted({target for path in _pages() for target in _targets(path.read_text())})
    return [Slot.parse(presets[each]["size"] if each in presets else each) for each in targets]


def _pages() -> list[Path]:
    return [*SITE.rglob("*.html"), *SITE.rglob("*.jinja"), *SITE.glob("*.py")]


def _targets(text: str) -> Iterator[str]:
    for found in re.findall(r"smartresize-[\w{},-]+", text):
        yield from (spec.removeprefix("smartresize-") for spec in Filter.expand_spec(found))
    yield from re.findall(r"\|smart_resize:\"([\w-]+)", text)


def demo_photographs() -> list[Photograph]:
    return [each for each in HALVES["all"] if each.path.parent == DEMO]


def table(photographs: list[Photograph]) -> Iterator[str]:
    yield "| Shape | Photographs | By the crop's loss | By the focal area | Cut subjects |"
    yield "|---|---|---|---|---|"
    all_pairs = list(pairs(photographs))
    for slots in shapes():
        yield _row(str(slots[0].size), [each for each in all_pairs if each.slots == slots])
    yield _row("all", all_pairs)


def _row(name: str, some: list[Pair]) -> str:
    by_loss, by_subject = (sum(v.allowed for v in verdicts) for verdicts in _verdicts(some))
    cut = sum(is_cut(each) for each in some)
    return f"| {name} | {len(some)} | {by_loss} | {by_subject} | {cut} |"


def _verdicts(some: list[Pair]) -> tuple[list[Verdict], list[Verdict]]:
    return [each.by_loss for each in some], [each.by_subject for each in some]


def is_cut(pair: Pair) -> bool:
    """Return whether the crop cuts the subject."""
    return round(pair.subject_kept, 6) < POLICY.min_subject_kept


def main() -> None:
    print("The demo's photographs", "", *table(demo_photographs()), sep="\n")
    print("", "All photographs", "", *table(list(HALVES["all"])), sep="\n")


if __name__ == "__main__":
    main()
