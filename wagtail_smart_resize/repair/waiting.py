"""What waits is assessed again: a page may be published, a setting or the budget changed."""

import dataclasses
import datetime as dt
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

from django.db.models import F, Q
from wagtail.images import get_image_model

from wagtail_smart_resize.core import clock
from wagtail_smart_resize.models import OptOut, PipelineState, Recomposition
from wagtail_smart_resize.purchasing import plan
from wagtail_smart_resize.rules import assess, usage
from wagtail_smart_resize.rules.facts import SourceFacts
from wagtail_smart_resize.rules.verdict import Reason, Usage
from wagtail_smart_resize.settings import UnknownRecipe, settings

from .reading import chunks
from .report import Finding, Repair

#: Only the opened file tells these, and a file never changes: another file is another row.
SETTLED = (Reason.ANIMATED, Reason.TRANSPARENT)
MONEY = (None, Reason.NO_KEY, Reason.CIRCUIT_OPEN, Reason.BUDGET)


def waiting() -> Iterator[Finding]:
    """Rows that wait for more than their turn, by what the database says now."""
    about = _about()
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
                yield from _assessed(row, about(image, image.pk in opted_out), uses)


def _waiting_rows() -> Any:
    wanted = Recomposition.objects.wanted().filter(
        source_hash=F("image__file_hash"), decision=Recomposition.Decision.NONE, live=None
    )
    waits = Q(waiting_reason__gt="") | Q(next_attempt=None)
    return wanted.filter(waits).exclude(waiting_reason__in=SETTLED)


def _images(ids: set[Any]) -> dict[Any, Any]:
    return get_image_model()._default_manager.in_bulk(ids)


def _about() -> Callable[[Any, bool], assess.About]:
    """What concerns all images is asked once. Their uses are asked only where all else allows."""
    private = usage.private_collection_ids()
    budget_left = assess.budget_left() >= settings.CANDIDATES
    circuit_closed = not PipelineState.objects.filter(circuit_opened_at__isnull=False).exists()

    def about(image: Any, opted_out: bool) -> assess.About:
        return assess.About(
            image=image,
            is_private=image.collection_id in private,
            opted_out=opted_out,
            uses=Usage.PUBLISHED,
            budget_left=budget_left,
            circuit_closed=circuit_closed,
        )

    return about


def _assessed(
    row: Recomposition, about: assess.About, uses: Callable[[Any], Usage]
) -> Iterator[Finding]:
    try:
        settings.recipe(row.recipe)
    except UnknownRecipe:
        return
    reason = _reason(row, about, uses)
    if reason is None:
        yield Finding(Repair.WOKEN, 1, partial(_wake, row))
    elif reason != row.waiting_reason:
        yield Finding(Repair.WAITING, 1, partial(row.wait, reason, _look_again(reason)))


def _reason(row: Recomposition, about: assess.About, uses: Callable[[Any], Usage]) -> Reason | None:
    """Why it goes on waiting. The index of uses and the site's `ALLOW` are asked last."""
    if row.waiting_reason == Reason.CROP_KEEPS_ENOUGH and _kept_if_turned(row, about):
        return Reason.CROP_KEEPS_ENOUGH
    reason = plan.verdict_on(row, about, ask_site=False).reason
    if reason not in MONEY:
        return reason
    about = dataclasses.replace(about, uses=uses(about.image))
    return plan.verdict_on(row, about).reason


def _kept_if_turned(row: Recomposition, about: assess.About) -> bool:
    """The opened file said that the crop keeps enough; if its EXIF data turn it, the database's
    width and height would say otherwise for ever."""
    turned = SourceFacts(about.image.height, about.image.width, False, False)
    about = dataclasses.replace(about, opened=turned)
    return plan.verdict_on(row, about, ask_site=False).reason == Reason.CROP_KEEPS_ENOUGH


def _look_again(reason: Reason) -> dt.datetime | None:
    # Nothing is claimed while the circuit is open, but the one try needs something that is due.
    return clock.now() if reason == Reason.CIRCUIT_OPEN else plan.look_again(reason)


def _wake(row: Recomposition) -> int:
    changes = {"waiting_reason": "", "next_attempt": clock.now()}
    return int(row.move(where={"purchase": row.Purchase.WANTED}, **changes))
