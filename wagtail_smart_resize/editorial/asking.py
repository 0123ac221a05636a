"""Asking for pictures, calling off what was asked for, and what to do after a failure.

Callers check permissions. It is recorded in Wagtail's audit log, and what makes work wakes the
pipeline. What can't be done raises `Refused`, with text for the user.
"""

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from wagtail_smart_resize.core import database, money
from wagtail_smart_resize.core.money import Price
from wagtail_smart_resize.core.site_image import SiteImage
from wagtail_smart_resize.core.sizes import Slot
from wagtail_smart_resize.core.slices import slices
from wagtail_smart_resize.core.storage_errors import StorageError
from wagtail_smart_resize.models import (
    GatewayRequest,
    PipelineState,
    Recomposition,
    events,
)
from wagtail_smart_resize.purchasing import demand, outcomes, plan
from wagtail_smart_resize.rules import assess
from wagtail_smart_resize.rules.verdict import Verdict
from wagtail_smart_resize.runners import modes
from wagtail_smart_resize.settings import Recipe, settings

from . import audit, permissions
from .refusals import Refused, file_replaced_error, locked_image, under_way_error

Purchase = Recomposition.Purchase
Status = GatewayRequest.Status


@dataclass(frozen=True)
class ResizeTarget:
    """A slot to recompose an image for. `recipe` is "" or a preset's name."""

    slot: Slot
    recipe: str = ""

    @property
    def shape(self) -> Decimal:
        return self.slot.shape

    @classmethod
    def parse(cls, text: str) -> "ResizeTarget":
        """Return the target for "1200x630" or a preset's name. Raises ValueError for other text."""
        return cls(*settings.parse_slot(text))

    @classmethod
    def for_row(cls, row: Recomposition) -> "ResizeTarget":
        """Return a target that finds the row again: a slot of exactly its shape."""
        exact = (slot for slot in row.parsed_slots if slot.shape == row.shape)
        return cls(next(exact, None) or Slot.of_shape(row.shape), row.recipe)


@dataclass(frozen=True)
class GenerationOptions:
    """A person's options for a request; None keeps the recipe's or settings' value."""

    prompt: str | None = None
    resolution: str | None = None
    candidates: int | None = None
    seed: int | None = None
    use_at_once: bool = False
    """Whether the first usable picture goes live without being looked at. For users who may choose
    what is live."""
    replaces_unsent: bool = False
    """Whether this is asked for instead of what was asked for before and has not been sent."""

    @property
    def images_per_size(self) -> int:
        """Return the number of candidates to request for each shape."""
        return self.candidates or settings.CANDIDATES

    def recipe(self, name: str) -> Recipe:
        """Return the recipe of that name with these options applied. Raises UnknownRecipe."""
        recipe = settings.recipe(name)
        changes: dict[str, Any] = {"prompt": self.prompt, "resolution": self.resolution}
        return replace(
            recipe, **{key: value for key, value in changes.items() if value is not None}
        )


def price_of(outputs: int) -> Price | None:
    """Return the price of a number of outputs; None without `PRICE_PER_OUTPUT`."""
    price = settings.PRICE_PER_OUTPUT
    return Price(price.amount * outputs, price.currency) if price else None


def verdict_for(
    image: SiteImage, target: ResizeTarget, image_facts: assess.ImageFacts | None = None
) -> Verdict:
    """Return the rules' verdict on a person's request, without calling the site's own `ALLOW`.

    `image_facts` are read from the image if not given.
    """
    image_facts = image_facts or assess.ImageFacts.for_image(image)
    return assess.assess(image_facts, target.shape, [target.slot], target.recipe, by_person=True)


# Requesting


@database.retried
def request_recomposition(
    image: SiteImage,
    targets: Iterable[ResizeTarget],
    *,
    user: Any = None,
    options: GenerationOptions | None = None,
    override_rules: bool = False,
    key: uuid.UUID | None = None,
) -> list[GatewayRequest]:
    """Request pictures of an image: for each recipe, and ten shapes at most, one gateway request.

    `key` is an idempotency key: repeated with the same key, the call returns the requests of the
    first. `override_rules` overrules the rules that are a matter of taste.

    Raises Refused, and then requests nothing. Its code is "no_key", "stopped", "file_missing",
    "deleted", "replaced", "under_way", "budget" or the reason of a rule.
    """
    options = options or GenerationOptions()
    key = key or uuid.uuid4()
    if not settings.API_KEY:
        raise Refused("no_key", _("The site has no API key: no AI versions can be made."))
    if PipelineState.peek().is_stopped:
        raise Refused("stopped", _("All buying is stopped for now: nothing was bought."))
    try:
        plan.identify(image)
    except StorageError as error:
        raise Refused("file_missing", _("The image's file can't be read.")) from error
    with locked_image(image.pk) as file_hash:
        if earlier := list(GatewayRequest.objects.filter(image_id=image.pk, batch=key)):
            return earlier
        if file_hash != image.file_hash:
            raise file_replaced_error()
        groups = _by_recipe(targets)
        requests = [
            request
            for recipe, slots in groups.items()
            for request in _request_recipe(image, recipe, slots, user, options, override_rules, key)
        ]
        price = price_of(sum(request.outputs_asked for request in requests))
        audit.asked(
            image,
            user,
            [slot for slots in groups.values() for slot in slots],
            prompt=requests[0].prompt if requests else "",
            price=money.plain_text(price) if price else "",
        )
    modes.wake()
    return requests


