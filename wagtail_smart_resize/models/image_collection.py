"""Keeps what recompositions know of their image's collection.

It narrows lists down to the rows that a user may see; whether the user may is asked of the image.
So a row that is not up to date is missing from a list, and never in one where it doesn't belong.
Nothing signals an update of many images by a query set: `smart_resize_sync` finds those.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from django.db.models import F, Q
from django.db.models.signals import post_save

from wagtail_smart_resize.core import database
from wagtail_smart_resize.core.schema import schema
from wagtail_smart_resize.core.slices import slices

from .changed_image import COLLECTION_FIELDS, may_have_changed
from .recomposition import Recomposition, RecompositionQuerySet

#: Number of images or rows that one query names.
CHUNK_SIZE = 500


def connect_images() -> None:
    """Connect the receiver for saved images. Called by `AppConfig.ready`."""
    from wagtail.images import get_image_model

    post_save.connect(
        _follow_saved, sender=get_image_model(), dispatch_uid="smart_resize_collections"
    )


def _follow_saved(instance: Any, created: bool, update_fields: Any = None, **_kwargs: Any) -> None:
    if may_have_changed(COLLECTION_FIELDS, created, update_fields):
        follow_on_commit([instance.pk])


def follow_on_commit(image_ids: Iterable[Any]) -> None:
    """Update the images' rows once the transaction that moves the images is committed.

    Within it, the lock on an image and those on its rows would be taken in another order than by a
    runner, and trouble of ours would be the editor's.
    """
    ids = list(image_ids)
    if schema.is_current():
        database.on_commit(lambda: _follow(ids))


def _follow(image_ids: list[Any]) -> None:
    for some in slices(image_ids, CHUNK_SIZE):
        follow(outdated().filter(image_id__in=some))


def outdated() -> RecompositionQuerySet:
    """Return the rows that don't know the collection in which their image is now."""
    return Recomposition.objects.exclude(collection_id=F("image__collection_id"))


def follow(rows: RecompositionQuerySet) -> int:
    """Write the present collections of their images into these rows; return their number.

    They are read before they are written: an UPDATE that reads the images would lock those, too.
    """
    moved = defaultdict(list)
    for pk, collection_id in rows.values_list("pk", "image__collection_id"):
        moved[collection_id].append(pk)
    return sum(
        Recomposition.objects.filter(pk__in=keys).update_in_order(Q(), collection_id=collection_id)
        for collection_id, keys in moved.items()
    )
