"""One place of an image, a shape in which the site shows it, and what can be shown there."""

import hashlib
import uuid
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

from django.db.models import Prefetch
from django.utils.functional import Promise, cached_property
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from wagtail_smart_resize import actions
from wagtail_smart_resize.actions import ResizeTarget
from wagtail_smart_resize.core.sizes import Size, Slot
from wagtail_smart_resize.editorial import listings, places, states
from wagtail_smart_resize.integrity import extra
from wagtail_smart_resize.models import Candidate, GatewayRequest, Recomposition
from wagtail_smart_resize.rules.verdict import Reason
from wagtail_smart_resize.settings import Recipe, UnknownRecipe, settings

from . import progress_estimate
from .comparison import Comparison
from .context import ImageContext
from .crop_frame import Frame

CLOSE_UP = gettext_lazy(
    "The image has nearly this shape already: only the close-up that the template asks for cuts it."
)


def written(size: Size) -> SafeString:
    """Return a size such as 1200×630 as HTML that stays left-to-right in right-to-left text."""
    return format_html('<bdi dir="ltr">{}×{}</bdi>', size.width, size.height)


def stored_candidates() -> Any:
    """Return the prefetch of rows whose places are shown: what is stored, and who asked for it."""
    return Prefetch("candidates", listings.stored_candidates())


class Group(StrEnum):
    """How the places of an image are sorted, in this order."""

    TO_DECIDE = "to_decide"
    UNDER_WAY = "under_way"
    LOSES_MUCH = "loses_much"
    FINE = "fine"
    SMALL = "small"

    @property
    def label(self) -> Promise:
        return _GROUP_LABELS[self]


_GROUP_LABELS: dict[Group, Promise] = {
    Group.TO_DECIDE: gettext_lazy("To decide"),
    Group.UNDER_WAY: gettext_lazy("Under way"),
    Group.LOSES_MUCH: gettext_lazy("Loses much"),
    Group.FINE: gettext_lazy("Fine"),
    Group.SMALL: gettext_lazy("Small places"),
}

#: Maximum number of pages that are linked to.
MAX_LINKS = 5

#: Reasons for which a version is not worth while however much the crop loses.
TRIVIAL = {Reason.SMALL_SLOT, Reason.HOPELESS_SHAPE}


