"""From wanted to asked for: the rules, the budget, and one request with all of an image's shapes.

All shapes of an image and recipe that are wanted join in one request. Shapes within 3 % of one
that is bought, or about to be, join that one instead of being bought themselves.
"""

import dataclasses
import datetime as dt
import logging
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Min
from wagtail.images import get_image_model

from wagtail_smart_resize.core import clock, storage_errors
from wagtail_smart_resize.core.sizes import Slot, request_size, same_shape
from wagtail_smart_resize.exceptions import SourceUnavailable
from wagtail_smart_resize.models import GatewayRequest, ImageVersion, Recomposition, Spend
from wagtail_smart_resize.models.gateway_request import new_token
from wagtail_smart_resize.rules import assess
from wagtail_smart_resize.rules.verdict import Reason, Verdict
from wagtail_smart_resize.settings import Recipe, UnknownRecipe, settings

from . import source_image
from .schedule import PATIENCE, look_again

logger = logging.getLogger(__name__)

#: So many times a source that is missing or damaged is tried before its purchase fails.
MAX_SOURCE_TROUBLES = 5


class Group(NamedTuple):
    """What is bought together."""

    image_id: Any
    recipe: str


def due_groups(now: dt.datetime, limit: int) -> list[Group]:
    """The groups with something due: those first that were due first, then the oldest.

    What was tried and failed is due later than what was not tried yet. So the one try that an
    open circuit allows is another image's each time, and one image can't keep it open.
    """
    rows = Recomposition.objects.due(now).values_list("image_id", "recipe")
    waiting = rows.annotate(due=Min("next_attempt"), since=Min("wanted_at"))
    return [Group(*row[:2]) for row in waiting.order_by("due", "since")[:limit]]


def claim(group: Group) -> GatewayRequest | None:
    """Write the request for what is wanted and allowed of the group, its budget reserved.

    Returns None where nothing is to be asked for; what is not allowed waits, with its reason.
    """
    image = get_image_model()._default_manager.filter(pk=group.image_id).first()
    recipe = _recipe(group)
    if image is None or recipe is None:
        postpone(group, PATIENCE)
        return None
    try:
        opened = _opened(image)
    except SourceUnavailable as error:
        _no_source(group, error)
        return None
    identify(image)
    allowed = _allowed(image, opened, list(_wanted(image, group.recipe)))
    if not allowed:
        return None
    ImageVersion.of(image.pk)
    Spend.open(clock.today())
    try:
        with transaction.atomic():
            return _write(image, recipe, allowed)
    except _Overtaken:
        return None


def postpone(group: Group, wait: dt.timedelta) -> None:
    """Look at the group again later: for now nothing can be said about it."""
    rows = Recomposition.objects.filter(image_id=group.image_id, recipe=group.recipe)
    rows.postpone_due(clock.now(), clock.now() + wait)


def _opened(image: Any) -> Any:
    """What the opened file tells; None for an SVG, which has no pixels to look at."""
    return None if image.is_svg() else source_image.inspect(image)


def identify(image: Any) -> None:
    """Fill in the hash of the image's file where it is blank, before it is used as identity.

    Rows that were written while it was blank, or for an earlier file and never bought, give way.
    Raises StorageTrouble if the file can't be read.
    """
    if not image.file_hash:
        with storage_errors.calls():
            image.file_hash = image.get_file_hash()
        blank = type(image)._default_manager.filter(pk=image.pk, file_hash="")
        blank.update(file_hash=image.file_hash)
    others = Recomposition.objects.filter(image_id=image.pk).exclude(source_hash=image.file_hash)
    for row in others.wanted():
        _renew(row, image)


def _renew(row: Recomposition, image: Any) -> None:
    """Make a row that waits speak of the image's present file, unless another does already."""
    twin = Recomposition.objects.filter(
        image_id=image.pk, source_hash=image.file_hash, shape=row.shape, recipe=row.recipe
    ).first()
    if twin is not None:
        _join(row, twin)
    elif row.candidates.exists():
        row.leave()
    else:
        row.move(where={"purchase": row.Purchase.WANTED}, source_hash=image.file_hash)


def _recipe(group: Group) -> Recipe | None:
    """The group's recipe as the settings have it now, or None: a preset may come back with the
    next deployment."""
    try:
        return settings.recipe(group.recipe)
    except UnknownRecipe as error:
        logger.warning("%s", error)
        return None


def _wanted(image: Any, recipe: str) -> Any:
    """All that is wanted for the image and recipe, due or not: a page's shapes join."""
    rows = Recomposition.objects.wanted().filter(
        image_id=image.pk, source_hash=image.file_hash, recipe=recipe
    )
    undecided = rows.filter(decision=Recomposition.Decision.NONE, live=None)
    return undecided.order_by("wanted_at", "pk")


# The rules


def _allowed(image: Any, opened: Any, rows: list[Recomposition]) -> list[Recomposition]:
    """Those that may be bought now, by the opened file; the others wait with their reason."""
    if not rows:
        return []
    # While the circuit is open the pass claims nothing, but for the one try that may close it.
    about = dataclasses.replace(assess.About.of(image, opened), circuit_closed=True)
    allowed = []
    for row in rows:
        reason = verdict_on(row, about).reason
        if reason is None:
            allowed.append(row)
        else:
            row.wait(reason, look_again(reason))
    return allowed


