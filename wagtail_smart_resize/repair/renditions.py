"""Finds what the renditions table says is wanted, and which of the app's renditions are retired."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple

from django.db.models import QuerySet
from django.utils import timezone
from wagtail.images.exceptions import InvalidFilterSpecError
from wagtail.images.models import Filter

from wagtail_smart_resize.core import database
from wagtail_smart_resize.core.site_image import SiteImage
from wagtail_smart_resize.core.sizes import Slot, same_shape
from wagtail_smart_resize.models import ImageVersion, RetiredRendition, events
from wagtail_smart_resize.purchasing import demand
from wagtail_smart_resize.renditions import rendition_files
from wagtail_smart_resize.renditions.operation import SmartResizeOperation, smart_resize_operations
from wagtail_smart_resize.settings import settings

from .reading import ImageRecords, read_images
from .report import Finding, Repair


def ours() -> QuerySet[Any]:
    """Return the renditions whose filter spec names the app's filter, valid or not."""
    return database.site_renditions().filter(filter_spec__contains="smartresize-")


class Stored(NamedTuple):
    """The fields of a rendition that the repairs need."""

    pk: Any
    spec: str
    key: str


class Specs:
    """Filters by their specs, each parsed once."""

    def __init__(self) -> None:
        self._filters: dict[str, Filter | None] = {}

    def filter(self, spec: str) -> Filter | None:
        """Return the spec's filter, or None.

        It is None for a spec without the app's filter, and for one that is no longer valid, since
        its preset was removed.
        """
        if spec not in self._filters:
            self._filters[spec] = self._read(spec)
        return self._filters[spec]

    def operations(self, spec: str) -> list[SmartResizeOperation]:
        found = self.filter(spec)
        return smart_resize_operations(found.operations) if found else []

    @staticmethod
    def _read(spec: str) -> Filter | None:
        try:
            found = Filter(spec)
            return found if smart_resize_operations(found.operations) else None
        except InvalidFilterSpecError:
            return None

    def is_current(self, spec: str, key: str, image: SiteImage) -> bool | None:
        """Return whether `key` is the spec's present one, or None if that can't be told.

        What is live must be pinned to the image.
        """
        found = self.filter(spec)
        return None if found is None else found.get_cache_key(image) == key


def find_stored_renditions(image_ids: list[Any], specs: Specs) -> Iterator[Finding]:
    """Yield the shapes not noted as wanted, and the renditions to retire, keep or delete."""
    stored = defaultdict(list)
    rows = ours().filter(image_id__in=image_ids)
    for image_id, *values in rows.values_list("image_id", "pk", "filter_spec", "focal_point_key"):
        stored[image_id].append(Stored(*values))
    if not stored:
        return
    notes = RetiredRendition.objects.filter(image_id__in=list(stored))
    since = dict(notes.values_list("rendition_id", "first_seen_at"))
    for seen in read_images(sorted(stored)):
        yield from _findings_for_image(seen, stored[seen.image.pk], since, specs)


def _findings_for_image(
    seen: ImageRecords, stored: list[Stored], since: dict[str, dt.datetime], specs: Specs
) -> Iterator[Finding]:
    image = seen.show()
    current = {each: specs.is_current(each.spec, each.key, image) for each in stored}
    on_key = [each for each in stored if current[each] is True]
    off_key = [each for each in stored if current[each] is False]
    yield from _find_wanted(seen, on_key, specs)
    yield from _find_retirements(image.pk, on_key, off_key, since, specs)


# Wanted


def _find_wanted(seen: ImageRecords, on_key: Iterable[Stored], specs: Specs) -> Iterator[Finding]:
    """Yield the shapes shown as crops without a row: the process that knew of them was lost."""
    if not (settings.API_KEY and settings.AUTO_GENERATE) or seen.image.is_svg():
        return
    missing = defaultdict(set)
    for rendition in on_key:
        for operation in specs.operations(rendition.spec):
            alike = (row.shape for row in seen.rows if row.recipe == operation.recipe)
            if not any(same_shape(shape, operation.slot.shape) for shape in alike):
                missing[operation.recipe].add(operation.slot)
    for recipe, slots in missing.items():
        size = len({slot.shape for slot in slots})
        yield Finding(Repair.WANTED, size, partial(_record_demand, seen.image, slots, recipe))


