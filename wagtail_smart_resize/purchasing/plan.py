"""From wanted to requested: the rules, the budget, and one request for all shapes of an image.

All wanted shapes of an image and recipe are put into one request. A shape within 3 % of one that is
bought, or about to be, joins that one instead of being bought itself.
"""

import dataclasses
import datetime as dt
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import Q
from django.utils import timezone
from wagtail.utils.file import hash_filelike

from wagtail_smart_resize.core import clock, database, storage_errors
from wagtail_smart_resize.core.site_image import SiteImage
from wagtail_smart_resize.core.sizes import request_size, same_shape
from wagtail_smart_resize.exceptions import SourceUnavailable
from wagtail_smart_resize.models import (
    BudgetPeriod,
    GatewayRequest,
    ImageVersion,
    PipelineState,
    Recomposition,
    events,
)
from wagtail_smart_resize.models.gateway_request import new_token
from wagtail_smart_resize.rules import assess
from wagtail_smart_resize.rules.verdict import Reason, Verdict
from wagtail_smart_resize.settings import Recipe, settings

from . import source_image
from .schedule import REVISIT_AFTER, revisit_at

#: Maximum number of sizes in one request: an answer that comes late, or not, concerns no more.
MAX_SIZES = 10
#: Number of times a missing or damaged source is tried before its purchase fails.
MAX_SOURCE_ERRORS = 5


class DueGroup(NamedTuple):
    """An image and a recipe's name, whose shapes are bought together."""

    image_id: Any
    recipe: str


def due_groups(now: dt.datetime, limit: int) -> list[DueGroup]:
    """Return at most `limit` groups with rows due at `now`, by when they were due, then by age.

    A row that was tried and failed is due later than one that was not tried yet. So the one probe
    that an open circuit allows is for another image each time, and one image can't keep it open.
    Of images with many due shapes there may be fewer: the next pass goes on.
    """
    # Not grouped by the database, which would read all that is due, but the first by an index.
    rows = Recomposition.objects.due(now).order_by("next_attempt_at", "wanted_at")
    first = rows.values_list("image_id", "recipe")[: limit * MAX_SIZES]
    return list(dict.fromkeys(DueGroup(*row) for row in first))[:limit]


def plan_request(group: DueGroup) -> GatewayRequest | None:
    """Write the request for what is wanted and allowed of the group, and reserve its budget.

    Return None if there is nothing to request; rows that are not allowed wait, with their reason.
    """
    image = database.site_images().filter(pk=group.image_id).first()
    if image is None:
        postpone(group, REVISIT_AFTER)
        return None
    try:
        # An SVG has no pixels.
        opened = None if image.is_svg() else source_image.read_facts(image)
    except SourceUnavailable as error:
        _handle_unavailable_source(group, image, error)
        return None
    identify(image)
    allowed = _filter_allowed(image, opened, list(_wanted_rows(image, group.recipe)))
    if not allowed:
        return None
    ImageVersion.get_for(image.pk)
    BudgetPeriod.ensure_rows(clock.today())
    try:
        with database.atomic():
            return _write_request(image, settings.recipe(group.recipe), allowed)
    except _Overtaken:
        return None


def postpone(group: DueGroup, wait: dt.timedelta) -> None:
    """Make the group's due rows due after `wait`, since nothing can be said about them now."""
    rows = Recomposition.objects.filter(image_id=group.image_id, recipe=group.recipe)
    rows.postpone_due(timezone.now(), timezone.now() + wait)


def identify(image: SiteImage) -> None:
    """Fill in the hash of the image's file if it is blank, before it is used as identity.

    Rows that were written while it was blank, or for an earlier file and never bought, move to the
    present file or give way to its rows. Raise StorageError if the file can't be read.
    """
    if not image.file_hash:
        _fill_in_hash(image)
    others = Recomposition.objects.filter(image_id=image.pk).exclude(source_hash=image.file_hash)
    for row in others.wanted():
        _move_to_present_file(row, image)


def _fill_in_hash(image: SiteImage) -> None:
    """Store the hash of the image's file, if the image still has that file when it is read.

    By an UPDATE: Wagtail's `get_file_hash` saves the image, which a site's own handlers take for an
    editor's change, and writes the hash of a file that may have been replaced meanwhile.
    """
    stored = database.site_images(with_hidden=True).filter(pk=image.pk)
    while not image.file_hash:
        with storage_errors.translate_storage_errors(), image.open_file() as file:
            found = hash_filelike(file)
        if stored.filter(file_hash="", file=image.file.name).update(file_hash=found):
            image.file_hash = found
        elif stored.exists():
            image.refresh_from_db(using=database.alias(), fields=["file", "file_hash"])
        else:
            image.file_hash = found


