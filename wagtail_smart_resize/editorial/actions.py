"""What a person can do with an image's recompositions. The admin, and a site's own code, call this.

Rights are the caller's to check. Every action is recorded in Wagtail's audit log and wakes the
pipeline; what can't be done raises `Refused`, whose text is for the person.
"""

import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from wagtail.images import get_image_model

from wagtail_smart_resize.core import clock
from wagtail_smart_resize.core.money import Price
from wagtail_smart_resize.core.sizes import Size, Slot
from wagtail_smart_resize.core.storage_errors import StorageTrouble
from wagtail_smart_resize.exceptions import SmartResizeError
from wagtail_smart_resize.models import (
    Candidate,
    GatewayRequest,
    ImageVersion,
    OptOut,
    Recomposition,
)
from wagtail_smart_resize.purchasing import demand, plan
from wagtail_smart_resize.rules import assess
from wagtail_smart_resize.rules.verdict import Reason, Verdict
from wagtail_smart_resize.runners import modes
from wagtail_smart_resize.settings import Recipe, UnknownRecipe, settings

from . import audit

Purchase = Recomposition.Purchase
Status = GatewayRequest.Status


class Refused(SmartResizeError):
    """An action that can't be done now. The text says why, to the person who asked."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code, detail)


@dataclass(frozen=True)
class Wish:
    """One slot of an image that a person wants recomposed. `recipe`: "" or a preset's name."""

    slot: Slot
    recipe: str = ""

    @property
    def shape(self) -> Decimal:
        return self.slot.shape

    @classmethod
    def parse(cls, text: str) -> "Wish":
        """Read "1200x630" or a preset's name. Raises ValueError."""
        return cls(*settings.parse_slot(text))

    @classmethod
    def of(cls, row: Recomposition) -> "Wish":
        """What finds the row again: a slot of exactly its shape."""
        slots = [Slot.parse(text) for text in row.slots]
        exact = next((slot for slot in slots if slot.shape == row.shape), None)
        return cls(exact or Slot(Size(1000, max(1, round(1000 / row.shape)))), row.recipe)


@dataclass(frozen=True)
class Wording:
    """How a person wants it made; None keeps what the recipe or the settings say."""

    prompt: str | None = None
    resolution: str | None = None
    candidates: int | None = None
    seed: int | None = None

    @property
    def per_size(self) -> int:
        return self.candidates or settings.CANDIDATES

    def recipe(self, name: str) -> Recipe:
        """The recipe of that name, reworded. Raises Refused where the site has it no more."""
        try:
            recipe = settings.recipe(name)
        except UnknownRecipe as error:
            raise Refused(
                "unknown_recipe",
                _(
                    "The site's settings no longer hold the preset that this shape was made for: "
                    "no more pictures can be asked for."
                ),
            ) from error
        changes = {"prompt": self.prompt, "resolution": self.resolution}
        return replace(
            recipe, **{key: value for key, value in changes.items() if value is not None}
        )


def price_of(outputs: int) -> Price | None:
    """What so many outputs cost; None where the site has not said."""
    price = settings.PRICE_PER_OUTPUT
    return Price(price.amount * outputs, price.currency) if price else None


def verdict_for(image: Any, wish: Wish, about: assess.About | None = None) -> Verdict:
    """The rules' verdict on a person's wish, without the site's own `ALLOW`."""
    about = about or assess.About.of(image)
    return assess.assess(about, wish.shape, [wish.slot], wish.recipe, by_person=True)


# An image may be deleted, or get another file, while somebody looks at its screen.


@contextmanager
def held(image_id: Any) -> Iterator[str]:
    """A transaction in which the image's recompositions are ours alone; gives its file's hash.

    Raises Refused where the image has been deleted.
    """
    try:
        ImageVersion.of(image_id)
    except IntegrityError as error:
        raise _deleted() from error
    with transaction.atomic():
        ImageVersion.lock(image_id)
        stored = get_image_model()._default_manager.filter(pk=image_id)
        file_hash = stored.values_list("file_hash", flat=True).first()
        if file_hash is not None:
            yield file_hash
            return
    # Within a transaction of the caller's, a row of no image would be found out at its end.
    ImageVersion.objects.filter(pk=image_id).delete()
    raise _deleted()


