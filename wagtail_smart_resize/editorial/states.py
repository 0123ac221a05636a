"""Where a recomposition stands, in words: one `State` for all screens.

It is made from the row, its request and what is published for its image; it asks the database
nothing. `load` fetches what it needs for any number of rows, in a fixed number of queries.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from wagtail_smart_resize.core import formatting
from wagtail_smart_resize.core.money import Price
from wagtail_smart_resize.models import Candidate, GatewayRequest, ImageVersion, Recomposition
from wagtail_smart_resize.renditions.published import Entry
from wagtail_smart_resize.rules.verdict import Reason
from wagtail_smart_resize.settings import settings

from . import delays, failures

Purchase = Recomposition.Purchase
Decision = Recomposition.Decision
Status = GatewayRequest.Status
Charged = GatewayRequest.Charged


class Tone(StrEnum):
    """How a state is coloured: `smart-resize-status--<tone>` in the style sheet."""

    NEUTRAL = "neutral"
    BUSY = "busy"
    POSITIVE = "positive"
    WARNING = "warning"
    CRITICAL = "critical"


class Word(StrEnum):
    """The states, in the order in which they outrank one another."""

    SENDING = "sending"
    WORKING = "working"
    FETCHING = "fetching"
    UNKNOWN = "unknown"
    FAILED = "failed"
    PUBLISHING = "publishing"
    REVIEW = "review"
    READY = "ready"
    LIVE = "live"
    DECLINED = "declined"
    QUEUED = "queued"
    WAITING = "waiting"
    NOT_NEEDED = "not_needed"
    CROP = "crop"

    @property
    def label(self) -> Promise:
        return _WORDS[self][0]

    @property
    def tone(self) -> Tone:
        return _WORDS[self][1]


_WORDS: dict[Word, tuple[Promise, Tone]] = {
    Word.SENDING: (gettext_lazy("Being sent"), Tone.BUSY),
    Word.WORKING: (gettext_lazy("Being recomposed"), Tone.BUSY),
    Word.FETCHING: (gettext_lazy("Being fetched"), Tone.BUSY),
    Word.UNKNOWN: (gettext_lazy("Outcome unknown"), Tone.WARNING),
    Word.FAILED: (gettext_lazy("Failed"), Tone.CRITICAL),
    Word.PUBLISHING: (gettext_lazy("Being published"), Tone.BUSY),
    Word.REVIEW: (gettext_lazy("Awaiting review"), Tone.WARNING),
    Word.READY: (gettext_lazy("Ready to choose"), Tone.WARNING),
    Word.LIVE: (gettext_lazy("Recomposition live"), Tone.POSITIVE),
    Word.DECLINED: (gettext_lazy("Standard crop chosen"), Tone.NEUTRAL),
    Word.QUEUED: (gettext_lazy("Queued"), Tone.BUSY),
    Word.WAITING: (gettext_lazy("Waiting"), Tone.WARNING),
    Word.NOT_NEEDED: (gettext_lazy("Standard crop"), Tone.NEUTRAL),
    Word.CROP: (gettext_lazy("Standard crop"), Tone.NEUTRAL),
}

#: What only time or the people who run the site can change; other reasons mean that the crop stays.
_WAITING = {Reason.BUDGET, Reason.CIRCUIT_OPEN, Reason.NO_KEY, Reason.NOT_PUBLISHED}


DECIDED = {Word.LIVE, Word.PUBLISHING, Word.DECLINED}
#: Failures of which the service would only say the same again.
FINAL = {"error", "failed", "withdrawn"}


@dataclass(frozen=True)
class State:
    """`message` and `remedy` are sentences or ""; `detail` is technical, in English, or ""."""

    word: Word
    message: Promise | str = ""
    remedy: Promise | str = ""
    detail: str = ""
    since: dt.datetime | None = None
    by: Any = None
    """The user who decided, or else who asked; None where no person did."""
    is_decided: bool = False
    """Whether `by` is who decided."""
    took: dt.timedelta | None = None
    """How long its last request took, from sending to the end."""
    cost: Price | None = None
    """What its last request cost for this shape; None where that was nothing, or is not known."""
    cost_is_certain: bool = True
    """False where the service may not have charged it."""
    may_look_again: bool = False
    """Whether the service can be asked once more what became of the request."""

    @property
    def label(self) -> Promise:
        return self.word.label

    @property
    def tone(self) -> Tone:
        return self.word.tone

    @property
    def is_busy(self) -> bool:
        """Whether it will change by itself, soon."""
        return self.tone == Tone.BUSY

    @property
    def took_text(self) -> str:
        return formatting.duration_text(self.took) if self.took else ""

    @property
    def cost_text(self) -> str:
        return formatting.price_text(self.cost) if self.cost else ""

    @property
    def is_failed(self) -> bool:
        return self.word in {Word.FAILED, Word.UNKNOWN}


def load(rows: QuerySet) -> QuerySet:
    """The rows with all that `state_of` needs, but for the versions."""
    ready = Candidate.objects.filter(recomposition=OuterRef("pk"), stored=True)
    related = rows.select_related("request", "request__asked_by", "live", "asked_by", "decided_by")
    return delays.load(related.annotate(has_candidates=Exists(ready)))


def versions(image_ids: Iterable[Any]) -> dict[Any, ImageVersion]:
    """What is published for these images, in one query."""
    return ImageVersion.objects.in_bulk(list(image_ids))


def states(rows: Iterable[Recomposition]) -> list[State]:
    """The states of rows that `load` gave, with one more query for all of them."""
    rows = list(rows)
    published = versions({row.image_id for row in rows})
    return [state_of(row, published.get(row.image_id)) for row in rows]


def state_of(row: Recomposition, version: ImageVersion | None = None) -> State:
    """Where the row stands. `row` comes from `load`; `version` is its image's, if it has one."""
    word = _word(row, version)
    request = row.request
    message, remedy, detail = _words(row, word, version)
    is_decided = word in DECIDED and row.decided_by is not None
    return State(
        word,
        message,
        remedy,
        detail,
        since=_since(row, word),
        by=row.decided_by if is_decided else _asked_by(row),
        is_decided=is_decided,
        took=_took(request),
        cost=cost_of(request),
        cost_is_certain=request is None or request.charged != Charged.UNKNOWN,
        may_look_again=_may_look_again(row),
    )


