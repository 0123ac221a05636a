"""Estimate of what recomposing many images in several shapes takes, before it is requested.

Nothing is written, no file is opened, and the site's own `ALLOW` is not called: it is called for
each image on purchase.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy, ngettext

from wagtail_smart_resize.core.money import Price
from wagtail_smart_resize.core.site_image import SiteImage
from wagtail_smart_resize.core.sizes import same_shape
from wagtail_smart_resize.models import Recomposition
from wagtail_smart_resize.rules import assess
from wagtail_smart_resize.rules.verdict import OVERRULABLE, Reason, Usage
from wagtail_smart_resize.settings import settings

from . import asking, states
from .asking import ResizeTarget

Decision = Recomposition.Decision


class Stays(StrEnum):
    """Why a picture is not requested although the rules would allow it."""

    MADE = "made"
    UNDER_WAY = "under_way"
    DECLINED = "declined"
    UNKNOWN = "unknown"
    NO_PAGE = "no_page"
    USE_UNKNOWN = "use_unknown"
    ON_PAGES = "on_pages"

    @property
    def label(self) -> Promise:
        return _STAYS_LABELS[self]


_STAYS_LABELS: dict[Stays, Promise] = {
    Stays.MADE: gettext_lazy("There is an AI version already"),
    Stays.UNDER_WAY: gettext_lazy("An AI version is being made already"),
    Stays.DECLINED: gettext_lazy("Somebody chose the crop"),
    Stays.UNKNOWN: gettext_lazy(
        "The outcome of an earlier request is unknown: decide on the image's screen"
    ),
    Stays.NO_PAGE: gettext_lazy("No published page is known to show it"),
    Stays.USE_UNKNOWN: gettext_lazy("Used in a snippet or a setting"),
    Stays.ON_PAGES: gettext_lazy("A published page shows it"),
}

#: By what is known of an image's pages, why it is left out where images like it are to be.
LEFT_OUT_FOR = {
    Usage.PUBLISHED: Stays.ON_PAGES,
    Usage.UNKNOWN: Stays.USE_UNKNOWN,
    Usage.UNPUBLISHED: Stays.NO_PAGE,
    Usage.NONE: Stays.NO_PAGE,
}


@dataclass(frozen=True)
class EstimateItem:
    """One image in one shape. `why_not` is None if a picture is to be requested."""

    image: SiteImage
    target: ResizeTarget
    why_not: Stays | Reason | None = None


@dataclass(frozen=True)
class Estimate:
    """What the requested shapes of the images take. `pairs` is each image in each shape."""

    images: int
    shapes: int
    pairs: tuple[EstimateItem, ...]
    left: int
    """Outputs that the budget allows now."""

    @cached_property
    def asked(self) -> list[EstimateItem]:
        """Return the pairs for which a picture is to be requested."""
        return [pair for pair in self.pairs if pair.why_not is None]

    @cached_property
    def by_image(self) -> list[tuple[Any, list[ResizeTarget]]]:
        """Return the targets to request by image, ordered by primary key as locks must be."""
        targets = defaultdict(list)
        for pair in self.asked:
            targets[pair.image.pk].append(pair.target)
        images = {pair.image.pk: pair.image for pair in self.asked}
        return [(images[key], targets[key]) for key in sorted(images)]

    @property
    def outputs(self) -> int:
        return len(self.asked) * settings.CANDIDATES

    @property
    def price(self) -> Price | None:
        return asking.price_of(self.outputs)

    @property
    def is_affordable(self) -> bool:
        return self.outputs <= self.left

    @property
    def left_afterwards(self) -> int:
        return max(0, self.left - self.outputs)

    @cached_property
    def made(self) -> int:
        """Return the number of pairs that have a recomposed picture already."""
        return sum(pair.why_not is Stays.MADE for pair in self.pairs)

    @cached_property
    def reasons(self) -> list[tuple[Stays | Reason, int]]:
        """Return why pairs are left out, with their numbers; those made already come first."""
        counted = Counter(pair.why_not for pair in self.pairs if pair.why_not is not None)
        return [(why, counted[why]) for why in (*Stays, *Reason) if counted[why]]

    @property
    def overrulable(self) -> int:
        """Return the number of pairs left out by rules that may be overruled."""
        return sum(count for why, count in self.reasons if why in OVERRULABLE)

    @property
    def digest(self) -> str:
        """Return a digest of what is requested, so that users agree only to what they saw."""
        text = repr(
            [(pair.image.pk, str(pair.target.slot), pair.target.recipe) for pair in self.asked]
        )
        return hashlib.sha256(f"{settings.CANDIDATES} {text}".encode()).hexdigest()[:16]


def estimate_for(
    images: Sequence[Any],
    targets: Iterable[ResizeTarget],
    *,
    override_rules: bool = False,
    uses: Collection[Usage] = tuple(Usage),
) -> Estimate:
    """Return the current estimate.

    The number of queries doesn't grow with the number of images. `override_rules` overrules the
    rules that are a matter of taste. Images of other `uses` are left out.
    """
    targets = distinct(targets)
    image_facts, rows = assess.ImageFacts.for_images(images), _rows_by_image(images)
    pairs = tuple(
        _pair(image_facts[image.pk], target, rows[image.pk], override_rules, uses)
        for image in images
        for target in targets
    )
    return Estimate(len(images), len(targets), pairs, assess.budget_left())


def distinct(targets: Iterable[ResizeTarget]) -> list[ResizeTarget]:
    """Return the targets, keeping only the largest of those with the same recipe and shape."""
    kept: list[ResizeTarget] = []
    for target in sorted(targets, key=lambda each: each.slot.size, reverse=True):
        if not any(
            _serves(target.recipe, target.shape, other.recipe, other.shape) for other in kept
        ):
            kept.append(target)
    return kept


def _rows_by_image(images: Sequence[Any]) -> dict[Any, list[Recomposition]]:
    """Return the recompositions of the images' current files, by image id."""
    keys = [image.pk for image in images]
    rows = Recomposition.objects.current().filter(image_id__in=keys)
    found = defaultdict(list)
    for row in states.with_state_relations(rows).order_by("pk"):
        found[row.image_id].append(row)
    return found