def _move_to_present_file(row: Recomposition, image: SiteImage) -> None:
    """Move a waiting row to the image's present file, or join it to the row already there."""
    twin = Recomposition.objects.filter(
        image_id=image.pk, source_hash=image.file_hash, shape=row.shape, recipe=row.recipe
    ).first()
    if twin is not None:
        _join(row, twin)
    elif row.candidates.exists():
        row.leave()
    else:
        row.update_if(where={"purchase": row.Purchase.WANTED}, source_hash=image.file_hash)


def _wanted_rows(image: SiteImage, recipe: str) -> Any:
    """Return all rows wanted for the image and recipe, due or not, so that a page's shapes join."""
    rows = Recomposition.objects.wanted().filter(
        image_id=image.pk, source_hash=image.file_hash, recipe=recipe
    )
    return rows.undecided().order_by("wanted_at", "pk")


# The rules


def _filter_allowed(
    image: SiteImage, opened: Any, rows: list[Recomposition]
) -> list[Recomposition]:
    """Return the rows that may be bought now, by the opened file; the others wait with a reason."""
    if not rows:
        return []
    # While the circuit is open, the pass claims nothing but the probe that may close it.
    image_facts = dataclasses.replace(
        assess.ImageFacts.for_image(image, opened), circuit_closed=True
    )
    allowed = []
    for row in rows:
        reason = verdict_on(row, image_facts).reason
        if reason is None:
            allowed.append(row)
        else:
            row.wait(reason, revisit_at(reason))
            if reason is Reason.BUDGET:
                tell_of_budget()
    return allowed


def verdict_on(
    row: Recomposition,
    image_facts: assess.ImageFacts,
    *,
    rules_overridden: bool | None = None,
    ask_site: bool = True,
) -> Verdict:
    """Return the verdict of the rules on a row.

    `rules_overridden`: None for what the row says. `ask_site`: whether the site's own rule is asked
    too.
    """
    return assess.assess(
        image_facts,
        row.shape,
        row.parsed_slots,
        row.recipe,
        preview_only=row.wanted_by == row.WantedBy.PREVIEW,
        by_person=row.wanted_by == row.WantedBy.PERSON,
        rules_overridden=row.rules_overridden if rules_overridden is None else rules_overridden,
        ask_site=ask_site,
    )


def _handle_unavailable_source(group: DueGroup, image: SiteImage, error: SourceUnavailable) -> None:
    """Retry later, or fail the rows: a storage that is down comes back, a missing file may not."""
    rows = Recomposition.objects.due(timezone.now())
    for row in rows.filter(image_id=group.image_id, recipe=group.recipe):
        consecutive_errors = row.attempts + (error.code != "storage")
        if consecutive_errors >= MAX_SOURCE_ERRORS:
            row.fail(error.code, error.detail)
            events.not_sent(row, image)
        else:
            later = timezone.now() + clock.backoff(consecutive_errors, first=60)
            row.try_later(error.code, error.detail, later, attempts=consecutive_errors)
            events.source_unavailable(row, image, later)


# Writing the request


class _Overtaken(Exception):
    """Another process was faster, or there is no room or budget left; nothing was written."""


def _write_request(
    image: SiteImage, recipe: Recipe, allowed: list[Recomposition]
) -> GatewayRequest | None:
    """Join shapes, reserve the budget, claim the rows and write the request, in one transaction."""
    ImageVersion.lock(image.pk)
    rows = _wanted_rows(image, recipe.name).filter(pk__in=[row.pk for row in allowed])
    leaders = _join_shapes(image, recipe.name, list(rows))
    affordable = assess.budget_left() // settings.CANDIDATES
    leaders, too_many = leaders[:affordable], leaders[affordable:]
    for row in too_many:
        row.wait(Reason.BUDGET, clock.tomorrow())
    if too_many:
        tell_of_budget()
    # The rest is due still, for the next claim.
    leaders = leaders[:MAX_SIZES]
    if not leaders:
        return None
    request = new_request(image, recipe, leaders)
    # Claims queue on the lock of the budget's row: from here on each sees what the others wrote.
    if not reserve(request) or GatewayRequest.objects.unfinished().count() > settings.MAX_IN_FLIGHT:
        raise _Overtaken
    for row in leaders:
        if not row.update_if(where={"purchase": row.Purchase.WANTED}, **_claimed_fields(request)):
            raise _Overtaken
    return request


