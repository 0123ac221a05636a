"""The rules' verdict on a wanted shape of an image, from what database, file and settings say."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from wagtail_smart_resize.core import clock
from wagtail_smart_resize.core.sizes import Slot
from wagtail_smart_resize.models import OptOut, PipelineState, Spend
from wagtail_smart_resize.settings import settings

from . import usage
from .verdict import Facts, Policy, Usage, Verdict, verdict

if TYPE_CHECKING:
    from .facts import SourceFacts

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class About:
    """What concerns all shapes of an image: asked once, used for each.

    Without `opened` (see `source.inspect`) width and height are the database's, which ignore EXIF
    orientation, and animation and transparency are not known.
    """

    image: Any
    is_private: bool
    opted_out: bool
    uses: Usage
    budget_left: bool
    circuit_closed: bool
    opened: "SourceFacts | None" = None

    @classmethod
    def of(cls, image: Any, opened: "SourceFacts | None" = None) -> "About":
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
    def of_many(cls, images: Sequence[Any]) -> "dict[Any, About]":
        """By image's key, in as many queries as for one. No file is opened."""
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
    about: About,
    shape: Decimal,
    slots: Iterable[Slot],
    recipe: str,
    *,
    preview_only: bool = False,
    by_person: bool = False,
    overruled: bool = False,
    ask_site: bool = False,
) -> Verdict:
    """The verdict on one shape. `ask_site`: call the site's own `ALLOW` too."""
    slots = tuple(slots)
    opened = about.opened
    facts = Facts(
        width=opened.width if opened else about.image.width,
        height=opened.height if opened else about.image.height,
        shape=shape,
        slots=slots,
        is_svg=about.image.is_svg(),
        is_animated=bool(opened and opened.is_animated),
        is_transparent=bool(opened and opened.is_transparent),
        is_private=about.is_private,
        opted_out=about.opted_out,
        preview_only=preview_only,
        uses=about.uses,
        allowed_by_site=not ask_site or site_allows(about.image, shape, slots, recipe),
        has_key=bool(settings.API_KEY),
        automatic=settings.AUTO_GENERATE,
        wanted_by_person=by_person,
        budget_left=about.budget_left,
        circuit_closed=about.circuit_closed,
    )
    return verdict(facts, policy(), overruled)


def policy() -> Policy:
    """The thresholds as the site has set them."""
    return Policy(settings.MIN_CROP_LOSS, settings.MIN_SLOT_SIDE, settings.MIN_KEPT)


def budget_left() -> int:
    """Outputs that today's and this month's limits still allow."""
    today, month = Spend.used(clock.today())
    return max(0, min(settings.DAILY_LIMIT - today, settings.MONTHLY_LIMIT - month))


def site_allows(image: Any, shape: Decimal, slots: Iterable[Slot], recipe: str) -> bool:
    """What the site's `ALLOW` says; an error in it counts as a no."""
    if settings.ALLOW is None:
        return True
    sizes = [str(slot) for slot in slots]
    try:
        return bool(settings.ALLOW(image, shape=shape, sizes=sizes, recipe=recipe))
    except Exception:
        logger.exception("ALLOW failed for image %s: it is not recomposed", image.pk)
        return False
