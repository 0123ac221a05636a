"""Repairs versions: they must match the recompositions, and be known to every process."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from django.db.models import Exists, OuterRef, Q

from wagtail_smart_resize.core import database
from wagtail_smart_resize.core.logs import get_logger
from wagtail_smart_resize.core.site_image import SiteImage
from wagtail_smart_resize.core.storage_errors import StorageError
from wagtail_smart_resize.models import ImageVersion, Recomposition
from wagtail_smart_resize.purchasing import plan
from wagtail_smart_resize.renditions.published import PublishedEntry

from .reading import ImageRecords, chunks, read_images
from .renditions import ours
from .report import Finding, Repair

logger = get_logger(__name__)


def find_missing_hashes() -> Iterator[Finding]:
    """Yield the images used by this app that lack a file hash, by which it identifies files."""
    used = [
        Exists(ours().filter(image_id=OuterRef("pk"))),
        Exists(Recomposition.objects.filter(image_id=OuterRef("pk"))),
        Exists(ImageVersion.objects.filter(pk=OuterRef("pk"))),
    ]
    blank = database.site_images().filter(used[0] | used[1] | used[2], file_hash="")
    # Small chunks, since a file is read for each image.
    for ids in chunks(blank, size=50):
        for image in database.site_images().filter(pk__in=ids):
            yield Finding(Repair.HASHES, 1, partial(_identify, image))


def _identify(image: SiteImage) -> int:
    try:
        plan.identify(image)
    except StorageError as error:
        # Not a failed repair: the file is missing, or its storage is down.
        logger.warning("Can't read the file of image %s: %s", image.pk, error)
        return 0
    return 1


def find_lost_versions() -> Iterator[Finding]:
    """Yield the images that have something live or decided, but no version."""
    version = ImageVersion.objects.filter(pk=OuterRef("image_id"))
    decided = Q(decision=Recomposition.Decision.CROP) | Q(live__isnull=False)
    unpublished = Recomposition.objects.current().filter(decided, ~Exists(version))
    for ids in chunks(unpublished, "image_id"):
        for image_id in ids:
            yield Finding(Repair.REBUILT, 1, partial(_rebuild, image_id))


def _rebuild(image_id: Any) -> int:
    """Create the version with raised generations: none of the unknown former keys may return."""
    rows = Recomposition.objects.filter(image_id=image_id).values_list("shape", "recipe")
    keys = set(rows)
    if not ImageVersion.get_for(image_id).raise_generations(keys):
        return 0
    ImageVersion.mark_publish_due(image_id)
    return 1


def find_outdated_versions() -> Iterator[Finding]:
    """Yield the images whose version contradicts their recompositions, or is of a former file."""
    for ids in chunks(ImageVersion.objects.filter(publish_due_at=None)):
        for seen in read_images(ids):
            if not _is_consistent(seen):
                yield Finding(Repair.FLIPS, 1, partial(_mark_due, seen.image.pk))


def _is_consistent(seen: ImageRecords) -> bool:
    version = seen.version
    if version is None:
        return True  # Just deleted.
    rows = [row for row in seen.rows if row.live or row.decision == row.Decision.CROP]
    planned = {(row.shape, row.recipe, row.live.file.name if row.live else "") for row in rows}
    entries = [PublishedEntry.from_json(stored) for stored in version.live]
    published = {(entry.shape, entry.recipe, entry.file) for entry in entries}
    of_this_file = version.source_hash == seen.image.file_hash
    return planned == published and (of_this_file or not published)


def _mark_due(image_id: Any) -> int:
    ImageVersion.mark_publish_due(image_id)
    return 1
