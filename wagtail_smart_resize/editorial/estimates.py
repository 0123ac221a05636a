"""What it takes to have many images recomposed in several shapes: worked out before it is asked.

Nothing is written here, no file is opened, and the site's own `ALLOW` is not called: it is asked,
image by image, when the purchase is.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import Any

from django.db.models import F
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy, ngettext

from wagtail_smart_resize.core.money import Price
from wagtail_smart_resize.core.sizes import Slot, same_shape
from wagtail_smart_resize.models import Recomposition
from wagtail_smart_resize.rules import assess
from wagtail_smart_resize.rules.verdict import OVERRULABLE, Reason
from wagtail_smart_resize.settings import settings

from . import actions, states
from .actions import Wish

Decision = Recomposition.Decision


class Stays(StrEnum):
    """Why a picture is not asked for although the rules would allow it."""

    MADE = "made"
    UNDER_WAY = "under_way"
    DECLINED = "declined"
    UNKNOWN = "unknown"

    @property
    def label(self) -> Promise:
        return _STAYS[self]


_STAYS: dict[Stays, Promise] = {
    Stays.MADE: gettext_lazy("There is a recomposed picture already"),
    Stays.UNDER_WAY: gettext_lazy("A picture is being made already"),
    Stays.DECLINED: gettext_lazy("Somebody chose the standard crop"),
    Stays.UNKNOWN: gettext_lazy(
        "The outcome of an earlier request is unknown: decide on the image's screen"
    ),
}


@dataclass(frozen=True)
class Pair:
    """One image in one shape: what is asked for it, or why nothing is."""

    image: Any
    wish: Wish
    why_not: Stays | Reason | None = None


@dataclass(frozen=True)
class Estimate:
    images: int
    shapes: int
    pairs: tuple[Pair, ...]
    left: int
    """Outputs that the budget allows now."""

    @cached_property
    def asked(self) -> list[Pair]:
        return [pair for pair in self.pairs if pair.why_not is None]

    @cached_property
    def by_image(self) -> list[tuple[Any, list[Wish]]]:
        """What is asked of each image, in the order of their keys: the order of their locks."""
        wishes = defaultdict(list)
        for pair in self.asked:
            wishes[pair.image.pk].append(pair.wish)
        images = {pair.image.pk: pair.image for pair in self.asked}
        return [(images[key], wishes[key]) for key in sorted(images)]

    @property
    def outputs(self) -> int:
        return len(self.asked) * settings.CANDIDATES

    @property
    def price(self) -> Price | None:
        return actions.price_of(self.outputs)

    @property
    def is_affordable(self) -> bool:
        return self.outputs <= self.left

    @property
    def left_afterwards(self) -> int:
        return max(0, self.left - self.outputs)

    @cached_property
    def made(self) -> int:
        return sum(pair.why_not is Stays.MADE for pair in self.pairs)

    @cached_property
    def reasons(self) -> list[tuple[Stays | Reason, int]]:
        """Why nothing is asked for, and for how many; what is made already comes first."""
        counted = Counter(pair.why_not for pair in self.pairs if pair.why_not is not None)
        return [(why, counted[why]) for why in (*Stays, *Reason) if counted[why]]

    @property
    def overrulable(self) -> int:
        """How many are left out for a matter of taste."""
        return sum(count for why, count in self.reasons if why in OVERRULABLE)

    @property
    def digest(self) -> str:
        """Changes with what is asked for: nobody agrees to something else than they saw."""
        text = repr([(pair.image.pk, str(pair.wish.slot), pair.wish.recipe) for pair in self.asked])
        return hashlib.sha256(f"{settings.CANDIDATES} {text}".encode()).hexdigest()[:16]


def of(images: Sequence[Any], wishes: Iterable[Wish], *, overrule: bool = False) -> Estimate:
    """What it takes now. The number of queries doesn't grow with the number of images."""
    wishes = distinct(wishes)
    about, rows = assess.About.of_many(images), _rows(images)
    pairs = tuple(
        _pair(about[image.pk], wish, rows[image.pk], overrule)
        for image in images
        for wish in wishes
    )
    return Estimate(len(images), len(wishes), pairs, assess.budget_left())


def distinct(wishes: Iterable[Wish]) -> list[Wish]:
    """Without those whose shape another of the same recipe serves: the largest stays."""
    kept: list[Wish] = []
    for wish in sorted(wishes, key=lambda each: each.slot.size, reverse=True):
        if not any(_serves(wish.recipe, wish.shape, other.recipe, other.shape) for other in kept):
            kept.append(wish)
    return kept


def _rows(images: Sequence[Any]) -> dict[Any, list[Recomposition]]:
    """The recompositions of the images' present files."""
    keys = [image.pk for image in images]
    rows = Recomposition.objects.filter(image_id__in=keys, source_hash=F("image__file_hash"))
    found = defaultdict(list)
    for row in states.load(rows).order_by("pk"):
        found[row.image_id].append(row)
    return found


def _pair(about: Any, wish: Wish, rows: list[Recomposition], overrule: bool) -> Pair:
    ours = [row for row in rows if _serves(wish.recipe, wish.shape, row.recipe, row.shape)]
    ours.sort(key=lambda row: abs(row.shape - wish.shape))
    stays = next(filter(None, map(_stays, ours)), None)
    if stays:
        return Pair(about.image, wish, stays)
    slots = [wish.slot]
    if ours:
        slots += [Slot.parse(text) for text in ours[0].slots]
        wish = wish if wish.shape == ours[0].shape else Wish.of(ours[0])
    # Whether the budget lasts is a question about all of them together.
    about = replace(about, budget_left=True)
    found = assess.assess(about, wish.shape, slots, wish.recipe, by_person=True, overruled=overrule)
    return Pair(about.image, wish, found.reason)


def _stays(row: Recomposition) -> Stays | None:
    if row.purchase == row.Purchase.REQUESTED:
        return Stays.UNDER_WAY
    if row.purchase == row.Purchase.FAILED and row.failure_code == "unknown":
        return Stays.UNKNOWN
    if row.live_id or row.has_candidates:
        return Stays.MADE
    return Stays.DECLINED if row.decision == row.Decision.CROP else None


def _serves(recipe: str, shape: Any, other_recipe: str, other_shape: Any) -> bool:
    return recipe == other_recipe and same_shape(shape, other_shape)


def over_budget(estimate: Estimate) -> str:
    text = ngettext(
        "This takes %(outputs)d picture, and the budget allows %(left)d more now. Choose fewer "
        "images or shapes, or wait for the next day or month.",
        "This takes %(outputs)d pictures, and the budget allows %(left)d more now. Choose fewer "
        "images or shapes, or wait for the next day or month.",
        estimate.outputs,
    )
    return text % {"outputs": estimate.outputs, "left": estimate.left}
