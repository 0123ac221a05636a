"""Assesses waiting rows again: a page may be published, a setting or the budget changed."""

import dataclasses
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

from django.db.models import Q
from django.utils import timezone

from wagtail_smart_resize.core import database
from wagtail_smart_resize.core.site_image import SiteImage
from wagtail_smart_resize.models import OptOut, PipelineState, Recomposition
from wagtail_smart_resize.purchasing import plan
from wagtail_smart_resize.purchasing.schedule import revisit_at
from wagtail_smart_resize.rules import assess, usage
from wagtail_smart_resize.rules.facts import SourceFacts
from wagtail_smart_resize.rules.verdict import Reason, Usage
from wagtail_smart_resize.settings import settings

from .reading import chunks
from .report import Finding, Repair

#: Reasons that only the opened file tells. They are final, as another file is another row.
SETTLED_REASONS = (Reason.ANIMATED, Reason.TRANSPARENT)
MONEY_REASONS = (None, Reason.NO_KEY, Reason.CIRCUIT_OPEN, Reason.BUDGET)


def find_waiting() -> Iterator[Finding]:
    """Yield the rows whose reason to wait has gone or changed, by what the database says now."""
    image_facts = _facts_reader()
    rows = _waiting_rows()
    for ids in chunks(rows):
        found = list(rows.filter(pk__in=ids))
        images = _images({row.image_id for row in found})
        opted_out = set(
            OptOut.objects.filter(image_id__in=images).values_list("image_id", flat=True)
        )
        uses = cache(usage.usage_of)
        for row in found:
            if image := images.get(row.image_id):
                yield from _assess(row, image_facts(image, image.pk in opted_out), uses)


def _waiting_rows() -> Any:
    wanted = Recomposition.objects.wanted().current().undecided()
    waits = Q(waiting_reason__gt="") | Q(next_attempt_at=None)
    return wanted.filter(waits).exclude(waiting_reason__in=SETTLED_REASONS)


def _images(ids: set[Any]) -> dict[Any, Any]:
    return database.site_images().in_bulk(ids)


def _facts_reader() -> Callable[[Any, bool], assess.ImageFacts]:
    """Return a function that gives an image's facts; what concerns all images is queried once.

    `uses` is a stand-in there, since uses are queried only where all else allows the purchase.
    """
    private = usage.private_collection_ids()
    budget_left = assess.budget_left() >= settings.CANDIDATES
    circuit_closed = not PipelineState.objects.filter(circuit_opened_at__isnull=False).exists()

    def image_facts(image: SiteImage, opted_out: bool) -> assess.ImageFacts:
        return assess.ImageFacts(
            image=image,
            is_private=image.collection_id in private,
            opted_out=opted_out,
            uses=Usage.PUBLISHED,
            budget_left=budget_left,
            circuit_closed=circuit_closed,
        )

    return image_facts


def _assess(
    row: Recomposition, image_facts: assess.ImageFacts, uses: Callable[[Any], Usage]
) -> Iterator[Finding]:
    reason = _reason(row, image_facts, uses)
    if reason is None:
        yield Finding(Repair.WOKEN, 1, partial(_wake, row))
    elif reason != row.waiting_reason:
        # Nothing is claimed while the circuit is open, but its probe needs a row that is due.
        due = timezone.now() if reason == Reason.CIRCUIT_OPEN else revisit_at(reason)
        yield Finding(Repair.WAITING, 1, partial(row.wait, reason, due))


def _reason(
    row: Recomposition, image_facts: assess.ImageFacts, uses: Callable[[Any], Usage]
) -> Reason | None:
    """Return the reason to go on waiting; the index of uses and the site's `ALLOW` come last."""
    if row.waiting_reason == Reason.CROP_KEEPS_ENOUGH and _crop_keeps_enough_turned(
        row, image_facts
    ):
        return Reason.CROP_KEEPS_ENOUGH
    reason = plan.verdict_on(row, image_facts, ask_site=False).reason
    if reason not in MONEY_REASONS:
        return reason
    image_facts = dataclasses.replace(image_facts, uses=uses(image_facts.image))
    return plan.verdict_on(row, image_facts).reason


def _crop_keeps_enough_turned(row: Recomposition, image_facts: assess.ImageFacts) -> bool:
    """Return whether the crop keeps enough of the image with width and height exchanged.

    The opened file said that the crop keeps enough. If its EXIF data turn it, the width and height
    in the database would say otherwise for ever.
    """
    turned = SourceFacts(image_facts.image.height, image_facts.image.width, False, False)
    image_facts = dataclasses.replace(image_facts, opened=turned)
    return plan.verdict_on(row, image_facts, ask_site=False).reason == Reason.CROP_KEEPS_ENOUGH


def _wake(row: Recomposition) -> int:
    changes = {"waiting_reason": "", "next_attempt_at": timezone.now()}
    return int(row.update_if(where={"purchase": row.Purchase.WANTED}, **changes))
