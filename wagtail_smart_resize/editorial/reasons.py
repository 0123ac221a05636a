"""What a rendition shows and why, for developers and for whatever caches or polls renditions.

A shape with something live or decided needs no query. One query serves for all others, however
many.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any, NamedTuple

from django.db.models import Prefetch

from wagtail_smart_resize.core.logs import get_logger
from wagtail_smart_resize.core.schema import schema
from wagtail_smart_resize.core.site_image import SiteImage
from wagtail_smart_resize.core.sizes import nearest_shape
from wagtail_smart_resize.models import Recomposition
from wagtail_smart_resize.models.savepoints import savepoint_if_atomic
from wagtail_smart_resize.renditions import demand_notes
from wagtail_smart_resize.renditions.operation import SmartResizeOperation
from wagtail_smart_resize.renditions.recomposed import is_recomposed, our_operations
from wagtail_smart_resize.rules.verdict import Reason
from wagtail_smart_resize.settings import settings

from .states import StateName, state_of, with_state_relations

logger = get_logger(__name__)


class ShownBecause(StrEnum):
    """Why a rendition shows what it shows. The values are stable.

    For a spec with several `smartresize` operations, the member that is defined first applies.
    """

    RECOMPOSED = "recomposed"
    """A recomposed picture is live. With all other members the crop is shown."""
    PENDING = "pending"
    """A recomposition was noted as wanted, is being bought, or goes live in a moment."""
    REVIEW = "review"
    """Candidates are stored, and a person has to choose."""
    NOT_ASKED = "not_asked"
    """Nobody has asked for a recomposition yet, though one may be possible."""
    BUDGET = Reason.BUDGET.value
    CIRCUIT_OPEN = Reason.CIRCUIT_OPEN.value
    NOT_PUBLISHED = Reason.NOT_PUBLISHED.value
    UNKNOWN = "unknown"
    """The reason couldn't be looked up; the log says why."""
    DECLINED = "declined"
    """A person chose the crop, or the check against the original declined what was bought."""
    FAILED = "failed"
    """The purchase failed; a person may retry."""
    PRIVATE = Reason.PRIVATE.value
    OPTED_OUT = Reason.OPTED_OUT.value
    REFUSED_BY_SITE = Reason.REFUSED_BY_SITE.value
    SVG = Reason.SVG.value
    ANIMATED = Reason.ANIMATED.value
    TRANSPARENT = Reason.TRANSPARENT.value
    TINY = Reason.TINY.value
    HOPELESS_SHAPE = Reason.HOPELESS_SHAPE.value
    UNKNOWN_PRESET = Reason.UNKNOWN_PRESET.value
    SMALL_SLOT = Reason.SMALL_SLOT.value
    CROP_KEEPS_SUBJECT = Reason.CROP_KEEPS_SUBJECT.value
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
        """Return whether another picture is on its way, usually for a minute or two."""
        return self is ShownBecause.PENDING

    @property
    def may_change(self) -> bool:
        """Return whether another picture may come without anybody requesting it again."""
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

#: Reasons for the states of a recomposition that is not live. WAITING and NOT_NEEDED are absent,
#: as their reason is mostly a rule's.
_REASON_BY_STATE = {
    StateName.SENDING: ShownBecause.PENDING,
    StateName.WORKING: ShownBecause.PENDING,
    StateName.FETCHING: ShownBecause.PENDING,
    StateName.QUEUED: ShownBecause.PENDING,
    StateName.PUBLISHING: ShownBecause.PENDING,
    StateName.REVIEW: ShownBecause.REVIEW,
    StateName.UNKNOWN: ShownBecause.FAILED,
    StateName.FAILED: ShownBecause.FAILED,
    StateName.DECLINED: ShownBecause.DECLINED,
    StateName.NOT_TRUE: ShownBecause.DECLINED,
    StateName.CROP: ShownBecause.NOT_ASKED,
}


def reason_of(rendition: Any) -> ShownBecause:
    """Return why a Wagtail rendition shows what it shows.

    It is UNKNOWN if that can't be looked up. The error is logged rather than raised, so that no
    page breaks.
    """
    return reasons_of([rendition])[0]


def reasons_of(renditions: Iterable[Any]) -> list[ShownBecause]:
    """Return the same as `reason_of` for many renditions, in at most one query."""

    def lookup_for(rendition: Any) -> _Lookup:
        operations = our_operations(rendition.filter_spec)
        return _Lookup(rendition.image, operations, is_recomposed(rendition))

    return _reasons(renditions, lookup_for)


def reasons_of_images(images: Iterable[Any], spec: str) -> list[ShownBecause]:
    """Return why each image shows what it shows for a filter spec.

    The rendition need not exist yet. At most one query is made; errors are logged, as in
    `reason_of`.
    """
    operations = our_operations(spec)

    def lookup_for(image: SiteImage) -> _Lookup:
        return _Lookup(image, operations, _is_live(image, operations))

    return _reasons(images, lookup_for)


def prefetch_reasons(path: str = "") -> "Prefetch[Any]":
    """Return a `Prefetch` for `prefetch_related` that saves the query for each image.

    `path` is the lookup to the image, such as "photo" from a page; "" for a queryset of images.
    """
    lookup = f"{path}__smart_resize_recompositions" if path else "smart_resize_recompositions"
    return Prefetch(
        lookup, queryset=with_state_relations(Recomposition.objects.all()), to_attr=_PREFETCHED
    )


