"""The state of a recomposition in words: one `State` for all screens.

It is derived, without queries, from the row, its request and what is published for its image.
`with_state_relations` fetches what is needed for any number of rows in a fixed number of queries.
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
from wagtail_smart_resize.core.formatting import Text
from wagtail_smart_resize.core.money import Price
from wagtail_smart_resize.models import Candidate, GatewayRequest, ImageVersion, Recomposition
from wagtail_smart_resize.renditions.published import PublishedEntry
from wagtail_smart_resize.rules.verdict import Reason

from . import delays, failures

Purchase = Recomposition.Purchase
Decision = Recomposition.Decision
Status = GatewayRequest.Status
Charged = GatewayRequest.Charged


class Tone(StrEnum):
    """Colour of a state: `smart-resize-status--<tone>` in the stylesheet."""

    NEUTRAL = "neutral"
    BUSY = "busy"
    POSITIVE = "positive"
    WARNING = "warning"
    CRITICAL = "critical"


class StateName(StrEnum):
    """The states, in descending order of rank."""

    SENDING = "sending"
    WORKING = "working"
    FETCHING = "fetching"
    UNKNOWN = "unknown"
    FAILED = "failed"
    PUBLISHING = "publishing"
    REVIEW = "review"
    LIVE = "live"
    DECLINED = "declined"
    NOT_TRUE = "not_true"
    QUEUED = "queued"
    WAITING = "waiting"
    NOT_NEEDED = "not_needed"
    CROP = "crop"

    @property
    def label(self) -> Promise:
        return _LABELS[self][0]

    @property
    def tone(self) -> Tone:
        return _LABELS[self][1]


_LABELS: dict[StateName, tuple[Promise, Tone]] = {
    StateName.SENDING: (gettext_lazy("Being sent"), Tone.BUSY),
    StateName.WORKING: (gettext_lazy("Being made"), Tone.BUSY),
    StateName.FETCHING: (gettext_lazy("Being fetched"), Tone.BUSY),
    StateName.UNKNOWN: (gettext_lazy("Outcome unknown"), Tone.WARNING),
    StateName.FAILED: (gettext_lazy("Failed"), Tone.CRITICAL),
    StateName.PUBLISHING: (gettext_lazy("Being published"), Tone.BUSY),
    StateName.REVIEW: (gettext_lazy("To decide"), Tone.WARNING),
    StateName.LIVE: (gettext_lazy("AI version live"), Tone.POSITIVE),
    StateName.DECLINED: (gettext_lazy("Crop chosen"), Tone.NEUTRAL),
    StateName.NOT_TRUE: (gettext_lazy("Declined by the check"), Tone.WARNING),
    StateName.QUEUED: (gettext_lazy("Queued"), Tone.BUSY),
    StateName.WAITING: (gettext_lazy("Waiting"), Tone.WARNING),
    StateName.NOT_NEEDED: (gettext_lazy("Crop"), Tone.NEUTRAL),
    StateName.CROP: (gettext_lazy("Crop"), Tone.NEUTRAL),
}

#: Reasons that only time, or the people who run the site, can change. With others the crop stays.
WAITING_REASONS = {Reason.BUDGET, Reason.CIRCUIT_OPEN, Reason.NO_KEY, Reason.NOT_PUBLISHED}


DECIDED = {StateName.LIVE, StateName.PUBLISHING, StateName.DECLINED}
#: Failure codes for which polling the service again would give the same answer.
FINAL = {"error", "failed", "withdrawn"}


@dataclass(frozen=True)
class State:
    """The state of a recomposition.

    `message` and `remedy` are sentences for users, or "". `detail` is technical, in English, or "".
    """

    name: StateName
    message: Text = ""
    remedy: Text = ""
    detail: str = ""
    since: dt.datetime | None = None
    by: Any = None
    """The user who decided, or else who requested it; None if no person did."""
    is_decided: bool = False
    """True if `by` is the user who decided."""
    took: dt.timedelta | None = None
    """How long the last request took, from being sent to the end."""
    cost: Price | None = None
    """This shape's share of the last request's price; None if nothing or not known."""
    cost_is_certain: bool = True
    """False if the service may not have charged it."""
    may_recheck: bool = False
    """True if the service can be polled again for the request's status."""
    is_publishing_delayed: bool = False
    """True if what was decided could not be published so far: that can take long."""

    @property
    def label(self) -> Promise:
        return self.name.label

    @property
    def tone(self) -> Tone:
        return self.name.tone

    @property
    def is_busy(self) -> bool:
        """Return whether it will soon change by itself."""
        return self.tone == Tone.BUSY

    @property
    def is_waiting(self) -> bool:
        """Return whether it will change by itself once what it waits for has come."""
        return self.name == StateName.WAITING

    @property
    def awaits_decision(self) -> bool:
        """Return whether a person has to choose."""
        return self.name == StateName.REVIEW

    @property
    def took_text(self) -> str:
        return formatting.duration_text(self.took) if self.took else ""

    @property
    def cost_text(self) -> str:
        return formatting.price_text(self.cost) if self.cost else ""

    @property
    def is_failed(self) -> bool:
        return self.name in {StateName.FAILED, StateName.UNKNOWN}


