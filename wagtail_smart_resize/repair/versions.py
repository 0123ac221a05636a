"""Repairs versions: they must match the recompositions, and be known to every process."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from django.db.models import Exists, OuterRef, Q

from wagtail_smart_resize.core import database
from wagtail_smart_resize.core.logs import get_logger
from wagtail_smart_resize.core.site_image import SiteImage
from wagtail_smart_resize.core.storage_errors import StorageError
from wagtail_smart_resize.models import ChangedImage, ImageVersion, Recomposition
from wagtail_smart_resize.purchasing import plan
from wagtail_smart_resize.renditions.published import PublishedEntry

from .reading import ImageRecords, keys_of, read_images
from .renditions import ours
from .report import Finding, Repair

logger = get_logger(__name__)


def find_missing_hashes(image_ids: list[Any]) -> Iterator[Finding]:
    """Yield the images used by this app that lack a file hash, by which it identifies files."""
    used = [
        Exists(ours().filter(image_id=OuterRef("pk"))),
        Exists(Recomposition.objects.filter(image_id=OuterRef("pk"))),
        Exists(ImageVersion.objects.filter(pk=OuterRef("pk"))),
    ]
    blank = database.site_images().filter(pk__in=image_ids, file_hash="")
    for image in blank.filter(used[0] | used[1] | used[2]).order_by("pk"):
        yield Finding(Repair.HASHES, 1, partial(_identify, image))


def _identify(image: SiteImage) -> int:
    try:
        plan.identify(image)
    except StorageError as error:
        # Not a failed repair: the file is missing, or its storage is down.
        logger.warning("Can't read the file of image %s: %s", image.pk, error)
        ChangedImage.note([image.pk])
        return 0
    return 1


def find_lost_versions(image_ids: list[Any]) -> Iterator[Finding]:
    """Yield the images that have something live or decided, but no version."""
    version = ImageVersion.objects.filter(pk=OuterRef("image_id"))
    decided = Q(decision=Recomposition.Decision.CROP) | Q(live__isnull=False)
    rows = Recomposition.objects.current().filter(image_id__in=image_ids)
    unpublished = rows.filter(decided, ~Exists(version)).values_list("image_id", flat=True)
    for image_id in unpublished.distinct().order_by("image_id"):
        yield Finding(Repair.REBUILT, 1, partial(_rebuild, image_id))


def _rebuild(image_id: Any) -> int:
    """Create the version with raised generations: none of the unknown former keys may return."""
    rows = Recomposition.objects.filter(image_id=image_id).values_list("shape", "recipe")
    keys = set(rows)
    if not ImageVersion.get_for(image_id).raise_generations(keys):
        return 0
    ImageVersion.mark_publish_due(image_id)
    return 1


def find_outdated_versions(image_ids: list[Any]) -> Iterator[Finding]:
    """Yield the images whose version contradicts their recompositions, or is of a former file."""
    settled = ImageVersion.objects.filter(pk__in=image_ids, publish_due_at=None)
    ids = keys_of(settled)
    for seen in read_images(ids) if ids else ():
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