def _may_look_again(row: Recomposition) -> bool:
    """Whether the service knows the request, and may have another answer than "failed"."""
    known = row.request is not None and bool(row.request.request_id)
    return known and row.purchase == Purchase.FAILED and row.failure_code not in FINAL


def _word(row: Recomposition, version: ImageVersion | None) -> Word:
    if row.purchase == Purchase.REQUESTED:
        return _under_way(row)
    if row.purchase == Purchase.FAILED:
        return Word.UNKNOWN if row.failure_code == "unknown" else Word.FAILED
    if is_being_published(row, version):
        return Word.PUBLISHING
    if row.live_id:
        return Word.LIVE
    if row.decision == Decision.CROP:
        return Word.DECLINED
    return _undecided(row)


def _undecided(row: Recomposition) -> Word:
    if row.has_candidates:
        return Word.REVIEW if settings.REVIEW else Word.READY
    if row.purchase != Purchase.WANTED:
        return Word.CROP
    if not row.waiting_reason:
        return Word.WAITING if delays.why(row) else Word.QUEUED
    return Word.WAITING if row.waiting_reason in _WAITING else Word.NOT_NEEDED


def _under_way(row: Recomposition) -> Word:
    request = row.request
    if request is None or request.status == Status.NEW:
        return Word.WAITING if delays.why(row) else Word.QUEUED
    if request.status == Status.SENDING:
        return Word.SENDING
    return Word.FETCHING if request.status == Status.FETCHING else Word.WORKING


def is_being_published(row: Recomposition, version: ImageVersion | None) -> bool:
    """Whether visitors still see something else than what was decided."""
    return (row.live.file.name if row.live else "") != published_file(row, version)


def published_file(row: Recomposition, version: ImageVersion | None) -> str:
    """The candidate's file that visitors see for the row's shape; "" where it is the crop."""
    if version is None or version.source_hash != row.source_hash:
        return ""
    entries = map(Entry.load, version.live)
    ours = (each for each in entries if (each.shape, each.recipe) == (row.shape, row.recipe))
    return next((entry.file for entry in ours), "")


# Its words


def _words(
    row: Recomposition, word: Word, version: ImageVersion | None
) -> tuple[Promise | str, Promise | str, str]:
    """Message, remedy and detail."""
    if word in {Word.FAILED, Word.UNKNOWN}:
        failure = failures.describe(row.failure_code, row.failure_detail)
        detail = "" if row.failure_code == "withdrawn" else row.failure_detail
        return failure.message, failure.remedy, detail
    if word in {Word.WAITING, Word.NOT_NEEDED, Word.FETCHING}:
        return delays.why(row) or _MESSAGES.get(word, ""), "", ""
    if word == Word.PUBLISHING and version and version.flip_attempts:
        return _NOT_PUBLISHED, "", ""
    if word == Word.PUBLISHING and row.decision == Decision.NONE:
        return _("The picture is there. Visitors see it in a few seconds."), "", ""
    return _MESSAGES.get(word, ""), "", ""


_NOT_PUBLISHED = gettext_lazy(
    "The site could not publish it so far, and visitors see what they saw before. It is tried "
    "again by itself."
)

_MESSAGES: dict[Word, Promise] = {
    Word.QUEUED: gettext_lazy("It is sent in a moment."),
    Word.WORKING: gettext_lazy("The service is at work. A minute or two is common."),
    Word.FETCHING: gettext_lazy("The pictures are there and are being stored."),
    Word.PUBLISHING: gettext_lazy("Your choice is recorded. Visitors see it in a few seconds."),
    Word.REVIEW: gettext_lazy("Visitors see the standard crop until somebody approves a picture."),
    Word.READY: gettext_lazy("Visitors see the standard crop until you choose a picture."),
}


def _since(row: Recomposition, word: Word) -> dt.datetime | None:
    request = row.request
    if row.purchase == Purchase.REQUESTED:
        return request.created_at if request else row.wanted_at
    if row.purchase == Purchase.FAILED or word in {Word.REVIEW, Word.READY}:
        return request.finished_at if request else None
    if row.decision != Decision.NONE:
        return row.decided_at
    if word in {Word.LIVE, Word.PUBLISHING}:
        return request.finished_at if request else None
    return row.wanted_at


def _asked_by(row: Recomposition) -> Any:
    asked = row.request.asked_by if row.request else None
    return asked or row.asked_by


def _took(request: GatewayRequest | None) -> dt.timedelta | None:
    if request is None or not (request.sent_at and request.finished_at):
        return None
    return request.finished_at - request.sent_at


def cost_of(request: GatewayRequest | None) -> Price | None:
    """A shape's share of the request's price; None where that was nothing, or is not known."""
    if request is None or request.price is None or request.charged == Charged.NO:
        return None
    return Price(request.price / max(1, len(request.sizes)), request.currency)


def tally(states: Iterable[State]) -> Mapping[Word, int]:
    """How many are in each state: for a summary."""
    counted: dict[Word, int] = {}
    for state in states:
        counted[state.word] = counted.get(state.word, 0) + 1
    return counted