def verdict_on(
    row: Recomposition,
    about: assess.About,
    *,
    overruled: bool | None = None,
    ask_site: bool = True,
) -> Verdict:
    """The rules' verdict on a row, with the site's own say."""
    return assess.assess(
        about,
        row.shape,
        [Slot.parse(slot) for slot in row.slots],
        row.recipe,
        preview_only=row.wanted_by == row.WantedBy.PREVIEW,
        by_person=row.wanted_by == row.WantedBy.PERSON,
        overruled=row.overruled if overruled is None else overruled,
        ask_site=ask_site,
    )


def _no_source(group: Group, error: SourceUnavailable) -> None:
    """The file can't be read: a storage that is down comes back, a file that is gone may not."""
    rows = Recomposition.objects.due(clock.now())
    for row in rows.filter(image_id=group.image_id, recipe=group.recipe):
        troubles = row.attempts + (error.code != "storage")
        if troubles >= MAX_SOURCE_TROUBLES:
            row.fail(error.code, error.detail)
        else:
            later = clock.now() + clock.backoff(troubles, first=60)
            row.try_later(error.code, error.detail, later, attempts=troubles)


# Writing the request


class _Overtaken(Exception):
    """Another process was faster, or there is no room or budget left: nothing was written."""


def _write(image: Any, recipe: Recipe, allowed: list[Recomposition]) -> GatewayRequest | None:
    """In one transaction: join shapes, reserve the budget, claim the rows, write the request."""
    ImageVersion.lock(image.pk)
    rows = _wanted(image, recipe.name).filter(pk__in=[row.pk for row in allowed])
    leaders = _leaders(image, recipe.name, list(rows))
    affordable = assess.budget_left() // settings.CANDIDATES
    leaders, too_many = leaders[:affordable], leaders[affordable:]
    for row in too_many:
        row.wait(Reason.BUDGET, clock.tomorrow())
    if not leaders:
        return None
    request = new_request(image, recipe, leaders)
    # Claims queue at the budget's row: from here on each sees all that others have written.
    if not reserve(request) or GatewayRequest.objects.unfinished().count() > settings.MAX_IN_FLIGHT:
        raise _Overtaken
    for row in leaders:
        if not row.move(where={"purchase": row.Purchase.WANTED}, **_requested(request)):
            raise _Overtaken
    return request


def _requested(request: GatewayRequest) -> dict[str, Any]:
    return {
        "purchase": Recomposition.Purchase.REQUESTED,
        "request": request,
        "waiting_reason": "",
        "failure_code": "",
        "failure_detail": "",
    }


def _leaders(image: Any, recipe: str, rows: list[Recomposition]) -> list[Recomposition]:
    """The rows to buy, oldest first; rows of nearly the same shape have joined them."""
    leaders: list[Recomposition] = []
    bought = list(_bought(image, recipe))
    for row in sorted(rows, key=_largest_area, reverse=True):
        joined = next((other for other in [*bought, *leaders] if _alike(row, other)), None)
        if joined is None:
            leaders.append(row)
        else:
            _join(row, joined)
    for row in _wanted(image, recipe).exclude(pk__in=[row.pk for row in leaders]):
        joined = next((other for other in leaders if _alike(row, other)), None)
        if joined is not None:
            _join(row, joined)
    return sorted(leaders, key=lambda row: (row.wanted_at, row.pk))


def _bought(image: Any, recipe: str) -> Any:
    """What was bought, is being bought, failed or was decided: its shapes are not bought again."""
    rows = Recomposition.objects.filter(
        image_id=image.pk, source_hash=image.file_hash, recipe=recipe
    )
    return rows.exclude(pk__in=_wanted(image, recipe).values("pk"))


def _alike(row: Recomposition, other: Recomposition) -> bool:
    return same_shape(row.shape, other.shape)


def _largest_area(row: Recomposition) -> int:
    sizes = [Slot.parse(slot).size for slot in row.slots]
    return max((size.width * size.height for size in sizes), default=0)


def _join(row: Recomposition, other: Recomposition) -> None:
    """Let `other` serve what `row` was wanted for; `row` was never bought, and goes."""
    if row.candidates.exists():
        row.leave()
        return
    slots = [*other.slots, *(slot for slot in row.slots if slot not in other.slots)]
    wanted_by = row.wanted_by if other.wanted_by == row.WantedBy.PREVIEW else other.wanted_by
    other.move(where={}, slots=slots, wanted_by=wanted_by)
    row.delete()


def new_request(
    image: Any,
    recipe: Recipe,
    rows: list[Recomposition],
    *,
    per_size: int | None = None,
    **fields: Any,
) -> GatewayRequest:
    """Write the request for these rows; `per_size` outputs each, the setting's number if None."""
    price = settings.PRICE_PER_OUTPUT
    per_size = per_size or settings.CANDIDATES
    outputs = len(rows) * per_size
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
        per_size=per_size,
        outputs_asked=outputs,
        attempts=max(row.attempts for row in rows),
        price=price.amount * outputs if price else None,
        currency=price.currency if price else "",
        **fields,
    )


def asked_size(shape: Decimal, resolution: str, recomposition_id: int) -> dict[str, Any]:
    return {"size": str(request_size(shape, resolution)), "recomposition": recomposition_id}


def reserve(request: GatewayRequest) -> bool:
    """Reserve the request's outputs in today's budget. Roll back where this is False."""
    today = clock.today()
    limits = settings.DAILY_LIMIT, settings.MONTHLY_LIMIT
    if not Spend.reserve(request.outputs_asked, today, *limits):
        return False
    return request.move(where={"reserved_on": None}, reserved_on=today)
