"""When an image may be recomposed: a pure function from facts to a verdict.

Nothing here reads the database, the file or the settings: the caller puts what they say into
`RuleInput` and `Policy`.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, StrEnum

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from wagtail_smart_resize.core.sizes import (
    MAX_SENT_SIDE_PIXELS,
    Size,
    Slot,
    share_kept_by_crop,
    share_kept_by_engine,
)

MIN_SOURCE_SIDE_PIXELS = 64
"""Minimum length of the shorter side. Smaller images hold too little to recompose from."""


class Reason(StrEnum):
    """Why an image is not recomposed. The values are stored."""

    PRIVATE = "private"
    OPTED_OUT = "opted_out"
    REFUSED_BY_SITE = "refused_by_site"
    SVG = "svg"
    ANIMATED = "animated"
    TRANSPARENT = "transparent"
    TINY = "tiny"
    HOPELESS_SHAPE = "hopeless_shape"
    UNKNOWN_PRESET = "unknown_preset"
    NOT_PUBLISHED = "not_published"
    SMALL_SLOT = "small_slot"
    CROP_KEEPS_SUBJECT = "subject_kept"
    CROP_KEEPS_ENOUGH = "enough_kept"
    AUTOMATIC_OFF = "automatic_off"
    NO_KEY = "no_key"
    CIRCUIT_OPEN = "circuit_open"
    BUDGET = "budget"

    @property
    def label(self) -> Promise:
        """A short label, for a table or a filter."""
        return LABELS[self]


LABELS: dict[Reason, Promise] = {
    Reason.PRIVATE: _("Private collection"),
    Reason.OPTED_OUT: _("Opted out"),
    Reason.NOT_PUBLISHED: _("Not published"),
    Reason.REFUSED_BY_SITE: _("Refused by the site"),
    Reason.SVG: _("SVG"),
    Reason.ANIMATED: _("Animated"),
    Reason.TRANSPARENT: _("Transparent"),
    Reason.TINY: _("Picture too small"),
    Reason.HOPELESS_SHAPE: _("Too narrow"),
    Reason.UNKNOWN_PRESET: _("Preset no longer in the settings"),
    Reason.SMALL_SLOT: _("Shown too small"),
    Reason.CROP_KEEPS_SUBJECT: _("Crop keeps the subject"),
    Reason.CROP_KEEPS_ENOUGH: _("Crop cuts away little"),
    Reason.NO_KEY: _("No API key"),
    Reason.AUTOMATIC_OFF: _("Nothing made by itself"),
    Reason.BUDGET: _("Budget used up"),
    Reason.CIRCUIT_OPEN: _("Service refuses"),
}

OVERRULABLE = frozenset(
    {
        Reason.NOT_PUBLISHED,
        Reason.SMALL_SLOT,
        Reason.CROP_KEEPS_SUBJECT,
        Reason.CROP_KEEPS_ENOUGH,
        Reason.AUTOMATIC_OFF,
    }
)
"""Reasons that an editor may overrule: matters of taste, never of privacy or money."""


class Usage(Enum):
    """What the reference index knows about the pages that use an image."""

    PUBLISHED = "published"
    UNPUBLISHED = "unpublished"
    """Pages or snippets use it, and none of them is published."""
    UNKNOWN = "unknown"
    """Something else uses it, such as a setting or a snippet, which a page may show."""
    NONE = "none"
    """Nothing uses it. A page that finds images by a query may show it all the same."""


@dataclass(frozen=True, kw_only=True)
class RuleInput:
    """What is known about an image, about the shape wanted of it, and about the site's state."""

    width: int
    """In pixels, as the image is displayed: EXIF orientation is applied where it is known."""
    height: int
    shape: Decimal
    slots: tuple[Slot, ...]
    """Slots of that shape that have been asked for."""
    subject_kept: float | None = None
    """Share (0 to 1) of the focal area that the standard crop keeps; None without one."""
    is_svg: bool = False
    is_animated: bool = False
    is_transparent: bool = False
    is_private: bool = False
    opted_out: bool = False
    preview_only: bool = False
    """Whether it was wanted only while a preview was shown."""
    uses: Usage = Usage.NONE
    has_preset: bool = True
    """Whether the settings still hold the preset that the shape is wanted for."""
    allowed_by_site: bool = True
    has_key: bool = True
    automatic: bool = True
    """Whether the site recomposes images that only templates ask for."""
    wanted_by_person: bool = False
    budget_left: bool = True
    circuit_closed: bool = True


