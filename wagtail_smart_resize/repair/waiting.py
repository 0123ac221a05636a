"""Assesses waiting rows again: a page may be published, a setting or the budget changed."""

import dataclasses
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

from django.db.models import Exists, OuterRef, Q
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

from .report import Finding, Repair

#: Reasons that only the opened file tells. They are final, as another file is another row.
SETTLED_REASONS = (Reason.ANIMATED, Reason.TRANSPARENT)
MONEY_REASONS = (None, Reason.NO_KEY, Reason.CIRCUIT_OPEN, Reason.BUDGET)
#: Number of rows of each reason to which a run goes by the reason: then they wait for it no more,
#: and the next run goes to others.
ROWS_OF_A_REASON = 5000


def find_waiting(image_ids: list[Any]) -> Iterator[Finding]:
    """Yield the rows whose reason to wait has gone or changed, by what the database says now."""
    waits = Q(waiting_reason__gt="") | Q(next_attempt_at=None)
    rows = _wanted_rows().filter(waits, image_id__in=image_ids)
    found = list(rows.exclude(waiting_reason__in=SETTLED_REASONS).order_by("pk"))
    if not found:
        return
    image_facts = _facts_reader()
    images = _images({row.image_id for row in found})
    opted_out = set(OptOut.objects.filter(image_id__in=images).values_list("image_id", flat=True))
    uses = cache(usage.usage_of)
    for row in found:
        if image := images.get(row.image_id):
            yield from _assess(row, image_facts(image, image.pk in opted_out), uses)


def images_that_wait_no_more() -> Iterator[Any]:
    """Yield the keys of images whose rows wait for what is over, as one look at the reason tells.

    Other reasons need a look at each row: a page that is published, and settings, have that made;
    and each row is assessed again when its next attempt is due.
    """
    for ended in _ended():
        rows = _wanted_rows().filter(ended).order_by("wanted_at", "pk")
        yield from rows.values_list("image_id", flat=True)[:ROWS_OF_A_REASON]


def _ended() -> Iterator[Q]:
    """Yield the conditions of rows whose reason has ended, each served by an index."""
    yield Q(waiting_reason="", next_attempt_at=None)
    if settings.API_KEY:
        yield Q(waiting_reason=Reason.NO_KEY)
    if settings.AUTO_GENERATE:
        yield Q(waiting_reason=Reason.AUTOMATIC_OFF)
    if _circuit_is_closed():
        yield Q(waiting_reason=Reason.CIRCUIT_OPEN)
    if _budget_is_left():
        yield Q(waiting_reason=Reason.BUDGET)
    private = usage.private_collection_ids()
    yield Q(waiting_reason=Reason.PRIVATE) & ~Q(image__collection_id__in=private)
    opted_out = OptOut.objects.filter(image_id=OuterRef("image_id"))
    yield Q(~Exists(opted_out), waiting_reason=Reason.OPTED_OUT)


def _wanted_rows() -> Any:
    return Recomposition.objects.wanted().current().undecided()


def _circuit_is_closed() -> bool:
    return not PipelineState.objects.filter(circuit_opened_at__isnull=False).exists()


def _budget_is_left() -> bool:
    return assess.budget_left() >= settings.CANDIDATES


def _images(ids: set[Any]) -> dict[Any, Any]:
    return database.site_images().in_bulk(ids)


def _facts_reader() -> Callable[[Any, bool], assess.ImageFacts]:
    """Return a function that gives an image's facts; what concerns all images is queried once.

    `uses` is a stand-in there, since uses are queried only where all else allows the purchase.
    """
    private = usage.private_collection_ids()
    budget_left, circuit_closed = _budget_is_left(), _circuit_is_closed()

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