_PREFETCHED = "smart_resize_prefetched"


class _Lookup(NamedTuple):
    image: SiteImage
    operations: list[SmartResizeOperation]
    is_recomposed: bool

    def settled(self) -> ShownBecause | None:
        """Return the reason if it is known without a query, else None."""
        if not self.operations:
            return ShownBecause.OTHER_FILTER
        if self.is_recomposed:
            return ShownBecause.RECOMPOSED
        if not hasattr(self.image, "smart_resize"):
            return ShownBecause.OTHER_MODEL
        return ShownBecause.SVG if self.image.is_svg() else None

    def reason(self, rows: list[Recomposition]) -> ShownBecause:
        reasons = (_reason_for_operation(self.image, each, rows) for each in self.operations)
        return min(reasons, key=_RANKS.__getitem__)

    def is_decided(self) -> bool:
        """Return whether each shape has something live, or the crop by decision."""
        return all(_entry(self.image, each) for each in self.operations)


def _is_live(image: SiteImage, operations: list[SmartResizeOperation]) -> bool:
    if not hasattr(image, "smart_resize") or image.is_svg():
        return False
    entries = (_entry(image, each) for each in operations)
    return any(entry.file for entry in entries if entry)


def _entry(image: SiteImage, operation: SmartResizeOperation) -> Any:
    return operation.entry_in(image.smart_resize)


def _reasons(items: Iterable[Any], lookup_for: Callable[[Any], _Lookup]) -> list[ShownBecause]:
    """Return the reasons. Errors are logged, since pages and API responses must not break."""
    items = list(items)
    try:
        return _look_up([lookup_for(each) for each in items])
    except Exception:
        logger.exception("Can't tell why renditions show what they show")
        return [_reason_without_query(each, lookup_for) for each in items]


def _reason_without_query(item: Any, lookup_for: Callable[[Any], _Lookup]) -> ShownBecause:
    try:
        return lookup_for(item).settled() or ShownBecause.UNKNOWN
    except Exception:
        return ShownBecause.UNKNOWN


def _look_up(lookups: list[_Lookup]) -> list[ShownBecause]:
    rows = _rows([each.image for each in lookups if not (each.settled() or each.is_decided())])
    return [each.settled() or each.reason(rows.get(each.image.pk, [])) for each in lookups]


def _rows(images: list[Any]) -> dict[Any, list[Recomposition]]:
    """Return the recompositions of the images' current files, by image id."""
    rows: defaultdict[Any, list[Recomposition]] = defaultdict(list)
    hashes = {image.pk: image.file_hash for image in images}
    prefetched = [row for image in images for row in vars(image).get(_PREFETCHED, ())]
    for row in [*prefetched, *_fetched(images)]:
        if row.source_hash == hashes[row.image_id]:
            rows[row.image_id].append(row)
    return rows


def _fetched(images: list[Any]) -> list[Recomposition]:
    keys = {image.pk for image in images if _PREFETCHED not in vars(image)}
    if not keys or not schema.is_current():
        return []
    with savepoint_if_atomic():
        return list(with_state_relations(Recomposition.objects.filter(image_id__in=keys)))


def _reason_for_operation(
    image: SiteImage, operation: SmartResizeOperation, rows: list[Recomposition]
) -> ShownBecause:
    entry = _entry(image, operation)
    if entry:
        # With a file, this is a rendition of the crop loaded before the recomposition went live.
        return ShownBecause.PENDING if entry.file else ShownBecause.DECLINED
    known = {row.shape: row for row in rows if row.recipe == operation.recipe}
    shape = operation.slot.shape
    found = known.get(shape) or known.get(nearest_shape(shape, known))  # type: ignore[arg-type]
    return _reason_for_row(found) if found else _reason_without_row(image, operation)


def _reason_for_row(row: Recomposition) -> ShownBecause:
    name = state_of(row).name
    if name == StateName.WAITING:
        return _reason_for_wait(row)
    if name == StateName.NOT_NEEDED:
        return _reason_for_code(row.waiting_reason)
    return _REASON_BY_STATE[name]


def _reason_for_code(code: str) -> ShownBecause:
    """Return the member for a rule's code; UNKNOWN for one removed, or of a newer release."""
    return ShownBecause(code) if code in _VALUES else ShownBecause.UNKNOWN


def _reason_for_wait(row: Any) -> ShownBecause:
    """Return what the row waits for. PENDING stands for a pause or a retry: they take minutes."""
    if row.purchase == row.Purchase.WANTED and row.waiting_reason:
        return _reason_for_code(row.waiting_reason)
    if row.request and row.request.error_code == Reason.BUDGET:
        return ShownBecause.BUDGET
    is_blocked = row.open_circuit or row.is_stopped
    return ShownBecause.CIRCUIT_OPEN if is_blocked else ShownBecause.PENDING


def _reason_without_row(image: SiteImage, operation: SmartResizeOperation) -> ShownBecause:
    """Return the reason for an image without a row.

    Either demand was just noted in this process, to be written when the request ends, or there was
    none.
    """
    if (
        demand_notes.DemandNote(image.pk, str(operation.slot), operation.recipe)
        in demand_notes.notes
    ):
        return ShownBecause.PENDING
    if not settings.API_KEY:
        return ShownBecause.NO_KEY
    return ShownBecause.NOT_ASKED if settings.AUTO_GENERATE else ShownBecause.AUTOMATIC_OFF