@dataclass(frozen=True)
class Policy:
    """The site's thresholds."""

    min_crop_loss: float
    """Share (0 to 1) of the image that a crop must lose before it is worth recomposing."""
    min_subject_kept: float | None
    """Minimum share (0 to 1) of the focal area that a crop must keep, so that nothing need be
    recomposed whatever else it loses. None if the focal area does not count."""
    min_slot_side: int
    """Minimum length of a slot's longer side, in pixels."""
    min_kept: float
    """Minimum share (0 to 1) of the engine's picture that the shape must keep."""


@dataclass(frozen=True)
class Verdict:
    """The result of the rules. `reason` is None where the image may be recomposed."""

    reason: Reason | None
    kept: float
    """Share (0 to 1) of the image that the standard crop keeps."""
    facts: RuleInput
    policy: Policy

    @property
    def allowed(self) -> bool:
        return self.reason is None

    @property
    def crop_harms(self) -> bool:
        """Return whether the standard crop loses so much that a recomposition is worth while."""
        return _crop_keeps(self.facts, self.policy) is None

    @property
    def overrulable(self) -> bool:
        return self.reason in OVERRULABLE

    @property
    def message(self) -> str:
        """A sentence for an editor, with figures, in the active language."""
        is_cut = self.allowed and _subject_kept(self.facts, self.policy) is False
        sentence = SUBJECT_CUT if is_cut else SENTENCES[self.reason]
        return str(sentence) % self._figures()

    def _figures(self) -> dict[str, int]:
        sent = _sent_size(self.facts)
        return {
            "width": sent.width,
            "height": sent.height,
            "tiny": MIN_SOURCE_SIDE_PIXELS,
            "lost": 100 - _percent(self.kept),
            "subject": _percent(self.facts.subject_kept or 0),
            "subject_lost": 100 - _percent(self.facts.subject_kept or 0),
            "engine_kept": _percent(share_kept_by_engine(self.facts.shape)),
            "min_kept": _percent(self.policy.min_kept),
            "shown": _longest_side(self.facts),
            "min_shown": self.policy.min_slot_side,
        }


SENTENCES: dict[Reason | None, Promise] = {
    None: _("The crop cuts away %(lost)d %% of the picture: an AI version may be made."),
    Reason.PRIVATE: _("The image is in a private collection: it is not sent to the service."),
    Reason.OPTED_OUT: _("The image is opted out: it is never sent to the service."),
    Reason.REFUSED_BY_SITE: _("The site's own rules allow no AI versions of this image."),
    Reason.SVG: _("The image is an SVG: it has no pixels to work with."),
    Reason.ANIMATED: _("The image is animated: an AI version would be a single frame."),
    Reason.TRANSPARENT: _("The image is transparent in places: an AI version would fill them."),
    Reason.TINY: _(
        "The service would see %(width)d x %(height)d px: with a side under %(tiny)d px the "
        "image holds too little for an AI version."
    ),
    Reason.HOPELESS_SHAPE: _(
        "The shape is too narrow: it would use %(engine_kept)d %% of what the service renders, "
        "and must use at least %(min_kept)d %%."
    ),
    Reason.UNKNOWN_PRESET: _(
        "The site's settings no longer have the preset that this place was made for: no AI "
        "versions can be asked for."
    ),
    Reason.NOT_PUBLISHED: _(
        "No published page is known to use the image: an AI version is made when one does, or when "
        "an editor asks for it."
    ),
    Reason.SMALL_SLOT: _(
        "The picture is shown at no more than %(shown)d px: under %(min_shown)d px an AI version "
        "is hardly seen."
    ),
    Reason.CROP_KEEPS_SUBJECT: _(
        "The crop keeps the whole subject (%(subject)d %% of the focal area): no AI version is "
        "needed."
    ),
    Reason.CROP_KEEPS_ENOUGH: _(
        "The crop cuts away only %(lost)d %% of the picture: no AI version is needed."
    ),
    Reason.AUTOMATIC_OFF: _(
        "Nothing is made by itself here: an AI version is made when an editor asks for it."
    ),
    Reason.NO_KEY: _("The site has no API key: no AI versions can be made."),
    Reason.CIRCUIT_OPEN: _(
        "The service turns the site's requests down: nothing is sent until it takes them again."
    ),
    Reason.BUDGET: _(
        "The budget of the day or of the month is used up: nothing is bought until there is some "
        "again."
    ),
}