def _pair(
    image_facts: assess.ImageFacts,
    target: ResizeTarget,
    rows: list[Recomposition],
    override_rules: bool,
    uses: Collection[Usage],
) -> EstimateItem:
    matching = [row for row in rows if _serves(target.recipe, target.shape, row.recipe, row.shape)]
    matching.sort(key=lambda row: abs(row.shape - target.shape))
    stays = next(filter(None, map(_stays_of, matching)), None)
    if stays is None and image_facts.uses not in uses:
        stays = LEFT_OUT_FOR[image_facts.uses]
    if stays:
        return EstimateItem(image_facts.image, target, stays)
    slots = [target.slot]
    if matching:
        slots += matching[0].parsed_slots
        target = target if target.shape == matching[0].shape else ResizeTarget.for_row(matching[0])
    # The budget is compared with all pairs together, not with each.
    image_facts = replace(image_facts, budget_left=True)
    found = assess.assess(
        image_facts,
        target.shape,
        slots,
        target.recipe,
        by_person=True,
        rules_overridden=override_rules,
    )
    return EstimateItem(image_facts.image, target, found.reason)


def _stays_of(row: Any) -> Stays | None:
    """Return why nothing is requested for a row of `states.with_state_relations`."""
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
    """Return a message that the estimate exceeds the budget."""
    text = ngettext(
        "This takes %(outputs)d AI version, and the budget allows %(left)d more now. Choose fewer "
        "images or places, or wait for the next day or month.",
        "This takes %(outputs)d AI versions, and the budget allows %(left)d more now. Choose fewer "
        "images or places, or wait for the next day or month.",
        estimate.outputs,
    )
    return text % {"outputs": estimate.outputs, "left": estimate.left}
