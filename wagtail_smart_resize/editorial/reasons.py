"""What a rendition shows, and why: for developers, and for what is cached or polled elsewhere.

Where something is live or decided for the shape, nothing is asked of the database. For the others
one query tells of all, however many they are.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any, NamedTuple

from django.db.models import Prefetch

from wagtail_smart_resize.core.sizes import nearest
from wagtail_smart_resize.models import Recomposition
from wagtail_smart_resize.models.savepoints import harmless
from wagtail_smart_resize.renditions import demand_notes
from wagtail_smart_resize.renditions.operation import SmartResizeOperation
from wagtail_smart_resize.renditions.recomposed import is_recomposed, our_operations
from wagtail_smart_resize.rules.verdict import Reason
from wagtail_smart_resize.settings import settings

from .states import Word, load, state_of

logger = logging.getLogger(__name__)


class ShownBecause(StrEnum):
    """Why a rendition shows what it shows. The values are stable.

    Of a spec with several operations of ours, the one that stands first here counts.
    """

    RECOMPOSED = "recomposed"
    """A recomposed picture is live. All others show the crop."""
    PENDING = "pending"
    """It was noted as wanted, is being bought, or goes live in a moment."""
    REVIEW = "review"
    """Candidates are there; a person has to choose."""
    NOT_ASKED = "not_asked"
    """Nobody has asked for it yet, though it might be had."""
    BUDGET = Reason.BUDGET.value
    CIRCUIT_OPEN = Reason.CIRCUIT_OPEN.value
    NOT_PUBLISHED = Reason.NOT_PUBLISHED.value
    UNKNOWN = "unknown"
    """It couldn't be looked up; the log says why."""
    DECLINED = "declined"
    """A person chose the crop."""
    FAILED = "failed"
    """It was tried and failed; a person may try again."""
    PRIVATE = Reason.PRIVATE.value
    OPTED_OUT = Reason.OPTED_OUT.value
    REFUSED_BY_SITE = Reason.REFUSED_BY_SITE.value
    SVG = Reason.SVG.value
    ANIMATED = Reason.ANIMATED.value
    TRANSPARENT = Reason.TRANSPARENT.value
    TINY = Reason.TINY.value
    HOPELESS_SHAPE = Reason.HOPELESS_SHAPE.value
    SMALL_SLOT = Reason.SMALL_SLOT.value
    CROP_KEEPS_ENOUGH = Reason.CROP_KEEPS_ENOUGH.value
    AUTOMATIC_OFF = Reason.AUTOMATIC_OFF.value
    NO_KEY = Reason.NO_KEY.value
    OTHER_MODEL = "other_model"
    """The image is of another model than the site's."""
    OTHER_FILTER = "other_filter"
    """The spec has no `smartresize`, or one that can't be read."""

    @property
    def is_recomposed(self) -> bool:
        return self is ShownBecause.RECOMPOSED

    @property
    def is_pending(self) -> bool:
        """Whether another picture is on its way: a minute or two is common."""
        return self is ShownBecause.PENDING

    @property
    def may_change(self) -> bool:
        """Whether another picture may come without anybody asking for it anew."""
        return self in _MAY_CHANGE


_MAY_CHANGE = {
    ShownBecause.PENDING,
    ShownBecause.REVIEW,
    ShownBecause.NOT_ASKED,
    ShownBecause.BUDGET,
    ShownBecause.CIRCUIT_OPEN,
    ShownBecause.NOT_PUBLISHED,
    ShownBecause.UNKNOWN,
}

_VALUES = {reason.value for reason in ShownBecause}
_RANKS = {reason: rank for rank, reason in enumerate(ShownBecause)}

#: What the states of a recomposition that is not live amount to; the others have a rule's reason.
_OF_STATES = {
    Word.SENDING: ShownBecause.PENDING,
    Word.WORKING: ShownBecause.PENDING,
    Word.FETCHING: ShownBecause.PENDING,
    Word.QUEUED: ShownBecause.PENDING,
    Word.PUBLISHING: ShownBecause.PENDING,
    Word.REVIEW: ShownBecause.REVIEW,
    Word.READY: ShownBecause.REVIEW,
    Word.UNKNOWN: ShownBecause.FAILED,
    Word.FAILED: ShownBecause.FAILED,
    Word.DECLINED: ShownBecause.DECLINED,
    Word.CROP: ShownBecause.NOT_ASKED,
}


def reason_of(rendition: Any) -> ShownBecause:
    """What a rendition of Wagtail's shows, and why.

    What can't be looked up is UNKNOWN, and in the log: no page breaks for it.
    """
    return reasons_of([rendition])[0]


def reasons_of(renditions: Iterable[Any]) -> list[ShownBecause]:
    """The same for many renditions, in one query at the most."""

    def shown(rendition: Any) -> _Shown:
        ours = our_operations(rendition.filter_spec)
        return _Shown(rendition.image, ours, is_recomposed(rendition))

    return _told(renditions, shown)


def reasons_of_images(images: Iterable[Any], spec: str) -> list[ShownBecause]:
    """What each image shows under a filter spec, whether or not it has that rendition yet."""
    ours = our_operations(spec)

    def shown(image: Any) -> _Shown:
        return _Shown(image, ours, _is_live(image, ours))

    return _told(images, shown)


