"""One shape of an image and the pictures available for it, for the image's screen."""

import hashlib
import uuid
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.utils.functional import cached_property
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from wagtail_smart_resize.core.sizes import Size, Slot
from wagtail_smart_resize.editorial import actions, states
from wagtail_smart_resize.editorial.actions import ResizeTarget
from wagtail_smart_resize.models import Candidate, Recomposition
from wagtail_smart_resize.rules.verdict import Reason
from wagtail_smart_resize.settings import Recipe, UnknownRecipe, settings

from . import progress_estimate
from .context import ImageContext
from .crop_frame import Frame
from .forms import GenerateForm

Decision = Recomposition.Decision

CLOSE_UP = gettext_lazy(
    "The picture has nearly this shape already: only the close-up that the template asks for cuts "
    "it."
)


def written(size: Size) -> SafeString:
    """Return a size such as 1200×630 as HTML that stays left-to-right in right-to-left text."""
    return format_html('<bdi dir="ltr">{}×{}</bdi>', size.width, size.height)


@dataclass
class Shape:
    """One shape: its target, and its row if it has one."""

    target: ResizeTarget
    labels: list[str]
    """Labels of the presets that it serves."""
    row: Recomposition | None = None
    typed: bool = False
    context: ImageContext = field(init=False, repr=False)
    generate: GenerateForm | None = field(default=None, repr=False)
    """Set by the view; None if nothing can be requested."""

    @property
    def key(self) -> str:
        """Return a key, the same in every response for this image and valid in an HTML id."""
        return f"{self.target.recipe or 'any'}-{round(self.shape * 1000)}"

    @property
    def shape(self) -> Decimal:
        return self.row.shape if self.row else self.target.shape

    @property
    def what(self) -> str:
        """Return the value by which forms identify the shape: its row's id, or slot and recipe."""
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
    def sizes(self) -> list[SafeString]:
        return [written(size) for size in dict.fromkeys(slot.size for slot in self.slots)]

    @property
    def title(self) -> SafeString:
        """Return the presets' labels and the largest size."""
        name = ", ".join(self.labels)
        return format_html("{} {}", name, self.sizes[0]) if name else self.sizes[0]

    @property
    def other_sizes(self) -> SafeString:
        return format_html_join(", ", "{}", ((size,) for size in self.sizes[1:]))

    @property
    def format(self) -> str:
        """Return "wide", "tall" or "": how much room its pictures take side by side."""
        return "wide" if self.shape >= 2 else "tall" if self.shape < Decimal("0.8") else ""

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
    def options(self) -> "list[Option]":
        """Return the crop, then the candidates in the order in which they arrived."""
        candidates = self.row.candidates.all() if self.row else []
        numbered = enumerate(candidates, start=1)
        return [Option(self, None, 0), *(Option(self, each, number) for number, each in numbered)]

    @property
    def has_choice(self) -> bool:
        return len(self.options) > 1

    @property
    def may_be_declined(self) -> bool:
        """Return whether a picture could still be bought without anybody requesting it."""
        row = self.row
        if row is None or row.decision != Decision.NONE:
            return False
        return row.purchase == Recomposition.Purchase.WANTED

    @property
    def may_be_called_off(self) -> bool:
        """Return whether it will be bought, and has not been sent yet."""
        return self.state.name in {states.StateName.QUEUED, states.StateName.WAITING}

    @property
    def message(self) -> Any:
        """Return the state's message.

        Where a template asks for a close-up, the share of the picture that the shape keeps would
        mislead: `CLOSE_UP` is returned instead.
        """
        row = self.row
        misled = row is not None and row.waiting_reason == Reason.CROP_KEEPS_ENOUGH
        return CLOSE_UP if misled and self.slot.closeness else self.state.message

    @property
    def etag(self) -> str:
        """Return a digest that changes when the card's content does, and only then."""
        row, state = self.row, self.state
        facts: list[Any] = [state.name, state.message, self.published, len(self.options)]
        if row:
            facts += [row.pk, row.request_id, row.live_id, row.decision, row.decided_at]
            facts += [row.failure_code, row.slots]
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
        if verdict.reason == Reason.CROP_KEEPS_ENOUGH and self.slot.closeness:
            return CLOSE_UP
        return verdict.message

    @property
    def may_ask(self) -> bool:
        """Return whether the user may request a picture, overruling the rules if need be."""
        ours = self.context.may_smart_resize and self.recipe is not None
        return ours and (self.verdict.allowed or self.verdict.overrulable)

    @property
    def is_under_way(self) -> bool:
        return bool(self.row and self.row.purchase == Recomposition.Purchase.REQUESTED)


@dataclass(frozen=True)
class Option:
    """One of the pictures available for a shape: the crop (`candidate` is None) or a candidate."""

    shape: Shape
    candidate: Candidate | None
    number: int

    @property
    def value(self) -> str:
        return str(self.candidate.pk) if self.candidate else "crop"

    @property
    def label(self) -> str:
        return (
            _("Picture %(number)d") % {"number": self.number} if self.number else _("Standard crop")
        )

    @property
    def is_chosen(self) -> bool:
        row = self.shape.row
        return (row.live_id if row else None) == (self.candidate.pk if self.candidate else None)

    @property
    def is_public(self) -> bool:
        """Return whether visitors see it now."""
        return self.shape.published == (self.candidate.file.name if self.candidate else "")

    @property
    def is_open(self) -> bool:
        """Return whether the user may choose it."""
        context = self.shape.context
        return context.may_choose if self.candidate else context.may_decline

    @property
    def size(self) -> SafeString | str:
        candidate = self.candidate
        return written(candidate.size) if candidate else ""

    @property
    def is_small(self) -> bool:
        """Return whether it has fewer pixels than the largest slot asks for."""
        candidate = self.candidate
        return candidate is not None and candidate.width < self.shape.slot.size.width * 0.97