def _by_recipe(targets: Iterable[ResizeTarget]) -> dict[str, list[Slot]]:
    groups: dict[str, list[Slot]] = {}
    for target in targets:
        groups.setdefault(target.recipe, []).append(target.slot)
    return groups


def _request_recipe(
    image: SiteImage,
    recipe: str,
    slots: list[Slot],
    user: Any,
    options: GenerationOptions,
    override_rules: bool,
    key: uuid.UUID,
) -> Iterator[GatewayRequest]:
    rows = demand.record_demand(image, slots, recipe, by=Recomposition.WantedBy.PERSON, user=user)
    for row in rows:
        if options.replaces_unsent:
            _take_back(row)
        _check_rules(image, row, override_rules)
    for some in slices(rows, plan.MAX_SIZES):
        request = plan.new_request(
            image,
            options.recipe(recipe),
            some,
            images_per_size=options.images_per_size,
            seed=options.seed,
            by_person=True,
            asked_by=user,
            batch=key,
            use_at_once=options.use_at_once,
        )
        if not plan.reserve(request):
            raise Refused("budget", _budget_text(request.outputs_asked))
        for row in some:
            _claim(row, request, user, override_rules)
        yield request


def _take_back(row: Recomposition) -> None:
    """Take back a request for this row alone that has not been sent: the new one replaces it."""
    if row.purchase == Purchase.REQUESTED and row.request and len(row.request.sizes) == 1:
        outcomes.call_off(row)
        row.refresh_from_db(fields=["purchase", "request"])


def _check_rules(image: SiteImage, row: Recomposition, override_rules: bool) -> None:
    if row.purchase == Purchase.REQUESTED:
        raise under_way_error()
    slots = row.parsed_slots
    verdict = assess.assess(
        assess.ImageFacts.for_image(image),
        row.shape,
        slots,
        row.recipe,
        by_person=True,
        rules_overridden=override_rules,
        ask_site=True,
    )
    if not verdict.allowed:
        raise Refused(str(verdict.reason), verdict.message)


def _claim(row: Recomposition, request: GatewayRequest, user: Any, override_rules: bool) -> None:
    taken = row.update_if(
        where={"purchase": row.purchase},
        purchase=Purchase.REQUESTED,
        request=request,
        wanted_by=Recomposition.WantedBy.PERSON,
        asked_by=user,
        wanted_at=timezone.now(),
        rules_overridden=override_rules,
        waiting_reason="",
        failure_code="",
        failure_detail="",
        attempts=0,
        next_attempt_at=None,
    )
    if not taken:
        raise under_way_error()


def _budget_text(outputs: int) -> str:
    left = assess.budget_left()
    return ngettext(
        "This would take %(outputs)d AI version, and the budget allows %(left)d more now.",
        "This would take %(outputs)d AI versions, and the budget allows %(left)d more now.",
        outputs,
    ) % {"outputs": outputs, "left": left}


# Calling off, and stopping all


@database.retried
def call_off(row: Recomposition, *, user: Any = None) -> int:
    """Call off what has not been sent yet; return the number of shapes that are not bought now.

    A template that shows a shape does not make it wanted again; a person may ask for it. Where
    several shapes are to be sent in one request, those that a person asked for together are called
    off together, and the others are asked for anew.

    Raises Refused("sent") if it has been sent, Refused("not_wanted") if there is nothing to call
    off, and Refused("deleted").
    """
    with locked_image(row.image_id):
        row.refresh_from_db()
        if row.purchase == Purchase.REQUESTED:
            called_off = outcomes.call_off(row)
            if not called_off:
                raise Refused(
                    "sent",
                    _("It is with the service, or on its way to it: it can't be cancelled."),
                )
        elif row.purchase == Purchase.WANTED:
            row.leave()
            called_off = [row]
        else:
            raise Refused("not_wanted", _("There is nothing to cancel."))
        for each in called_off:
            events.called_off(each, row.image, str(user or "code"))
            audit.called_off(each, user)
    return len(called_off)