def with_state_relations(rows: QuerySet[Recomposition]) -> QuerySet[Recomposition]:
    """Return the rows with everything that `state_of` needs, except the images' versions."""
    ready = Candidate.objects.filter(recomposition=OuterRef("pk"), stored=True)
    related = rows.select_related("request", "request__asked_by", "live", "asked_by", "decided_by")
    return delays.load_delays(related.annotate(has_candidates=Exists(ready)))


def published_versions(image_ids: Iterable[Any]) -> dict[Any, ImageVersion]:
    """Return what is published for these images, by image id, in one query."""
    return ImageVersion.objects.in_bulk(list(image_ids))


def states(rows: Iterable[Recomposition]) -> list[State]:
    """Return the states of rows from `with_state_relations`, in their order, in one more query."""
    rows = list(rows)
    published = published_versions({row.image_id for row in rows})
    return [state_of(row, published.get(row.image_id)) for row in rows]


def state_of(row: Recomposition, version: ImageVersion | None = None) -> State:
    """Return the state of a row from `with_state_relations`, without a query.

    `version` is its image's, if it has one.
    """
    name = _name_of(row, version)
    request = row.request
    message, remedy, detail = _texts(row, name, version)
    is_decided = name in DECIDED and row.decided_by is not None
    asked_by = (request and request.asked_by) or row.asked_by
    is_known_to_service = request is not None and bool(request.request_id)
    return State(
        name,
        message,
        remedy,
        detail,
        since=_since(row, name),
        by=row.decided_by if is_decided else asked_by,
        is_decided=is_decided,
        took=_duration(request),
        cost=cost_of(request),
        cost_is_certain=request is None or request.charged != Charged.UNKNOWN,
        # The service may give another answer than "failed".
        may_recheck=is_known_to_service
        and row.purchase == Purchase.FAILED
        and row.failure_code not in FINAL,
        is_publishing_delayed=name == StateName.PUBLISHING and _has_been_tried(version),
    )


def _name_of(row: Recomposition, version: ImageVersion | None) -> StateName:
    if row.purchase == Purchase.REQUESTED:
        return _name_under_way(row)
    if row.purchase == Purchase.FAILED:
        return StateName.UNKNOWN if row.failure_code == "unknown" else StateName.FAILED
    if is_being_published(row, version):
        return StateName.PUBLISHING
    if row.awaiting_review_since and row.has_candidates:  # type: ignore[attr-defined]
        return StateName.REVIEW
    if row.live_id:
        return StateName.LIVE
    if row.decision == Decision.CROP:
        return StateName.DECLINED
    if row.decision == Decision.CHECK:
        return StateName.NOT_TRUE
    return _name_undecided(row)


def _name_undecided(row: Any) -> StateName:
    if row.has_candidates:
        return StateName.REVIEW
    if row.purchase != Purchase.WANTED:
        return StateName.CROP
    if not row.waiting_reason:
        return StateName.WAITING if delays.delay_text(row) else StateName.QUEUED
    return StateName.WAITING if row.waiting_reason in WAITING_REASONS else StateName.NOT_NEEDED


