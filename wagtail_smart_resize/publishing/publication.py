"""Becoming live: prepare the renditions, then flip the version, then purge and tell.

What is to be live is read from the image's recompositions. Its renditions are made under the keys
that they will have, so that no visitor waits for them, and only then is the version published,
in one short transaction that is conditional on what it started from.
"""

import datetime as dt
import logging
from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone
from wagtail.images import get_image_model

from wagtail_smart_resize.models import FeedCounter, ImageVersion, Recomposition
from wagtail_smart_resize.renditions import published_cache
from wagtail_smart_resize.renditions.published import Entry, digest
from wagtail_smart_resize.signals import recomposition_published

from . import preparation

logger = logging.getLogger(__name__)

#: When every process must have looked: until then a visitor could bring an old URL back to a cache.
PURGE_DELAY = dt.timedelta(seconds=5)
ROUNDS = 5


class StillChanging(Exception):
    """The image or its recompositions changed while being prepared, several times in a row."""


# Through the base manager: an image that a site's own manager hides must not stay due for ever.


def publish(image_id: Any) -> bool:
    """Make live what is to be live for the image; tell whether that changed anything.

    Raises CandidateUnreadable, RenditionNotStored, StillChanging, or what the database or storage
    raises: the image stays due, and what is live stays live.
    """
    for _round in range(ROUNDS):
        image = get_image_model()._base_manager.filter(pk=image_id).first()
        if image is None:
            return False
        version = ImageVersion.of(image_id)
        before, after = current(version, image), planned(version, image)
        if _same(before, after, version, image):
            if version.move(where={"revision": version.revision}, **SETTLED):
                return False
            continue
        preparation.prepare(image, before, after)
        if _unchanged(image) and _flip(version, after, image.file_hash):
            _tell(image, before, after)
            return True
    raise StillChanging(f"Image {image_id} kept changing while it was being prepared.")


SETTLED = {"flip_due": None, "flip_attempts": 0, "damage_noted": None}


def current(version: ImageVersion, image: Any) -> tuple[Entry, ...]:
    """What is live now for the image's present file."""
    if version.source_hash != image.file_hash:
        return ()
    return tuple(Entry.load(stored) for stored in version.live)


def planned(version: ImageVersion, image: Any) -> tuple[Entry, ...]:
    """What is to be live, as the image's recompositions say."""
    before = {(entry.shape, entry.recipe): entry for entry in current(version, image)}
    rows = Recomposition.objects.filter(image_id=image.pk, source_hash=image.file_hash)
    decided = rows.filter(Q(live__isnull=False) | Q(decision=Recomposition.Decision.CROP))
    return tuple(
        _entry(row, version, before.get((row.shape, row.recipe)))
        for row in decided.select_related("live").order_by("shape", "recipe")
    )


def _entry(row: Recomposition, version: ImageVersion, before: Entry | None) -> Entry:
    """The row's entry: the one that is live, or one of the generation that comes next."""
    file = row.live.file.name if row.live else ""
    damaged = bool(version.damage_noted and file)
    if before and before.file == file and not damaged:
        return before
    generation = version.generation(row.shape, row.recipe)
    if damaged and before:
        generation = max(generation, before.generation + 1)
    file_digest = row.live.digest if row.live else ""
    return Entry(row.shape, row.recipe, digest(file, file_digest, generation), file, generation)


def _same(
    before: Iterable[Entry], after: Iterable[Entry], version: ImageVersion, image: Any
) -> bool:
    return set(before) == set(after) and version.source_hash in ("", image.file_hash)


def _unchanged(image: Any) -> bool:
    """Whether the focal point and the file are still those that the renditions were made for."""
    names = [
        "focal_point_x",
        "focal_point_y",
        "focal_point_width",
        "focal_point_height",
        "file_hash",
    ]
    seen = {name: getattr(image, name) for name in names}
    return type(image)._base_manager.filter(pk=image.pk).values(*names).first() == seen


# Flipping


class _Lost(Exception):
    """Another flip or decision came in between."""


def _flip(version: ImageVersion, entries: Iterable[Entry], source_hash: str) -> bool:
    """Publish: a short transaction of its own, in the order of the feed's numbers."""
    using = published_cache.memory.alias()
    try:
        with transaction.atomic(using=using):
            changes = {
                "live": [entry.dump() for entry in entries],
                "generations": version.generations_with(entries),
                "source_hash": source_hash,
                "seq": FeedCounter.next(),
                "revision": F("revision") + 1,
                "purge_due": timezone.now() + PURGE_DELAY,
                **SETTLED,
            }
            if not version.move(where={"revision": version.revision}, **changes):
                raise _Lost
    except _Lost:
        return False
    published_cache.memory.flipped(using)
    return True


def _tell(image: Any, before: Iterable[Entry], after: Iterable[Entry]) -> None:
    was = set(before)
    changes = [(entry.shape, entry.recipe, entry.file) for entry in after if entry not in was]
    for shape, recipe, file in changes:
        logger.info("Image %s, shape %s %s: %s is live", image.pk, shape, recipe, file or "crop")
    recomposition_published.send_robust(sender=type(image), image=image, changes=changes)
