"""Actions that can't be done now, and the lock within which that is found out."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import IntegrityError
from django.utils.translation import gettext as _

from wagtail_smart_resize.core import database
from wagtail_smart_resize.exceptions import SmartResizeError
from wagtail_smart_resize.models import ImageVersion


class Refused(SmartResizeError):
    """An action that can't be done now. Its text tells the user why, in their language.

    `code` is one of those in docs/reference/python.md, or the reason of a rule.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code, detail)


# An image may be deleted, or its file replaced, while somebody has its screen open.


@contextmanager
def locked_image(image_id: Any) -> Iterator[str]:
    """Lock the image's recompositions for a transaction; yield the current hash of its file.

    Raises Refused("deleted") if the image has been deleted.
    """
    try:
        ImageVersion.get_for(image_id)
    except IntegrityError as error:
        raise deleted_error() from error
    with database.atomic():
        ImageVersion.lock(image_id)
        stored = database.site_images().filter(pk=image_id)
        file_hash = stored.values_list("file_hash", flat=True).first()
        if file_hash is not None:
            yield file_hash
            return
    # Within a transaction of the caller's, the foreign key of a row without an image would only
    # fail on commit.
    ImageVersion.objects.filter(pk=image_id).delete()
    raise deleted_error()


def deleted_error() -> Refused:
    return Refused("deleted", _("The image has been deleted: nothing was done."))


def under_way_error() -> Refused:
    text = _("An AI version for this place has already been asked for.")
    return Refused("under_way", text)


def file_replaced_error() -> Refused:
    """Return the `Refused` to raise if the image has another file than the person saw."""
    return Refused(
        "replaced",
        _(
            "The image's file was replaced while you were here: nothing was bought. Have a look "
            "at the new picture first."
        ),
    )