@dataclass
class Place:
    """One place: its target, and its row if it has one."""

    target: ResizeTarget
    labels: list[str]
    """Labels of the presets that it serves."""
    row: Recomposition | None = None
    typed: bool = False
    context: ImageContext = field(init=False, repr=False)
    opened: str = ""
    """The value of the choice that somebody asks to look at."""

    @property
    def key(self) -> str:
        """Return a key, the same in every response for this image and valid in an HTML id."""
        return f"{self.target.recipe or 'any'}-{round(self.shape * 1000)}"

    @property
    def shape(self) -> Decimal:
        return self.row.shape if self.row else self.target.shape

    @property
    def what(self) -> str:
        """Return the value by which forms identify it: its row's id, or slot and recipe."""
        return str(self.row.pk) if self.row else f"{self.target.slot} {self.target.recipe}".strip()

    @cached_property
    def slots(self) -> list[Slot]:
        """Return its slots, the largest first."""
        slots = set(self.row.parsed_slots) if self.row else set()
        return sorted(slots or {self.target.slot}, key=lambda slot: (slot.size, slot), reverse=True)

    @property
    def slot(self) -> Slot:
        """Return the slot whose crop is drawn, the largest."""
        return self.slots[0]

    @cached_property
    def frame(self) -> Frame:
        return self.context.preview.frame(self.slot)

    @property
    def size(self) -> SafeString:
        return written(self.slot.size)

    # Its name

    @cached_property
    def pages(self) -> list[Any]:
        """Return the pages that are known to show it."""
        return self.context.pages.of(self.context.image.pk, self.row)

    @cached_property
    def name(self) -> str | SafeString:
        """Return what it is used for, or its largest size where that is not known."""
        types = places.page_types(self.row) if self.row and not self.labels else []
        return ", ".join(self.labels or types) or self.size

    @property
    def is_named(self) -> bool:
        """Return whether its name says more than its size."""
        return self.name != self.size

    @property
    def where(self) -> str:
        """Return on which pages it is: the title of the only one, or their number."""
        return self.context.where(self.pages)

    @property
    def page_links(self) -> list[tuple[str, str]]:
        """Return title and address in the admin of the first pages that the user may see."""
        return self.context.listed(self.pages[:MAX_LINKS])

    @property
    def title(self) -> str | SafeString:
        """Return name and size."""
        return format_html("{} {}", self.name, self.size) if self.is_named else self.size

    # State

    @cached_property
    def state(self) -> states.State:
        if self.row is None:
            return states.State(states.StateName.CROP)
        return states.state_of(self.row, self.context.version)

    @cached_property
    def bar(self) -> progress_estimate.Bar | None:
        return progress_estimate.bar(self.row, self.state, self.context.usual) if self.row else None

    @cached_property
    def published(self) -> str:
        """Return the name of the file that visitors see; "" if they see the crop."""
        return states.published_file(self.row, self.context.version) if self.row else ""

    @cached_property
    def choices(self) -> "list[Choice]":
        """Return the crop, then the versions in the order in which they arrived."""
        candidates = self.row.candidates.all() if self.row else []
        numbered = enumerate(candidates, start=1)
        return [Choice(self, None, 0), *(Choice(self, each, number) for number, each in numbered)]

    @property
    def crop(self) -> "Choice":
        return self.choices[0]

    @property
    def versions(self) -> "list[Choice]":
        return self.choices[1:]

    @cached_property
    def shown(self) -> "Choice":
        """Return what visitors see: the crop, too, where that is not among the choices any more."""
        return next((each for each in self.choices if each.is_public), self.crop)

    @property
    def chosen(self) -> "Choice":
        """Return what was decided to be shown, which visitors may not see yet."""
        return next((each for each in self.choices if each.is_chosen), self.crop)

    @property
    def new_versions(self) -> "list[Choice]":
        """Return the versions on which nobody has decided yet."""
        return [each for each in self.versions if each.is_new]

    @property
    def has_spots(self) -> bool:
        """Return whether parts of any version are framed, since they differ."""
        return any(each.compared and each.compared.spots for each in self.versions)

    @property
    def format(self) -> str:
        """Return "wide", "tall" or "even": how its pictures are laid out beside one another."""
        return "wide" if self.shape >= 2 else "tall" if self.shape < Decimal("0.9") else "even"

    @property
    def progress_text(self) -> Any:
        """Return how far it has come, in a few words."""
        state = self.state
        if state.name == states.StateName.QUEUED:
            return _("Next in line.")
        if state.name == states.StateName.SENDING:
            return _("Being sent.")
        if state.name == states.StateName.FETCHING:
            return state.message or _("Nearly there")
        if state.is_waiting:
            return _("Waits: %(why)s") % {"why": state.message} if state.message else state.label
        return state.message

    @property
    def first_open(self) -> "Choice":
        """Return what there is to look at first: what is asked for, the newest version to decide
        on, or else what visitors see."""
        if asked := next((each for each in self.versions if each.value == self.opened), None):
            return asked
        if self.state.awaits_decision and self.versions:
            return self.versions[-1]
        return self.shown

    @property
    def may_be_declined(self) -> bool:
        """Return whether a version could still be bought without anybody requesting it."""
        row = self.row
        if row is None or row.decision != Recomposition.Decision.NONE:
            return False
        return row.purchase == Recomposition.Purchase.WANTED

    @property
    def may_be_called_off(self) -> bool:
        """Return whether it will be bought, and has not been sent yet."""
        return self.state.name in {states.StateName.QUEUED, states.StateName.WAITING}

    @property
    def loses(self) -> int:
        """Return how much of the picture the crop cuts away, in percent."""
        return self.frame.lost

    @property
    def is_close_up(self) -> bool:
        """Return whether the template asks for a close-up, so that what is lost is wanted."""
        return bool(self.slot.closeness)

    @cached_property
    def group(self) -> Group:
        state = self.state
        if state.awaits_decision or state.is_failed:
            return Group.TO_DECIDE
        # A publication of seconds does not move the tile to another group and back.
        is_brief = state.name == states.StateName.PUBLISHING and not state.is_publishing_delayed
        if (state.is_busy or state.is_waiting) and not is_brief:
            return Group.UNDER_WAY
        if not self.versions and self.verdict.reason in TRIVIAL:
            return Group.SMALL
        if state.name in states.DECIDED or self.is_close_up:
            return Group.FINE
        return Group.LOSES_MUCH if self.verdict.crop_harms else Group.FINE

    @property
    def etag(self) -> str:
        """Return a digest that changes when what is shown of it does, and only then."""
        row, state = self.row, self.state
        facts: list[Any] = [self.key, self.name, self.where, self.frame]
        facts += [state.name, state.message, self.published, len(self.choices)]
        if row:
            facts += [row.pk, row.request_id, row.live_id, row.decision, row.decided_at]
            facts += [row.failure_code, row.slots, row.takes_effect_at]
        return hashlib.sha256(repr([str(fact) for fact in facts]).encode()).hexdigest()[:12]

    @cached_property
    def retry_key(self) -> uuid.UUID:
        """Return an idempotency key for Retry: submitting the same form twice buys once."""
        return uuid.uuid4()

    # Requesting

    @cached_property
    def recipe(self) -> Recipe | None:
        """Return the recipe; None for a preset that the settings no longer hold."""
        try:
            return settings.recipe(self.target.recipe)
        except UnknownRecipe:
            return None

    @cached_property
    def verdict(self) -> Any:
        return actions.verdict_for(self.context.image, self.target, self.context.image_facts)

    @property
    def verdict_text(self) -> Any:
        verdict = self.verdict
        if verdict.reason == Reason.CROP_KEEPS_ENOUGH and self.is_close_up:
            return CLOSE_UP
        return verdict.message

    @property
    def may_ask(self) -> bool:
        """Return whether the user may ask for a version, overruling the rules if need be."""
        ours = self.context.may_smart_resize and self.recipe is not None and not self.is_sent
        return ours and (self.verdict.allowed or self.verdict.overrulable)

    @property
    def is_sent(self) -> bool:
        """Return whether a version is under way that can't be called off, or replaced, any more."""
        row = self.row
        if row is None or row.purchase != Recomposition.Purchase.REQUESTED or row.request is None:
            return False
        return row.request.status != GatewayRequest.Status.NEW or len(row.request.sizes) > 1


