"""What is published must be what the recompositions say, and be known to every process."""

import logging
from collections.abc import Iterator
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, Max, OuterRef, Q
from wagtail.images import get_image_model

from wagtail_smart_resize.core.storage_errors import StorageTrouble
from wagtail_smart_resize.models import FeedCounter, ImageVersion, Recomposition
from wagtail_smart_resize.purchasing import plan
from wagtail_smart_resize.renditions.published import Entry

from .reading import Seen, chunks, see
from .renditions import ours
from .report import Finding, Repair

logger = logging.getLogger(__name__)


def hashes() -> Iterator[Finding]:
    """Images of ours whose file was never hashed: the hash is their identity for us."""
    model = get_image_model()
    used = [
        Exists(ours().filter(image_id=OuterRef("pk"))),
        Exists(Recomposition.objects.filter(image_id=OuterRef("pk"))),
        Exists(ImageVersion.objects.filter(pk=OuterRef("pk"))),
    ]
    blank = model._default_manager.filter(used[0] | used[1] | used[2], file_hash="")
    # A file is read for each.
    for ids in chunks(blank, size=50):
        for image in model._default_manager.filter(pk__in=ids):
            yield Finding(Repair.HASHES, 1, partial(_identify, image))


def _identify(image: Any) -> int:
    try:
        plan.identify(image)
    except StorageTrouble as error:
        # Nothing of ours failed: the file is missing, or its storage is down.
        logger.warning("Can't read the file of image %s: %s", image.pk, error)
        return 0
    return 1


def counter() -> Iterator[Finding]:
    """A counter that fell behind (its row was lost): processes that look for what came after the
    highest number that they know would never see the flips that it numbered."""
    highest = ImageVersion.objects.aggregate(highest=Max("seq"))["highest"] or 0
    value = FeedCounter.objects.aggregate(value=Max("value"))["value"] or 0
    if value < highest:
        missed = ImageVersion.objects.filter(seq__lte=value)
        yield Finding(Repair.COUNTER, missed.count() or 1, partial(_renumber, highest, value))


def _renumber(highest: int, fell_to: int) -> int:
    with transaction.atomic():
        FeedCounter.next()
        FeedCounter.objects.filter(value__lt=highest).update(value=highest)
        missed = list(ImageVersion.objects.filter(seq__lte=fell_to).values_list("pk", flat=True))
        for pk in missed:
            ImageVersion.objects.filter(pk=pk).update(seq=FeedCounter.next())
    return len(missed) or 1


def lost() -> Iterator[Finding]:
    """Images with something live or decided, and no version."""
    version = ImageVersion.objects.filter(pk=OuterRef("image_id"))
    unpublished = _decided().filter(~Exists(version), source_hash=F("image__file_hash"))
    for ids in chunks(unpublished, "image_id"):
        for image_id in ids:
            yield Finding(Repair.REBUILT, 1, partial(_rebuild, image_id))


def _decided() -> Any:
    crop = Q(decision=Recomposition.Decision.CROP)
    return Recomposition.objects.filter(crop | Q(live__isnull=False))


def _rebuild(image_id: Any) -> int:
    """A version from nothing: nobody knows which keys there were, so none of them may return."""
    rows = Recomposition.objects.filter(image_id=image_id).values_list("shape", "recipe")
    keys = set(rows)
    if not ImageVersion.of(image_id).raise_generations(keys):
        return 0
    ImageVersion.mark_due(image_id)
    return 1


def outdated() -> Iterator[Finding]:
    """Images whose version says something else than their recompositions, or is an old file's."""
    for ids in chunks(ImageVersion.objects.filter(flip_due=None)):
        for seen in see(ids):
            if not _agrees(seen):
                yield Finding(Repair.FLIPS, 1, partial(_mark_due, seen.image.pk))


def _agrees(seen: Seen) -> bool:
    version = seen.version
    if version is None:
        return True  # it has just been deleted
    rows = [row for row in seen.rows if row.live or row.decision == row.Decision.CROP]
    planned = {(row.shape, row.recipe, row.live.file.name if row.live else "") for row in rows}
    entries = [Entry.load(stored) for stored in version.live]
    published = {(entry.shape, entry.recipe, entry.file) for entry in entries}
    of_this_file = version.source_hash == seen.image.file_hash
    return planned == published and (of_this_file or not published)


def _mark_due(image_id: Any) -> int:
    ImageVersion.mark_due(image_id)
    return 1
