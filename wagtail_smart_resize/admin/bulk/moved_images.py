"""Follows what Wagtail's bulk actions do to images: "Add to collection" sends no signal."""

from collections.abc import Iterable
from typing import Any

from wagtail.images import get_image_model

from wagtail_smart_resize.models import image_collection


def follow(model: Any, objects: Iterable[Any]) -> None:
    """Update the rows of those of the objects that are images and were moved.

    After any action: those of a site's own may move images, too.
    """
    if issubclass(model, get_image_model()):
        image_collection.follow_on_commit(image.pk for image in objects)
