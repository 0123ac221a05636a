"""The renditions table tells what is wanted, and which of our renditions are of the past."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple

from django.db.models import QuerySet
from wagtail.images import get_image_model
from wagtail.images.exceptions import InvalidFilterSpecError
from wagtail.images.models import Filter

from wagtail_smart_resize.core import clock
from wagtail_smart_resize.core.sizes import Slot, same_shape
from wagtail_smart_resize.models import ImageVersion, RetiredRendition
from wagtail_smart_resize.purchasing import demand
from wagtail_smart_resize.renditions import rendition_files
from wagtail_smart_resize.renditions.operation import SmartResizeOperation, ours_among
from wagtail_smart_resize.settings import settings

from .reading import Seen, chunks, see
from .report import Finding, Repair

#: Images at a time: each has a rendition per shape, size and format.
IMAGES = 100


def ours() -> QuerySet:
    """The renditions whose spec names our filter, valid or not."""
    model = get_image_model().get_rendition_model()
    return model._default_manager.filter(filter_spec__contains="smartresize-")


class Stored(NamedTuple):
    """A rendition, as far as it matters here."""

    pk: Any
    spec: str
    key: str


class Specs:
    """Filters by their specs, each read once."""

    def __init__(self) -> None:
        self._filters: dict[str, Filter | None] = {}

    def filter(self, spec: str) -> Filter | None:
        """None for a spec that is not ours, or no longer valid: a preset that was removed."""
        if spec not in self._filters:
            self._filters[spec] = self._read(spec)
        return self._filters[spec]

    def operations(self, spec: str) -> list[SmartResizeOperation]:
        found = self.filter(spec)
        return ours_among(found.operations) if found else []

    @staticmethod
    def _read(spec: str) -> Filter | None:
        try:
            found = Filter(spec)
            return found if ours_among(found.operations) else None
        except InvalidFilterSpecError:
            return None

    def is_current(self, rendition: Stored, image: Any) -> bool | None:
        """Whether it has the key that its spec has now; None where that can't be said. What is
        live must be pinned to the image."""
        found = self.filter(rendition.spec)
        return None if found is None else found.get_cache_key(image) == rendition.key


def judged() -> Iterator[Finding]:
    """Shapes that nobody has noted as wanted, and renditions that come, stay and go."""
    specs = Specs()
    for ids in chunks(ours(), "image_id", IMAGES):
        stored = defaultdict(list)
        rows = ours().filter(image_id__in=ids)
        for image_id, *values in rows.values_list(
            "image_id", "pk", "filter_spec", "focal_point_key"
        ):
            stored[image_id].append(Stored(*values))
        notes = RetiredRendition.objects.filter(image_id__in=ids)
        since = dict(notes.values_list("rendition_id", "first_seen"))
        for seen in see(ids):
            yield from _of_image(seen, stored[seen.image.pk], since, specs)


def _of_image(
    seen: Seen, stored: list[Stored], since: dict[str, dt.datetime], specs: Specs
) -> Iterator[Finding]:
    image = seen.show()
    current = {each: specs.is_current(each, image) for each in stored}
    on_key = [each for each in stored if current[each] is True]
    off_key = [each for each in stored if current[each] is False]
    yield from _wants(seen, on_key, specs)
    yield from _retirement(image.pk, on_key, off_key, since, specs)


# Wanted


def _wants(seen: Seen, on_key: Iterable[Stored], specs: Specs) -> Iterator[Finding]:
    """Shapes that are shown as crops and have no row: a process was lost that knew of them."""
    if not (settings.API_KEY and settings.AUTO_GENERATE) or seen.image.is_svg():
        return
    missing = defaultdict(set)
    for rendition in on_key:
        for operation in specs.operations(rendition.spec):
            if not _has_row(seen, operation):
                missing[operation.recipe].add(operation.slot)
    for recipe, slots in missing.items():
        size = len({slot.shape for slot in slots})
        yield Finding(Repair.WANTED, size, partial(_record, seen.image, slots, recipe))


def _has_row(seen: Seen, operation: SmartResizeOperation) -> bool:
    alike = (row for row in seen.rows if row.recipe == operation.recipe)
    return any(same_shape(row.shape, operation.slot.shape) for row in alike)


def _record(image: Any, slots: Iterable[Slot], recipe: str) -> int:
    """By a preview: nobody knows better, and a published page is known to the rules."""
    return len(demand.record(image, sorted(slots), recipe, by="preview"))


# Retired


def _retirement(
    image_id: Any,
    on_key: Iterable[Stored],
    off_key: Iterable[Stored],
    since: dict[str, dt.datetime],
    specs: Specs,
) -> Iterator[Finding]:
    horizon = clock.now() - dt.timedelta(days=settings.KEEP_RETIRED_DAYS)
    new = [each.pk for each in off_key if str(each.pk) not in since]
    back = [each.pk for each in on_key if str(each.pk) in since]
    over = [each.pk for each in off_key if since.get(str(each.pk), horizon) < horizon]
    if new:
        yield Finding(Repair.RETIRED, len(new), partial(_retire, image_id, new))
    if back:
        yield Finding(Repair.RETURNED, len(back), partial(_forget, back))
    if over:
        yield Finding(Repair.DELETED, len(over), partial(_delete, image_id, over, specs))


def _retire(image_id: Any, pks: Iterable[Any]) -> int:
    notes = [RetiredRendition(image_id=image_id, rendition_id=str(pk)) for pk in pks]
    # Another run may have noted them meanwhile: the earlier note counts.
    return len(RetiredRendition.objects.bulk_create(notes, ignore_conflicts=True))


def _forget(pks: Iterable[Any]) -> int:
    names = [str(pk) for pk in pks]
    return RetiredRendition.objects.filter(rendition_id__in=names).delete()[0]


def _delete(image_id: Any, pks: Iterable[Any], specs: Specs) -> int:
    """Delete files and rows of those that are off their key even now.

    Their generations rise first, on the condition that no flip came in between: one that is
    being prepared starts over, so that what goes live never has the key of a deleted row, which
    another process's cache may still remember. What a killed process leaves of it, the next run
    deletes.
    """
    version = ImageVersion.of(image_id)
    for seen in see([image_id]):
        seen.version = version
        image = seen.show()
        stored = ours().filter(pk__in=pks).select_related("image")
        off_key = [each for each in stored if _is_off_key(each, image, specs)]
        if off_key and version.raise_generations(_keys(off_key, specs)):
            return _delete_all(off_key)
    return 0


def _is_off_key(rendition: Any, image: Any, specs: Specs) -> bool:
    stored = Stored(rendition.pk, rendition.filter_spec, rendition.focal_point_key)
    return specs.is_current(stored, image) is False


def _keys(rows: Iterable[Any], specs: Specs) -> set[tuple[Any, str]]:
    """The shapes and recipes of some renditions."""
    operations = (each for row in rows for each in specs.operations(row.filter_spec))
    return {(operation.slot.shape, operation.recipe) for operation in operations}


def _delete_all(off_key: list[Any]) -> int:
    """The notes go last: until then the next run knows that their time is over."""
    pks = [rendition.pk for rendition in off_key]
    for rendition in off_key:
        rendition_files.delete(rendition)
    _forget(pks)
    return len(pks)


def gone() -> Iterator[Finding]:
    """Notes about renditions that somebody else has deleted."""
    model = get_image_model().get_rendition_model()
    for ids in chunks(RetiredRendition.objects.all(), size=500):
        notes = RetiredRendition.objects.filter(pk__in=ids).values_list("rendition_id", flat=True)
        pks = {model._meta.pk.to_python(name) for name in notes}
        there = model._default_manager.filter(pk__in=pks).values_list("pk", flat=True)
        missing = pks - set(there)
        if missing:
            yield Finding(Repair.GONE, len(missing), partial(_forget, missing))
