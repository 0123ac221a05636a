"""Images that the next repair looks at again: saved ones, and those of a repair that failed."""

from collections.abc import Iterable
from typing import Any

from django.db import models
from django.db.models.signals import post_save

from wagtail_smart_resize.core import database
from wagtail_smart_resize.core.schema import schema

from .base import ConditionalUpdateModel

COLLECTION_FIELDS = frozenset({"collection", "collection_id"})
#: The fields of an image on which something of the app's depends.
FIELDS = COLLECTION_FIELDS | frozenset(
    {
        "file",
        "file_hash",
        "focal_point_height",
        "focal_point_width",
        "focal_point_x",
        "focal_point_y",
        "height",
        "width",
    }
)


class ChangedImage(ConditionalUpdateModel):
    """A note that an image has changed; one for each change, until a repair has looked.

    A repair deletes the notes that it has read, by their keys: so a change that comes meanwhile,
    which it may or may not have seen, leads to another look.
    """

    #: The image's primary key as text. No foreign key: a note takes no lock on an image, and costs
    #: nothing when an image is deleted.
    image_key = models.CharField(max_length=64)

    class Meta:
        verbose_name = "changed image"
        verbose_name_plural = "changed images"
        default_permissions = ()

    def __str__(self) -> str:
        return self.image_key

    @classmethod
    def note(cls, image_ids: Iterable[Any]) -> None:
        """Have the next repair look at the images."""
        cls.objects.bulk_create([cls(image_key=str(pk)) for pk in image_ids])


def connect_changes() -> None:
    """Connect the receiver for saved images. Called by `AppConfig.ready`."""
    from wagtail.images import get_image_model

    post_save.connect(_note_saved, sender=get_image_model(), dispatch_uid="smart_resize_changes")


def may_have_changed(
    fields: frozenset[str], created: bool, update_fields: Iterable[str] | None
) -> bool:
    """Return whether a save of which the signal tells this may have changed any of the fields."""
    return not created and (update_fields is None or not fields.isdisjoint(update_fields))


def _note_saved(instance: Any, created: bool, update_fields: Any = None, **_kwargs: Any) -> None:
    """Note it once the save is committed: trouble of ours must not be the editor's.

    Nothing can be known of a new image. What a process that is killed in between fails to note, the
    reading of all images finds.
    """
    if may_have_changed(FIELDS, created, update_fields) and schema.is_current():
        image_id = instance.pk
        database.on_commit(lambda: ChangedImage.note([image_id]))
