"""Which images a repair looks at since something of theirs may have changed, found by indexes.

What comes by other ways, such as an update by a query set or a restored table, `rounds` finds.
"""

from collections.abc import Iterator
from typing import Any

from django.core.exceptions import ValidationError

from wagtail_smart_resize.core import database
from wagtail_smart_resize.models import Candidate, ChangedImage, ImageVersion

from . import purchases, renditions, waiting
from .since import OVERLAP, Begin, renditions_are_numbered


def changed_images(since: Begin, last_note: int) -> set[Any]:
    """Return the keys of the images. Only keys are held, and only of what has changed."""
    return {pk for source in _sources(since, last_note) for pk in source}


def last_note() -> int:
    """Return the key of the last note that an image has changed, 0 if there is none."""
    keys = ChangedImage.objects.order_by("-pk").values_list("pk", flat=True)
    return keys.first() or 0


def forget_notes(last_note: int) -> None:
    """Delete the notes up to this one, whose images were looked at."""
    if last_note:
        ChangedImage.objects.filter(pk__lte=last_note).delete()


def _sources(since: Begin, last_note: int) -> Iterator[Any]:
    moment = since.at - OVERLAP
    # Saved: its file, its focal point or its collection may be others. Or a repair failed.
    yield _noted(last_note)
    # Flipped: renditions are off their keys, or on them again.
    published = ImageVersion.objects.filter(published_at__gte=moment)
    yield published.values_list("pk", flat=True)
    # Shown for the first time: a process may be lost that had noted what is wanted.
    if renditions_are_numbered():
        shown = renditions.ours().filter(pk__gt=since.rendition)
        yield shown.values_list("image_id", flat=True).distinct()
    # Bought: a process may be lost that was about to put it into the review queue.
    bought = Candidate.objects.filter(stored=True, created_at__gte=moment)
    yield bought.values_list("recomposition__image_id", flat=True)
    # Due to be deleted.
    yield renditions.images_with_renditions_to_delete()
    yield purchases.images_with_rows_to_delete()
    yield waiting.images_that_wait_no_more()


def _noted(last_note: int) -> Iterator[Any]:
    key = database.site_images().model._meta.pk
    notes = ChangedImage.objects.filter(pk__lte=last_note) if last_note else ()
    for text in {note.image_key for note in notes}:
        try:
            yield key.to_python(text)
        except ValidationError:
            continue  # Of a former image model.