@dataclass(frozen=True)
class Choice:
    """What can be shown in a place: the crop (`candidate` is None) or an AI version."""

    place: Place
    candidate: Candidate | None
    number: int

    @property
    def value(self) -> str:
        return str(self.candidate.pk) if self.candidate else "crop"

    @property
    def label(self) -> str:
        if self.candidate is None:
            return _("Crop")
        if self.candidate.is_derived:
            return _("AI version %(number)d (own pixels)") % {"number": self.number}
        return _("AI version %(number)d") % {"number": self.number}

    @property
    def own_share(self) -> int:
        """Return how much of it is the photograph's own, in percent, rounded down."""
        own = self.candidate.own_pixels if self.candidate else None
        return int(100 * own["share"]) if own else 0

    @property
    def source(self) -> "Choice | None":
        """Return the version that it was derived from; None for one that was bought."""
        key = self.candidate.derived_from_id if self.candidate else None
        found = (
            each for each in self.place.versions if each.candidate and each.candidate.pk == key
        )
        return next(found, None)

    @property
    def may_keep_pixels(self) -> bool:
        """Return whether own pixels may be laid over it: the original was found in it as it is."""
        candidate, report = self.candidate, self.compared and self.compared.report
        if not candidate or candidate.is_derived or not report or not extra.is_installed():
            return False
        measures = report.measures
        return measures.found and not measures.mirrored and self.place.context.may_smart_resize

    @cached_property
    def compared(self) -> Comparison | None:
        """Return what the check against the original has found; None for the crop."""
        return Comparison.of(self.candidate) if self.candidate else None

    @property
    def is_chosen(self) -> bool:
        row = self.place.row
        return (row.live_id if row else None) == (self.candidate.pk if self.candidate else None)

    @property
    def is_public(self) -> bool:
        """Return whether visitors see it now."""
        return self.place.published == (self.candidate.file.name if self.candidate else "")

    @property
    def is_new(self) -> bool:
        """Return whether it is a version on which nobody has decided yet."""
        row, candidate = self.place.row, self.candidate
        if candidate is None or row is None or not self.place.state.awaits_decision:
            return False
        return row.decided_at is None or candidate.created_at > row.decided_at

    @property
    def is_open(self) -> bool:
        """Return whether the user may choose it."""
        context = self.place.context
        return context.may_choose if self.candidate else context.may_decline

    @property
    def size(self) -> SafeString | str:
        candidate = self.candidate
        return written(candidate.size) if candidate else ""

    @property
    def is_small(self) -> bool:
        """Return whether it has fewer pixels than the largest slot asks for."""
        candidate = self.candidate
        return candidate is not None and candidate.width < self.place.slot.size.width * 0.97

    @property
    def cost(self) -> Any:
        """Return its share of what its request cost, as a `Price`, or None."""
        request = self.candidate.request if self.candidate else None
        return states.cost_of_each(request)
