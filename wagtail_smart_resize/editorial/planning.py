"""Record demand for shapes of many images in advance, such as before a launch or a migration.

Rules and limits apply as they do to templates: nothing is overruled, and what the limits don't
allow today waits for another day. But since a person does it, `AUTO_GENERATE` is ignored.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from wagtail_smart_resize.core.money import Price
from wagtail_smart_resize.models import Recomposition
from wagtail_smart_resize.purchasing import demand
from wagtail_smart_resize.rules.verdict import Reason, Usage
from wagtail_smart_resize.settings import settings

from . import asking, estimates
from .asking import ResizeTarget
from .estimates import Stays

#: Maximum number of images held in memory.
IMAGES_PER_BATCH = 200
#: Images whose only uses are on unpublished pages are left out, as for templates.
USES = (Usage.PUBLISHED, Usage.UNKNOWN, Usage.NONE)
Purchase = Recomposition.Purchase


@dataclass
class Plan:
    """What is wanted and why the rest is not.

    Except `images` and `shapes`, the counts are of pairs of an image and a shape.
    """

    images: int = 0
    shapes: int = 0
    wanted: int = 0
    already_wanted: int = 0
    failed_before: int = 0
    """Left for an editor to decide whether to retry."""
    beyond_limit: int = 0
    """Not wanted since they would exceed the limit on outputs."""
    left_out: Counter[Stays | Reason] = field(default_factory=Counter)

    @property
    def outputs(self) -> int:
        return self.wanted * settings.CANDIDATES

    @property
    def price(self) -> Price | None:
        """Return the maximum price; None without `PRICE_PER_OUTPUT`."""
        return asking.price_of(self.outputs)


def want_shapes(
    images: "QuerySet[Any]",
    targets: Iterable[ResizeTarget],
    *,
    limit: int | None = None,
    dry_run: bool = False,
) -> Plan:
    """Record demand for each target of each image, up to `limit` outputs.

    With `dry_run` nothing is written and only the plan is returned.

    No file is opened and the site's own `ALLOW` is not called before the purchase: transparent and
    animated pictures count as wanted here, and are refused then.
    """
    targets = estimates.distinct(targets)
    plan = Plan(shapes=len(targets))
    for batch in _batches(images):
        plan.images += len(batch)
        for pair in _wantable(batch, targets, plan):
            if limit is not None and plan.outputs + settings.CANDIDATES > limit:
                plan.beyond_limit += 1
                continue
            plan.wanted += 1
            if not dry_run:
                _record_demand(pair)
    return plan


def _batches(images: "QuerySet[Any]") -> Iterator[list[Any]]:
    """Yield the images in batches by primary key, each once, whatever the queryset joins."""
    images = images.model._default_manager.filter(pk__in=images.values("pk")).order_by("pk")
    batch = list(images[:IMAGES_PER_BATCH])
    while batch:
        yield batch
        batch = list(images.filter(pk__gt=batch[-1].pk)[:IMAGES_PER_BATCH])


def _wantable(
    images: Sequence[Any], targets: list[ResizeTarget], plan: Plan
) -> Iterator[estimates.EstimateItem]:
    """Yield the pairs that the rules allow and nobody has wanted yet; count the rest in `plan`."""
    known = _rows_by_shape(images)
    for pair in estimates.estimate_for(images, targets, uses=USES).pairs:
        row = known.get((pair.image.pk, pair.target.shape, pair.target.recipe))
        if pair.why_not is not None:
            plan.left_out[pair.why_not] += 1
        elif row is None:
            yield pair
        elif row.purchase == Purchase.WANTED:
            if row.waiting_reason == Reason.AUTOMATIC_OFF:
                yield pair
            else:
                plan.already_wanted += 1
        else:
            plan.failed_before += 1


def _rows_by_shape(images: Sequence[Any]) -> dict[tuple[Any, ...], Recomposition]:
    keys = [image.pk for image in images]
    rows = Recomposition.objects.current().filter(image_id__in=keys)
    return {(row.image_id, row.shape, row.recipe): row for row in rows}


def _record_demand(pair: estimates.EstimateItem) -> None:
    by = Recomposition.WantedBy.PERSON
    for row in demand.record_demand(pair.image, [pair.target.slot], pair.target.recipe, by=by):
        row.update_if(
            where={"purchase": Purchase.WANTED},
            wanted_by=by,
            waiting_reason="",
            next_attempt_at=timezone.now() + demand.GATHERING_TIME,
        )