def _deleted() -> Refused:
    return Refused("deleted", _("The image has been deleted: nothing was done."))


def replaced() -> Refused:
    """The image has another file than the person saw."""
    return Refused(
        "replaced",
        _(
            "The image's file was replaced while you were here: nothing was bought. Have a look "
            "at the new picture first."
        ),
    )


# Asking


def ask(
    image: Any,
    wishes: Iterable[Wish],
    *,
    user: Any = None,
    wording: Wording | None = None,
    overrule: bool = False,
    key: uuid.UUID | None = None,
) -> list[GatewayRequest]:
    """Ask for pictures of an image: one request per recipe, its budget reserved at once.

    `key` tells one press of a button from another: asked twice with the same key, bought once.
    `overrule`: in spite of what is a matter of taste. Raises Refused, and then nothing is asked.
    """
    wording = wording or Wording()
    key = key or uuid.uuid4()
    if not settings.API_KEY:
        raise Refused("no_key", _("The site has no API key: nothing can be recomposed."))
    try:
        plan.identify(image)
    except StorageTrouble as error:
        raise Refused("file_missing", _("The image's file can't be read.")) from error
    with held(image.pk) as file_hash:
        asked = _asked_before(image, key)
        if asked:
            return asked
        if file_hash != image.file_hash:
            raise replaced()
        groups = _by_recipe(wishes)
        requests = [
            _ask_for(image, recipe, slots, user, wording, overrule, key)
            for recipe, slots in groups.items()
        ]
        audit.asked(image, user, [slot for slots in groups.values() for slot in slots])
    modes.wake()
    return requests


def _asked_before(image: Any, key: uuid.UUID) -> list[GatewayRequest]:
    return list(GatewayRequest.objects.filter(image_id=image.pk, batch=key))


def _by_recipe(wishes: Iterable[Wish]) -> dict[str, list[Slot]]:
    groups: dict[str, list[Slot]] = {}
    for wish in wishes:
        groups.setdefault(wish.recipe, []).append(wish.slot)
    return groups


def _ask_for(
    image: Any,
    recipe: str,
    slots: list[Slot],
    user: Any,
    wording: Wording,
    overrule: bool,
    key: uuid.UUID,
) -> GatewayRequest:
    rows = demand.record(image, slots, recipe, by=Recomposition.WantedBy.PERSON, user=user)
    for row in rows:
        _check(image, row, overrule)
    request = plan.new_request(
        image,
        wording.recipe(recipe),
        rows,
        per_size=wording.per_size,
        seed=wording.seed,
        by_person=True,
        asked_by=user,
        batch=key,
    )
    if not plan.reserve(request):
        raise Refused("budget", _budget_text(request.outputs_asked))
    for row in rows:
        _take(row, request, user, overrule)
    return request


def _check(image: Any, row: Recomposition, overrule: bool) -> None:
    if row.purchase == Purchase.REQUESTED:
        raise Refused("under_way", _("A picture of this shape has already been asked for."))
    slots = [Slot.parse(slot) for slot in row.slots]
    verdict = assess.assess(
        assess.About.of(image),
        row.shape,
        slots,
        row.recipe,
        by_person=True,
        overruled=overrule,
        ask_site=True,
    )
    if not verdict.allowed:
        raise Refused(str(verdict.reason), verdict.message)


def _take(row: Recomposition, request: GatewayRequest, user: Any, overrule: bool) -> None:
    taken = row.move(
        where={"purchase": row.purchase},
        purchase=Purchase.REQUESTED,
        request=request,
        wanted_by=Recomposition.WantedBy.PERSON,
        asked_by=user,
        wanted_at=clock.now(),
        overruled=overrule,
        waiting_reason="",
        failure_code="",
        failure_detail="",
        attempts=0,
        next_attempt=None,
    )
    if not taken:
        raise Refused("under_way", _("A picture of this shape has already been asked for."))


def _budget_text(outputs: int) -> str:
    left = assess.budget_left()
    return ngettext(
        "This would take %(outputs)d output, and the budget allows %(left)d more now.",
        "This would take %(outputs)d outputs, and the budget allows %(left)d more now.",
        outputs,
    ) % {"outputs": outputs, "left": left}


# After a failure