def tell_of_budget() -> None:
    """Tell once a day that a limit keeps purchases waiting."""
    today = clock.today()
    told = Q(budget_told_on=None) | ~Q(budget_told_on=today)
    if PipelineState.get_current().update_if(where=told, budget_told_on=today):
        in_day, in_month = BudgetPeriod.spent_on(today)
        month_is_full = in_month + settings.CANDIDATES > settings.MONTHLY_LIMIT
        limit, used, allowed = (
            ("month", in_month, settings.MONTHLY_LIMIT)
            if month_is_full
            else ("day", in_day, settings.DAILY_LIMIT)
        )
        events.budget_refused(limit, used, allowed)


def _claimed_fields(request: GatewayRequest) -> dict[str, Any]:
    return {
        "purchase": Recomposition.Purchase.REQUESTED,
        "request": request,
        "waiting_reason": "",
        "failure_code": "",
        "failure_detail": "",
    }


def _join_shapes(image: SiteImage, recipe: str, rows: list[Recomposition]) -> list[Recomposition]:
    """Return the rows to buy, oldest first, after joining rows of nearly the same shape to them."""
    leaders: list[Recomposition] = []
    bought = list(_bought_rows(image, recipe))
    # The largest first: a smaller one of nearly its shape can then share its picture.
    for row in sorted(rows, key=_largest_area, reverse=True):
        joined = next(
            (other for other in [*bought, *leaders] if _have_same_shape(row, other)), None
        )
        if joined is None:
            leaders.append(row)
        else:
            _join(row, joined)
    for row in _wanted_rows(image, recipe).exclude(pk__in=[row.pk for row in leaders]):
        joined = next((other for other in leaders if _have_same_shape(row, other)), None)
        if joined is not None:
            _join(row, joined)
    return sorted(leaders, key=lambda row: (row.wanted_at, row.pk))


def _largest_area(row: Recomposition) -> int:
    return max((slot.size.width * slot.size.height for slot in row.parsed_slots), default=0)


def _bought_rows(image: SiteImage, recipe: str) -> Any:
    """Return the rows bought, requested, failed or decided, whose shapes are not bought again."""
    rows = Recomposition.objects.filter(
        image_id=image.pk, source_hash=image.file_hash, recipe=recipe
    )
    return rows.exclude(pk__in=_wanted_rows(image, recipe).values("pk"))


def _have_same_shape(row: Recomposition, other: Recomposition) -> bool:
    return same_shape(row.shape, other.shape)


def _join(row: Recomposition, other: Recomposition) -> None:
    """Let `other` serve the slots of `row`, and delete `row`, which was never bought."""
    if row.candidates.exists():
        row.leave()
        return
    slots = [*other.slots, *(slot for slot in row.slots if slot not in other.slots)]
    wanted_by = row.wanted_by if other.wanted_by == row.WantedBy.PREVIEW else other.wanted_by
    other.update_if(where={}, slots=slots, wanted_by=wanted_by)
    row.delete()


def new_request(
    image: SiteImage,
    recipe: Recipe,
    rows: list[Recomposition],
    *,
    images_per_size: int | None = None,
    **fields: Any,
) -> GatewayRequest:
    """Write the request for these rows and return it.

    `images_per_size`: None for the setting's number. `fields`: further fields of the request.
    """
    price = settings.PRICE_PER_OUTPUT
    images_per_size = images_per_size or settings.CANDIDATES
    outputs = len(rows) * images_per_size
    return GatewayRequest.objects.create(
        image_id=image.pk,
        image_title=image.title[:255],
        source_hash=image.file_hash,
        source_token=new_token(),
        recipe=recipe.name,
        prompt=recipe.prompt,
        resolution=recipe.resolution,
        output_format=settings.OUTPUT_FORMAT,
        safety_tolerance=recipe.safety_tolerance or "",
        sizes=[asked_size(row.shape, recipe.resolution, row.pk) for row in rows],
        images_per_size=images_per_size,
        outputs_asked=outputs,
        attempts=max(row.attempts for row in rows),
        price=price.amount * outputs if price else None,
        currency=price.currency if price else "",
        **fields,
    )


def asked_size(shape: Decimal, resolution: str, recomposition_id: int) -> dict[str, Any]:
    """Return an entry of `GatewayRequest.sizes`."""
    return {"size": str(request_size(shape, resolution)), "recomposition": recomposition_id}


def reserve(request: GatewayRequest) -> bool:
    """Reserve the request's outputs in today's budget; return whether the limits allow it.

    The caller must roll its transaction back if this returns False.
    """
    today = clock.today()
    limits = settings.DAILY_LIMIT, settings.MONTHLY_LIMIT
    if not BudgetPeriod.reserve(request.outputs_asked, today, *limits):
        return False
    return request.update_if(where={"reserved_on": None}, reserved_on=today)