def _name_under_way(row: Recomposition) -> StateName:
    request = row.request
    if request is None or request.status == Status.NEW:
        return StateName.WAITING if delays.delay_text(row) else StateName.QUEUED
    if request.status == Status.SENDING:
        return StateName.SENDING
    return StateName.FETCHING if request.status == Status.FETCHING else StateName.WORKING


def is_being_published(row: Recomposition, version: ImageVersion | None) -> bool:
    """Return whether visitors still see something other than what was decided."""
    return (row.live.file.name if row.live else "") != published_file(row, version)


def _has_been_tried(version: ImageVersion | None) -> bool:
    """Return whether it could not be published when that was tried."""
    return version is not None and version.publish_attempts > 0


def published_file(row: Recomposition, version: ImageVersion | None) -> str:
    """Return the name of the file that visitors see for the row's shape; "" for the crop."""
    if version is None or version.source_hash != row.source_hash:
        return ""
    entries = map(PublishedEntry.from_json, version.live)
    ours = (each for each in entries if (each.shape, each.recipe) == (row.shape, row.recipe))
    return next((entry.file for entry in ours), "")


# Messages


def _texts(
    row: Recomposition, name: StateName, version: ImageVersion | None
) -> tuple[Text, Text, str]:
    """Return message, remedy and detail."""
    if name in {StateName.FAILED, StateName.UNKNOWN}:
        failure = failures.describe(row.failure_code, row.failure_detail)
        detail = "" if row.failure_code == "withdrawn" else row.failure_detail
        return failure.message, failure.remedy, detail
    if name in {StateName.WAITING, StateName.NOT_NEEDED, StateName.FETCHING}:
        return delays.delay_text(row) or _MESSAGES.get(name, ""), "", ""
    if name == StateName.PUBLISHING and _has_been_tried(version):
        return _NOT_PUBLISHED, "", ""
    if name == StateName.PUBLISHING and row.decision == Decision.NONE:
        return _("The AI version is there. Visitors see it in a few seconds."), "", ""
    return _MESSAGES.get(name, ""), "", ""


_NOT_PUBLISHED = gettext_lazy(
    "The site could not publish it so far, and visitors see what they saw before. It is tried "
    "again by itself."
)

_MESSAGES: dict[StateName, Promise] = {
    StateName.QUEUED: gettext_lazy("It is sent in a moment."),
    StateName.WORKING: gettext_lazy("The service is at work. A minute or two is common."),
    StateName.FETCHING: gettext_lazy("The AI versions are there and are being stored."),
    StateName.PUBLISHING: gettext_lazy(
        "Your choice is recorded. Visitors see it in a few seconds."
    ),
    StateName.REVIEW: gettext_lazy(
        "Visitors see what they saw before until somebody chooses a version."
    ),
    StateName.NOT_TRUE: gettext_lazy(
        "It differs too much from the original, so visitors see the crop. You can choose it all "
        "the same."
    ),
}


def _since(row: Recomposition, name: StateName) -> dt.datetime | None:
    request = row.request
    if row.purchase == Purchase.REQUESTED:
        return request.created_at if request else row.wanted_at
    if row.purchase == Purchase.FAILED or name == StateName.REVIEW:
        return request.finished_at if request else None
    if row.decision != Decision.NONE:
        return row.decided_at
    if name in {StateName.LIVE, StateName.PUBLISHING}:
        return request.finished_at if request else None
    return row.wanted_at


def _duration(request: GatewayRequest | None) -> dt.timedelta | None:
    if request is None or not (request.sent_at and request.finished_at):
        return None
    return request.finished_at - request.sent_at


def cost_of(request: GatewayRequest | None) -> Price | None:
    """Return one shape's share of the request's price; None if nothing or not known."""
    if request is None or request.price is None or request.charged == Charged.NO:
        return None
    return Price(request.price / max(1, len(request.sizes)), request.currency)


def cost_of_each(request: GatewayRequest | None) -> Price | None:
    """Return the share of one output of the request's price; None if nothing or not known."""
    if request is None or request.price is None or request.charged == Charged.NO:
        return None
    return Price(request.price / max(1, request.outputs_asked), request.currency)


def tally(states: Iterable[State]) -> Mapping[StateName, int]:
    """Return the number of states by name."""
    counted: dict[StateName, int] = {}
    for state in states:
        counted[state.name] = counted.get(state.name, 0) + 1
    return counted