@database.retried
def try_now(row: Recomposition, *, user: Any = None) -> None:
    """Try at once what waits for its time: the rules are asked again, and the service, too.

    A pause that the service has asked for is kept. Raises Refused("not_waiting") if nothing waits
    to be sent, Refused("stopped") and Refused("deleted").
    """
    state, now = PipelineState.get_current(), timezone.now()
    if state.is_stopped:
        raise Refused("stopped", _("All buying is stopped for now: nothing was sent."))
    with locked_image(row.image_id):
        row.refresh_from_db()
        request = row.request
        if row.purchase == Purchase.WANTED:
            row.update_if(
                where={"purchase": Purchase.WANTED}, waiting_reason="", next_attempt_at=now
            )
        elif row.purchase != Purchase.REQUESTED or request is None or request.status != Status.NEW:
            raise Refused("not_waiting", _("There is nothing here that waits to be sent."))
        else:
            request.update_if(where={"status": Status.NEW}, next_step_at=now)
    state.update_if(where={"circuit_opened_at__isnull": False}, probe_at=now)
    modes.wake()


def stop_buying(*, user: Any = None) -> bool:
    """Send nothing more until `resume_buying`; return False if it was stopped already.

    What was sent is fetched and shown all the same.
    """
    return PipelineState.get_current().stop_buying(user)


def resume_buying(*, user: Any = None) -> bool:
    """Let the buying go on; return False if it was not stopped."""
    resumed = PipelineState.get_current().resume_buying(user)
    modes.wake()
    return resumed


# After a failure


def retry(row: Recomposition, *, user: Any = None, key: uuid.UUID | None = None) -> GatewayRequest:
    """Request a failed row again, and buy it anew.

    The options are those of its last request if that had the same recipe. Raises Refused with the
    code "not_failed", or one of those of `request_recomposition`.
    """
    if row.purchase == Purchase.REQUESTED:
        raise under_way_error()
    if row.purchase != Purchase.FAILED:
        raise Refused("not_failed", _("There is nothing to try again: this has not failed."))
    if row.source_hash != row.image.file_hash:
        raise Refused(
            "replaced", _("The image's file was replaced: ask for a version of the new one.")
        )
    before = row.request
    same = before is not None and before.recipe == row.recipe
    options = (
        GenerationOptions(
            before.prompt,
            before.resolution,
            before.images_per_size,
            before.seed,
            use_at_once=before.use_at_once and _may_still_choose(before, row, user),
        )
        if before is not None and same
        else GenerationOptions()
    )
    target = ResizeTarget.for_row(row)
    return request_recomposition(
        row.image,
        [target],
        user=user,
        options=options,
        override_rules=row.rules_overridden,
        key=key,
    )[0]


def _may_still_choose(request: GatewayRequest, row: Recomposition, user: Any) -> bool:
    """Return whether what was to be used at once still may be: others may not have the right."""
    if request.asked_by_id != getattr(user, "pk", None):
        return False
    return user is None or permissions.may_choose(user, row.image)


@database.retried
def recheck_status(row: Recomposition, *, user: Any = None) -> GatewayRequest:
    """Poll the service once more for the status of a failed row's last request. Buys nothing.

    All rows that failed with that request are reopened together. Raises Refused("no_request_id")
    if the row has not failed or the request's id is not known, Refused("under_way") if the request
    is open already, and Refused("deleted").
    """
    request = row.request
    if row.purchase == Purchase.REQUESTED:
        raise Refused("under_way", _("The service is being asked already."))
    if row.purchase != Purchase.FAILED or request is None or not request.request_id:
        raise Refused("no_request_id", _("The service gave no ID for this request."))
    with locked_image(row.image_id):
        open_again = request.update_if(
            where={"status__in": [Status.UNKNOWN, Status.FAILED, Status.DONE]},
            status=Status.SENT,
            next_step_at=timezone.now(),
            sent_at=timezone.now(),
            **outcomes.REOPENED,
        )
        if not open_again:
            raise Refused("under_way", _("The service is being asked already."))
        outcomes.wait_again(request)
    modes.wake()
    return request


@database.retried
def dismiss_failure(row: Recomposition, *, user: Any = None) -> None:
    """Mark a failed purchase as idle: it no longer counts as a failure. Buys nothing.

    Raises Refused("under_way") if somebody has requested it again, and Refused("deleted").
    """
    with locked_image(row.image_id):
        left = row.update_if(
            where={"purchase": Purchase.FAILED},
            purchase=Purchase.IDLE,
            failure_code="",
            failure_detail="",
        )
        under_way = Recomposition.objects.filter(pk=row.pk, purchase=Purchase.REQUESTED)
        if not left and under_way.exists():
            raise Refused(
                "under_way", _("An AI version for this place has already been asked for.")
            )
