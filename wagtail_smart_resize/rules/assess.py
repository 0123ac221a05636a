"""The rules' verdict on a wanted shape, from facts in the database, the file and the settings."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from wagtail_smart_resize.core import clock
from wagtail_smart_resize.core.logs import get_logger
from wagtail_smart_resize.core.site_image import SiteImage
from wagtail_smart_resize.core.sizes import Size, Slot
from wagtail_smart_resize.models import BudgetPeriod, OptOut, PipelineState
from wagtail_smart_resize.renditions.standard_crop import subject_kept
from wagtail_smart_resize.settings import UnknownRecipe, settings

from . import usage
from .verdict import Policy, RuleInput, Usage, Verdict, verdict

if TYPE_CHECKING:
    from .facts import SourceFacts

logger = get_logger(__name__)


@dataclass(frozen=True)
class ImageFacts:
    """Facts that all shapes of an image share, collected once.

    Without `opened` (see `source_image.read_facts`), width and height are the database's, which
    ignore EXIF orientation, and animation and transparency are unknown.
    """

    image: SiteImage
    is_private: bool
    opted_out: bool
    uses: Usage
    budget_left: bool
    circuit_closed: bool
    opened: "SourceFacts | None" = None

    @classmethod
    def for_image(cls, image: SiteImage, opened: "SourceFacts | None" = None) -> "ImageFacts":
        """Return the facts of one image. Opens no file: `opened` is what a caller read from it."""
        return cls(
            image=image,
            is_private=usage.is_private(image),
            opted_out=OptOut.objects.filter(image_id=image.pk).exists(),
            uses=usage.usage_of(image),
            budget_left=budget_left() >= settings.CANDIDATES,
            circuit_closed=not PipelineState.peek().circuit_open,
            opened=opened,
        )

    @classmethod
    def for_images(cls, images: Sequence[Any]) -> "dict[Any, ImageFacts]":
        """Return facts by the images' keys, in as many queries as for one. Open no file."""
        keys = [image.pk for image in images]
        opted_out = set(OptOut.objects.filter(image_id__in=keys).values_list("image_id", flat=True))
        private, uses = usage.private_collection_ids(), usage.usages_of(images)
        has_budget = budget_left() >= settings.CANDIDATES
        circuit_closed = not PipelineState.peek().circuit_open
        return {
            image.pk: cls(
                image=image,
                is_private=image.collection_id in private,
                opted_out=image.pk in opted_out,
                uses=uses[image.pk],
                budget_left=has_budget,
                circuit_closed=circuit_closed,
            )
            for image in images
        }


def assess(
    image_facts: ImageFacts,
    shape: Decimal,
    slots: Iterable[Slot],
    recipe: str,
    *,
    preview_only: bool = False,
    by_person: bool = False,
    rules_overridden: bool = False,
    ask_site: bool = False,
) -> Verdict:
    """Return the verdict on one shape, which `slots` ask for.

    `preview_only`: wanted by previews alone. `by_person`: wanted by a person. `rules_overridden`:
    ignore the reasons in `OVERRULABLE`. `ask_site`: call the site's own `ALLOW` too.
    """
    slots = tuple(slots)
    image, opened = image_facts.image, image_facts.opened
    size = Size(opened.width, opened.height) if opened else Size(image.width, image.height)
    is_svg = image.is_svg()
    facts = RuleInput(
        width=size.width,
        height=size.height,
        shape=shape,
        slots=slots,
        subject_kept=None if is_svg else subject_kept(image, slots, size),
        is_svg=is_svg,
        is_animated=bool(opened and opened.is_animated),
        is_transparent=bool(opened and opened.is_transparent),
        is_private=image_facts.is_private,
        opted_out=image_facts.opted_out,
        preview_only=preview_only,
        uses=image_facts.uses,
        allowed_by_site=not ask_site or site_allows(image, shape, slots, recipe),
        has_preset=_is_known(recipe),
        has_key=bool(settings.API_KEY),
        automatic=settings.AUTO_GENERATE,
        wanted_by_person=by_person,
        budget_left=image_facts.budget_left,
        circuit_closed=image_facts.circuit_closed,
    )
    return verdict(facts, policy(), rules_overridden)


def _is_known(recipe: str) -> bool:
    try:
        settings.recipe(recipe)
    except UnknownRecipe:
        return False
    return True


def policy() -> Policy:
    """Return the thresholds that the site has set."""
    return Policy(
        min_crop_loss=settings.MIN_CROP_LOSS,
        min_subject_kept=settings.MIN_SUBJECT_KEPT,
        min_slot_side=settings.MIN_SLOT_SIDE,
        min_kept=settings.MIN_KEPT,
    )


def budget_left() -> int:
    """Return how many outputs today's and this month's limits still allow."""
    return within_limits(*BudgetPeriod.spent_on(clock.today()))


def within_limits(in_day: int, in_month: int) -> int:
    """Return how many outputs the limits still allow after those of the day and of the month."""
    return max(0, min(settings.DAILY_LIMIT - in_day, settings.MONTHLY_LIMIT - in_month))


def site_allows(image: SiteImage, shape: Decimal, slots: Iterable[Slot], recipe: str) -> bool:
    """Return what the site's `ALLOW` decides, True without one; an exception counts as False."""
    if settings.ALLOW is None:
        return True
    sizes = [str(slot) for slot in slots]
    try:
        return bool(settings.ALLOW(image, shape=shape, sizes=sizes, recipe=recipe))
    except Exception:
        logger.exception("ALLOW failed for image %s: it is not recomposed", image.pk)
        return False