def _record_demand(image: SiteImage, slots: Iterable[Slot], recipe: str) -> int:
    """Record the demand as a template's: a preview's is recorded before its rendition is stored."""
    return len(demand.record_demand(image, sorted(slots), recipe, by="template"))


# Retired


def _find_retirements(
    image_id: Any,
    on_key: Iterable[Stored],
    off_key: Iterable[Stored],
    since: dict[str, dt.datetime],
    specs: Specs,
) -> Iterator[Finding]:
    end = horizon()
    new = [each.pk for each in off_key if str(each.pk) not in since]
    back = [each.pk for each in on_key if str(each.pk) in since]
    over = [each.pk for each in off_key if since.get(str(each.pk), end) < end]
    if new:
        yield Finding(Repair.RETIRED, len(new), partial(_retire, image_id, new))
    if back:
        yield Finding(Repair.RETURNED, len(back), partial(_delete_notes, back))
    if over:
        yield Finding(Repair.DELETED, len(over), partial(_delete_retired, image_id, over, specs))


def horizon() -> dt.datetime:
    """Return the moment before which what was retired or replaced is deleted now."""
    return timezone.now() - dt.timedelta(days=settings.KEEP_RETIRED_DAYS)


def images_with_renditions_to_delete() -> Any:
    """Return the keys of images that have retired renditions whose time is over."""
    over = RetiredRendition.objects.filter(first_seen_at__lt=horizon())
    return over.values_list("image_id", flat=True)


def _retire(image_id: Any, pks: Iterable[Any]) -> int:
    notes = [RetiredRendition(image_id=image_id, rendition_id=str(pk)) for pk in pks]
    # Another run may have noted them meanwhile; then the earlier note holds.
    noted = len(RetiredRendition.objects.bulk_create(notes, ignore_conflicts=True))
    events.retired(image_id, noted, settings.KEEP_RETIRED_DAYS)
    return noted


def _delete_notes(pks: Iterable[Any]) -> int:
    names = [str(pk) for pk in pks]
    return RetiredRendition.objects.filter(rendition_id__in=names).delete()[0]


def _delete_retired(image_id: Any, pks: Iterable[Any], specs: Specs) -> int:
    """Delete the files and rows of those renditions that are still off their key.

    Their generations are raised first, on the condition that no flip came in between. A flip that
    is being prepared starts over, so that what goes live never has the key of a deleted row, which
    another process's cache may still hold. What a killed process leaves undone, the next run
    deletes.
    """
    version = ImageVersion.get_for(image_id)
    for seen in read_images([image_id]):
        seen.version = version
        image = seen.show()
        stored = ours().filter(pk__in=pks).select_related("image")
        off_key = [
            each
            for each in stored
            if specs.is_current(each.filter_spec, each.focal_point_key, image) is False
        ]
        operations = [each for row in off_key for each in specs.operations(row.filter_spec)]
        keys = {(operation.slot.shape, operation.recipe) for operation in operations}
        if off_key and version.raise_generations(keys):
            return _delete_all(off_key)
    return 0


def _delete_all(off_key: list[Any]) -> int:
    """Delete the renditions, then their notes, by which the next run would go on after a crash."""
    pks = [rendition.pk for rendition in off_key]
    for rendition in off_key:
        rendition_files.delete_rendition(rendition)
    _delete_notes(pks)
    return len(pks)


def find_gone(image_ids: list[Any]) -> Iterator[Finding]:
    """Yield the notes about renditions that other code has deleted."""
    stored = database.site_renditions()
    notes = RetiredRendition.objects.filter(image_id__in=image_ids)
    names = notes.values_list("rendition_id", flat=True)
    pks = {stored.model._meta.pk.to_python(name) for name in names}
    there = set(stored.filter(pk__in=pks).values_list("pk", flat=True)) if pks else set()
    if missing := pks - there:
        yield Finding(Repair.GONE, len(missing), partial(_delete_notes, missing))