SUBJECT_CUT = _(
    "The crop cuts away %(subject_lost)d %% of the focal area: an AI version may be made."
)


def verdict(facts: RuleInput, policy: Policy, rules_overridden: bool = False) -> Verdict:
    """Return the verdict, with the first reason in this order: privacy, picture, taste, money.

    `rules_overridden`: a person has asked in spite of the reasons in `OVERRULABLE`.
    """
    kept = share_kept_by_crop(facts.width, facts.height, facts.shape)
    reasons = (*_privacy(facts), *_picture(facts, policy), *_taste(facts, policy), *_money(facts))
    standing = (reason for reason in reasons if not (rules_overridden and reason in OVERRULABLE))
    return Verdict(next(standing, None), kept, facts, policy)


def _privacy(facts: RuleInput) -> Iterator[Reason]:
    if facts.is_private:
        yield Reason.PRIVATE
    if facts.opted_out:
        yield Reason.OPTED_OUT
    if not facts.allowed_by_site:
        yield Reason.REFUSED_BY_SITE


def _picture(facts: RuleInput, policy: Policy) -> Iterator[Reason]:
    if facts.is_svg:
        yield Reason.SVG
    if facts.is_animated:
        yield Reason.ANIMATED
    if facts.is_transparent:
        yield Reason.TRANSPARENT
    if min(_sent_size(facts)) < MIN_SOURCE_SIDE_PIXELS:
        yield Reason.TINY
    if share_kept_by_engine(facts.shape) < policy.min_kept:
        yield Reason.HOPELESS_SHAPE
    if not facts.has_preset:
        yield Reason.UNKNOWN_PRESET


def _sent_size(facts: RuleInput) -> Size:
    """Return the size at which the gateway is given the picture: a panorama may become a strip."""
    longest = max(facts.width, facts.height)
    if longest <= MAX_SENT_SIDE_PIXELS:
        return Size(facts.width, facts.height)
    scale = MAX_SENT_SIDE_PIXELS / longest
    return Size(round(facts.width * scale), round(facts.height * scale))


def _taste(facts: RuleInput, policy: Policy) -> Iterator[Reason]:
    published = facts.uses is Usage.PUBLISHED
    unpublished = facts.uses is Usage.UNPUBLISHED or (facts.preview_only and not published)
    if unpublished and not facts.wanted_by_person:
        yield Reason.NOT_PUBLISHED
    if facts.slots and _longest_side(facts) < policy.min_slot_side:
        yield Reason.SMALL_SLOT
    if reason := _crop_keeps(facts, policy):
        yield reason
    if not (facts.automatic or facts.wanted_by_person):
        yield Reason.AUTOMATIC_OFF


def _crop_keeps(facts: RuleInput, policy: Policy) -> Reason | None:
    """Return why the crop will do: by the focal area if there is one, else by the whole picture."""
    keeps_subject = _subject_kept(facts, policy)
    if keeps_subject is not None:
        return Reason.CROP_KEEPS_SUBJECT if keeps_subject else None
    # Rounded, so that a float error does not put a loss of exactly the threshold below it.
    crop_loss = round(1 - share_kept_by_crop(facts.width, facts.height, facts.shape), 6)
    return Reason.CROP_KEEPS_ENOUGH if crop_loss < policy.min_crop_loss else None


def _subject_kept(facts: RuleInput, policy: Policy) -> bool | None:
    """Return whether the crop keeps the subject; None if nothing is known of one."""
    if facts.subject_kept is None or policy.min_subject_kept is None:
        return None
    return round(facts.subject_kept, 6) >= policy.min_subject_kept


def _money(facts: RuleInput) -> Iterator[Reason]:
    if not facts.has_key:
        yield Reason.NO_KEY
    if not facts.circuit_closed:
        yield Reason.CIRCUIT_OPEN
    if not facts.budget_left:
        yield Reason.BUDGET


def _longest_side(facts: RuleInput) -> int:
    return max((max(slot.size) for slot in facts.slots), default=0)


def _percent(share: float) -> int:
    """Return a whole percentage.

    It is rounded down: a value just short of a threshold must not read as if it met it.
    """
    return math.floor(round(share * 100, 6))
