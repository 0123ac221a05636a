"""Publication: prepare the renditions, flip the version, then purge and send the signal.

What is to be live is read from the image's recompositions. Its renditions are made under the keys
that they will have, so that no visitor waits for them. Only then is the version published, in one
short transaction that is conditional on the revision that it started from.
"""

import datetime as dt
from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from wagtail_smart_resize.core import database
from wagtail_smart_resize.core.site_image import SiteImage
from wagtail_smart_resize.models import (
    ImageVersion,
    PublicationCounter,
    Recomposition,
    events,
)
from wagtail_smart_resize.renditions import published_cache
from wagtail_smart_resize.renditions.published import PublishedEntry, version_digest

from . import frontend_cache, preparation
from .material import Material

#: Delay of a purge after a flip. Until it ends, not every process has read the flip, and a visitor
#: could bring an old URL back into a cache.
PURGE_DELAY = dt.timedelta(seconds=5)
#: Lease for preparing an image's renditions. If it were too short, two processes would make the
#: same ones.
FLIP_LEASE = dt.timedelta(minutes=1)
MAX_ROUNDS = 5


class StillChanging(Exception):
    """The image or its recompositions changed while being prepared, `MAX_ROUNDS` times in a row."""


# Images are read through the base manager: one that a site's own default manager hides must not
# stay due for ever.


def publish(image_id: Any, material: Material | None = None) -> bool:
    """Publish what is to be live for the image; return whether that changed anything.

    `material`: what the caller has of its pictures.

    Raise CandidateUnusable, RenditionNotPrepared, StillChanging, or what the database or storage
    raises: then the image stays due, and what is live stays live.
    """
    # What has changed since it was read shows before the flip, and leads to another round.
    image = material.image if material else None
    for _round in range(MAX_ROUNDS):
        image = image or database.site_images(with_hidden=True).filter(pk=image_id).first()
        if image is None:
            return False
        version = ImageVersion.get_for(image_id)
        rows, now = _decided_rows(image), timezone.now()
        before = published_entries(version, image)
        after = _planned_entries(version, rows, before, now)
        settled = _settled(rows, now)
        if set(before) == set(after) and version.source_hash in ("", image.file_hash):
            if version.update_if(where={"revision": version.revision}, **settled):
                _settle_decisions(rows, now)
                return False
            image = None
            continue
        preparation.prepare(image, before, after, material)
        if _is_unchanged(image) and _flip(version, after, image.file_hash, settled):
            _send_signal(image, before, after)
            _settle_decisions(rows, now)
            return True
        image = None
    raise StillChanging(f"Image {image_id} kept changing while it was being prepared.")


def _settled(rows: Iterable[Recomposition], now: dt.datetime) -> dict[str, Any]:
    """Return the fields of a version that is as the rows want it: due for a later decision only."""
    later = [row.takes_effect_at for row in rows if _is_pending(row, now)]
    due = min(filter(None, later), default=None)
    return {"publish_due_at": due, "publish_attempts": 0, "damage_noted_at": None}


def _is_pending(row: Recomposition, now: dt.datetime) -> bool:
    """Return whether the row's decision can still be undone, and must not be published yet."""
    return row.takes_effect_at is not None and row.takes_effect_at > now


def _settle_decisions(rows: Iterable[Recomposition], now: dt.datetime) -> None:
    for row in rows:
        if row.takes_effect_at and not _is_pending(row, now):
            row.settle_decision()


def published_entries(version: ImageVersion, image: SiteImage) -> tuple[PublishedEntry, ...]:
    """Return the entries that are live for the image's present file."""
    if version.source_hash != image.file_hash:
        return ()
    return tuple(PublishedEntry.from_json(stored) for stored in version.live)


def _decided_rows(image: SiteImage) -> list[Recomposition]:
    """Return the recompositions of the image's present file on which visitors' view depends."""
    rows = Recomposition.objects.filter(image_id=image.pk, source_hash=image.file_hash)
    decided = rows.filter(Q(live__isnull=False) | Q(decision=Recomposition.Decision.CROP))
    return list(decided.select_related("live").order_by("shape", "recipe"))


def _planned_entries(
    version: ImageVersion,
    rows: Iterable[Recomposition],
    published: Iterable[PublishedEntry],
    now: dt.datetime,
) -> tuple[PublishedEntry, ...]:
    """Return the entries that are to be live now; those of undoable decisions stay as they are."""
    before = {(entry.shape, entry.recipe): entry for entry in published}
    entries = (
        before.get((row.shape, row.recipe))
        if _is_pending(row, now)
        else _entry_for(row, version, before.get((row.shape, row.recipe)))
        for row in rows
    )
    return tuple(entry for entry in entries if entry)


def _entry_for(
    row: Recomposition, version: ImageVersion, before: PublishedEntry | None
) -> PublishedEntry:
    """Return the row's entry: the live one if nothing changes, or one of the next generation."""
    file = row.live.file_name if row.live else ""
    damaged = bool(version.damage_noted_at and file)
    if before and before.file == file and not damaged:
        return before
    generation = version.generation(row.shape, row.recipe)
    if damaged and before:
        generation = max(generation, before.generation + 1)
    file_digest = row.live.digest if row.live else ""
    digest = version_digest(file, file_digest, generation)
    return PublishedEntry(
        row.shape, row.recipe, digest, file, generation, row.live.label if row.live else ""
    )


def _is_unchanged(image: SiteImage) -> bool:
    """Return whether focal point and file are still those that the renditions were made for."""
    names = [
        "focal_point_x",
        "focal_point_y",
        "focal_point_width",
        "focal_point_height",
        "file_hash",
    ]
    seen = {name: getattr(image, name) for name in names}
    return database.site_images(with_hidden=True).filter(pk=image.pk).values(*names).first() == seen


# Flipping


class _RaceLost(Exception):
    """Another flip or decision came in between."""


def _flip(
    version: ImageVersion,
    entries: Iterable[PublishedEntry],
    source_hash: str,
    settled: dict[str, Any],
) -> bool:
    """Publish in a short transaction of its own; flips commit in the order of their numbers."""
    using = database.alias()
    try:
        with transaction.atomic(using=using):
            PublicationCounter.advance()
            changes = {
                "live": [entry.to_json() for entry in entries],
                "generations": version.generations_with(entries),
                "source_hash": source_hash,
                "published_at": timezone.now(),
                "revision": F("revision") + 1,
                "purge_due_at": timezone.now() + PURGE_DELAY if frontend_cache.is_used() else None,
                **settled,
            }
            if not version.update_if(where={"revision": version.revision}, **changes):
                raise _RaceLost
    except _RaceLost:
        return False
    published_cache.process_cache.flipped(using)
    return True


def _send_signal(
    image: SiteImage, before: Iterable[PublishedEntry], after: Iterable[PublishedEntry]
) -> None:
    was = set(before)
    events.live(image, [(each.shape, each.recipe, each.file) for each in after if each not in was])
