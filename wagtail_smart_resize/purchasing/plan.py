"""What a request is made of: the image's identity, the rules' verdict, the sizes, the budget."""

from decimal import Decimal
from typing import Any

from django.db.models import F, Q
from wagtail.utils.file import hash_filelike

from wagtail_smart_resize.core import clock, database, storage_errors
from wagtail_smart_resize.core.site_image import SiteImage
from wagtail_smart_resize.core.sizes import request_size
from wagtail_smart_resize.models import (
    BudgetPeriod,
    GatewayRequest,
    PipelineState,
    Recomposition,
    events,
)
from wagtail_smart_resize.models.gateway_request import new_token
from wagtail_smart_resize.rules import assess
from wagtail_smart_resize.rules.verdict import Verdict
from wagtail_smart_resize.settings import Recipe, settings

#: Maximum number of sizes in one request: an answer that comes late, or not, concerns no more.
MAX_SIZES = 10


def identify(*images: SiteImage) -> None:
    """Fill in the hashes of the images' files that are blank, before they are used as identity.

    Rows that were written while it was blank, or for an earlier file and never bought, move to the
    present file or give way to its rows. Raise StorageError if a file can't be read.
    """
    for image in images:
        if not image.file_hash:
            _fill_in_hash(image)
    found = {image.pk: image for image in images}
    rows = Recomposition.objects.filter(image_id__in=found).wanted()
    for row in rows.exclude(source_hash=F("image__file_hash")):
        _move_to_present_file(row, found[row.image_id])


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
        join(row, twin)
    elif row.candidates.exists():
        row.leave()
    else:
        row.update_if(where={"purchase": row.Purchase.WANTED}, source_hash=image.file_hash)


# The rules


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


# Writing the request


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


def join(row: Recomposition, other: Recomposition) -> None:
    """Let `other` serve the slots of `row`, and delete `row`, which was never bought."""
    if row.candidates.exists():
        row.leave()
        return
    slots = [*other.slots, *(slot for slot in row.slots if slot not in other.slots)]
    wanted_by = row.wanted_by if other.wanted_by == row.WantedBy.PREVIEW else other.wanted_by
    pages = row.shown_on_with(other.shown_on)
    other.update_if(where={}, slots=slots, shown_on=pages, wanted_by=wanted_by)
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
    request = build_request(image, recipe, rows, images_per_size=images_per_size, **fields)
    request.save(force_insert=True)
    return request


def build_request(
    image: SiteImage,
    recipe: Recipe,
    rows: list[Recomposition],
    *,
    images_per_size: int | None = None,
    **fields: Any,
) -> GatewayRequest:
    """Return the request for these rows, with the arguments of `new_request`, unsaved."""
    price = settings.PRICE_PER_OUTPUT
    images_per_size = images_per_size or settings.CANDIDATES
    outputs = len(rows) * images_per_size
    return GatewayRequest(
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
