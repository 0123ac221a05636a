"""Wanting the shapes of many images ahead of their visitors: before a launch, or a move.

It follows the rules and the limits as templates do: nothing is overruled, and what the limits
don't allow today waits for another day. But it is somebody's act: `AUTO_GENERATE` is not asked.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import F, QuerySet
from django.utils import timezone

from wagtail_smart_resize.core.money import Price
from wagtail_smart_resize.models import Recomposition
from wagtail_smart_resize.purchasing import demand as wanted
from wagtail_smart_resize.rules.verdict import Reason
from wagtail_smart_resize.settings import settings

from . import actions, estimates
from .actions import Wish
from .estimates import Stays

#: So many images are looked at together: the memory that it takes has a bound.
BATCH = 200
Purchase = Recomposition.Purchase


@dataclass
class Plan:
    """What is wanted, and why the rest is not: counts of an image's shapes."""

    images: int = 0
    shapes: int = 0
    wanted: int = 0
    already_wanted: int = 0
    failed_before: int = 0
    """Whether they are tried again, an editor decides."""
    beyond_limit: int = 0
    """Not wanted now, since so many outputs were enough."""
    left_out: Counter[Stays | Reason] = field(default_factory=Counter)

    @property
    def outputs(self) -> int:
        return self.wanted * settings.CANDIDATES

    @property
    def price(self) -> Price | None:
        """What they cost at the most; None where the site has not said what an output costs."""
        return actions.price_of(self.outputs)


def want(
    images: "QuerySet[Any]",
    wishes: Iterable[Wish],
    *,
    limit: int | None = None,
    dry_run: bool = False,
) -> Plan:
    """Want each wish of each image, up to `limit` outputs; with `dry_run` only tell what would be.

    No file is opened and the site's own `ALLOW` is not called before the purchase: transparent
    and animated pictures count as wanted here, and are refused then.
    """
    wishes = estimates.distinct(wishes)
    plan = Plan(shapes=len(wishes))
    for batch in _batches(images):
        plan.images += len(batch)
        for pair in _open(batch, wishes, plan):
            if limit is not None and plan.outputs + settings.CANDIDATES > limit:
                plan.beyond_limit += 1
                continue
            plan.wanted += 1
            if not dry_run:
                _want(pair)
    return plan


def _batches(images: "QuerySet[Any]") -> Iterator[list[Any]]:
    """By their keys, each image once, however it was selected."""
    images = images.model._default_manager.filter(pk__in=images.values("pk")).order_by("pk")
    batch = list(images[:BATCH])
    while batch:
        yield batch
        batch = list(images.filter(pk__gt=batch[-1].pk)[:BATCH])


def _open(images: Sequence[Any], wishes: list[Wish], plan: Plan) -> Iterator[estimates.Pair]:
    """What the rules allow and nobody has wanted yet; the rest is counted."""
    known = _known(images)
    for pair in estimates.of(images, wishes).pairs:
        row = known.get((pair.image.pk, pair.wish.shape, pair.wish.recipe))
        if pair.why_not is not None:
            plan.left_out[pair.why_not] += 1
        elif row is None or _waits_for_somebody(row):
            yield pair
        elif row.purchase == Purchase.WANTED:
            plan.already_wanted += 1
        else:
            plan.failed_before += 1


def _known(images: Sequence[Any]) -> dict[tuple[Any, ...], Recomposition]:
    keys = [image.pk for image in images]
    rows = Recomposition.objects.filter(image_id__in=keys, source_hash=F("image__file_hash"))
    return {(row.image_id, row.shape, row.recipe): row for row in rows}


def _waits_for_somebody(row: Recomposition) -> bool:
    return row.purchase == Purchase.WANTED and row.waiting_reason == Reason.AUTOMATIC_OFF


def _want(pair: estimates.Pair) -> None:
    by = Recomposition.WantedBy.PERSON
    for row in wanted.record(pair.image, [pair.wish.slot], pair.wish.recipe, by=by):
        row.move(
            where={"purchase": Purchase.WANTED},
            wanted_by=by,
            waiting_reason="",
            next_attempt=timezone.now() + wanted.GATHERING,
        )