def retry(row: Recomposition, *, user: Any = None, key: uuid.UUID | None = None) -> GatewayRequest:
    """Ask again for what failed, as it was asked. Raises Refused."""
    if row.purchase != Purchase.FAILED:
        raise Refused("not_failed", _("There is nothing to try again: this has not failed."))
    if row.source_hash != row.image.file_hash:
        raise Refused(
            "replaced", _("The image's file was replaced: ask for a picture of the new one.")
        )
    before = row.request
    same = before is not None and before.recipe == row.recipe
    wording = (
        Wording(before.prompt, before.resolution, before.per_size, before.seed)
        if before is not None and same
        else Wording()
    )
    wish = Wish.of(row)
    return ask(row.image, [wish], user=user, wording=wording, overrule=row.overruled, key=key)[0]


def look_again(row: Recomposition, *, user: Any = None) -> GatewayRequest:
    """Ask the service once more what became of a request that came to nothing.

    The one question is for all shapes that the request failed. Raises Refused where the request's
    id is not known, or the request is not the row's last.
    """
    request = row.request
    if row.purchase == Purchase.REQUESTED:
        raise Refused("under_way", _("The service is being asked already."))
    if row.purchase != Purchase.FAILED or request is None or not request.request_id:
        raise Refused("no_request_id", _("The service never told an id for this request."))
    with held(row.image_id):
        open_again = request.move(
            where={"status__in": [Status.UNKNOWN, Status.FAILED, Status.DONE]},
            status=Status.SENT,
            next_step=clock.now(),
            sent_at=clock.now(),
            finished_at=None,
            troubles=0,
            error_code="",
            error_detail="",
        )
        if not open_again:
            raise Refused("under_way", _("The service is being asked already."))
        for each in Recomposition.objects.filter(request=request):
            each.move(
                where={"purchase": Purchase.FAILED},
                purchase=Purchase.REQUESTED,
                failure_code="",
                failure_detail="",
            )
    modes.wake()
    return request


def leave(row: Recomposition, *, user: Any = None) -> None:
    """Leave a failed purchase alone: it no longer counts as a failure, nothing is bought.

    Raises Refused where somebody has asked for it again.
    """
    with held(row.image_id):
        left = row.move(
            where={"purchase": Purchase.FAILED},
            purchase=Purchase.IDLE,
            failure_code="",
            failure_detail="",
        )
        under_way = Recomposition.objects.filter(pk=row.pk, purchase=Purchase.REQUESTED)
        if not left and under_way.exists():
            raise Refused("under_way", _("A picture of this shape has already been asked for."))


# Deciding


def choose(candidate: Candidate, *, user: Any = None) -> None:
    """Make the candidate the picture of its shape. Raises Refused."""
    row = candidate.recomposition
    if not candidate.stored:
        raise Refused("not_stored", _("This picture has not been fetched completely."))
    with held(row.image_id) as file_hash:
        if row.source_hash != file_hash:
            raise Refused(
                "replaced", _("The image's file was replaced: this picture is of the old one.")
            )
        row.choose(candidate, user)
        audit.chose(row, candidate, user)
    modes.wake()


def use_crop(row: Recomposition, *, user: Any = None) -> None:
    """Decide for the standard crop. No candidate is lost; choosing one undoes it. Raises Refused.

    Of another file than the image's present one it would be a decision without effect.
    """
    with held(row.image_id) as file_hash:
        if row.source_hash != file_hash:
            raise replaced()
        row.choose(None, user)
        row.leave()
        audit.declined(row, user)
    modes.wake()


# Keeping an image in


def opt_out(image: Any, *, user: Any = None, reason: str = "") -> None:
    """Never send the image to the service. What is live stays live. Raises Refused."""
    with held(image.pk):
        _optout, created = OptOut.objects.get_or_create(
            image_id=image.pk, defaults={"user": user, "reason": reason}
        )
        if created:
            audit.opted_out(image, user, reason)


def opt_in(image: Any, *, user: Any = None) -> None:
    """Allow the image to be sent again; what waited for that is looked at again. Raises Refused."""
    with held(image.pk):
        if not OptOut.objects.filter(image_id=image.pk).delete()[0]:
            return
        audit.opted_in(image, user)
        rows = Recomposition.objects.filter(image_id=image.pk)
        rows.wake(Reason.OPTED_OUT, clock.now())
    modes.wake()