def prefetch_reasons(path: str = "") -> Prefetch:
    """For `prefetch_related`: then nothing is asked for each image.

    `path` leads to the image, as "photo" from a page; "" where the queryset is of images.
    """
    lookup = f"{path}__smart_resize_recompositions" if path else "smart_resize_recompositions"
    return Prefetch(lookup, queryset=load(Recomposition.objects.all()), to_attr=_PREFETCHED)


_PREFETCHED = "smart_resize_prefetched"


class _Shown(NamedTuple):
    image: Any
    ours: list[SmartResizeOperation]
    is_recomposed: bool

    def settled(self) -> ShownBecause | None:
        """What can be told without asking anybody."""
        if not self.ours:
            return ShownBecause.OTHER_FILTER
        if self.is_recomposed:
            return ShownBecause.RECOMPOSED
        if not hasattr(self.image, "smart_resize"):
            return ShownBecause.OTHER_MODEL
        return ShownBecause.SVG if self.image.is_svg() else None

    def reason(self, rows: list[Recomposition]) -> ShownBecause:
        reasons = (_of_operation(self.image, each, rows) for each in self.ours)
        return min(reasons, key=_RANKS.__getitem__)

    def is_decided(self) -> bool:
        """Whether each of its shapes has something live, or the crop by decision."""
        return all(_entry(self.image, each) for each in self.ours)


def _is_live(image: Any, ours: list[SmartResizeOperation]) -> bool:
    if not hasattr(image, "smart_resize") or image.is_svg():
        return False
    entries = (_entry(image, each) for each in ours)
    return any(entry.file for entry in entries if entry)


def _entry(image: Any, operation: SmartResizeOperation) -> Any:
    return image.smart_resize.entry(operation.slot.shape, operation.recipe)


def _told(things: Iterable[Any], shown: Callable[[Any], _Shown]) -> list[ShownBecause]:
    """Asked while pages and API responses are made: what goes wrong in it breaks none of them."""
    things = list(things)
    try:
        return _looked_up([shown(each) for each in things])
    except Exception:
        logger.exception("Can't tell why renditions show what they show")
        return [_settled(each, shown) for each in things]


def _settled(thing: Any, shown: Callable[[Any], _Shown]) -> ShownBecause:
    try:
        return shown(thing).settled() or ShownBecause.UNKNOWN
    except Exception:
        return ShownBecause.UNKNOWN


def _looked_up(shown: list[_Shown]) -> list[ShownBecause]:
    rows = _rows([each.image for each in shown if not (each.settled() or each.is_decided())])
    return [each.settled() or each.reason(rows.get(each.image.pk, [])) for each in shown]


def _rows(images: list[Any]) -> dict[Any, list[Recomposition]]:
    """By the image's key: what was wanted of its present file."""
    rows: defaultdict[Any, list[Recomposition]] = defaultdict(list)
    hashes = {image.pk: image.file_hash for image in images}
    for row in [*_prefetched(images), *_asked(images)]:
        if row.source_hash == hashes[row.image_id]:
            rows[row.image_id].append(row)
    return rows


def _prefetched(images: list[Any]) -> list[Recomposition]:
    return [row for image in images for row in vars(image).get(_PREFETCHED, ())]


def _asked(images: list[Any]) -> list[Recomposition]:
    keys = {image.pk for image in images if _PREFETCHED not in vars(image)}
    if not keys:
        return []
    with harmless():
        return list(load(Recomposition.objects.filter(image_id__in=keys)))


def _of_operation(
    image: Any, operation: SmartResizeOperation, rows: list[Recomposition]
) -> ShownBecause:
    entry = _entry(image, operation)
    if entry:
        # With a file: a rendition of the crop that somebody has held since before it went live.
        return ShownBecause.PENDING if entry.file else ShownBecause.DECLINED
    ours = {row.shape: row for row in rows if row.recipe == operation.recipe}
    shape = operation.slot.shape
    found = ours.get(shape) or ours.get(nearest(shape, ours))  # type: ignore[arg-type]
    return _of_row(found) if found else _without_row(image, operation)


def _of_row(row: Recomposition) -> ShownBecause:
    word = state_of(row).word
    if word == Word.WAITING:
        return _of_wait(row)
    if word == Word.NOT_NEEDED:
        return _of_rule(row.waiting_reason)
    return _OF_STATES[word]


def _of_rule(code: str) -> ShownBecause:
    """A code that is none of ours, or not any more, is a newer release's."""
    return ShownBecause(code) if code in _VALUES else ShownBecause.UNKNOWN


def _of_wait(row: Any) -> ShownBecause:
    """What it waits for. A pause, or a next try, is a matter of minutes."""
    if row.purchase == row.Purchase.WANTED and row.waiting_reason:
        return _of_rule(row.waiting_reason)
    if row.request and row.request.error_code == Reason.BUDGET:
        return ShownBecause.BUDGET
    return ShownBecause.CIRCUIT_OPEN if row.open_circuit else ShownBecause.PENDING


def _without_row(image: Any, operation: SmartResizeOperation) -> ShownBecause:
    """Just noted in this process, and written when the request ends; or never asked for."""
    if demand_notes.Want(image.pk, str(operation.slot), operation.recipe) in demand_notes.notes:
        return ShownBecause.PENDING
    if not settings.API_KEY:
        return ShownBecause.NO_KEY
    return ShownBecause.NOT_ASKED if settings.AUTO_GENERATE else ShownBecause.AUTOMATIC_OFF
