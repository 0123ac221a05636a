"""Publishing a page lets go on what waited for a published page."""

import logging
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from wagtail.images import get_image_model
from wagtail.models import ReferenceIndex
from wagtail.signals import page_published

from wagtail_smart_resize import compat
from wagtail_smart_resize.core import clock
from wagtail_smart_resize.models import Recomposition
from wagtail_smart_resize.renditions import request_tracking
from wagtail_smart_resize.rules.verdict import Reason
from wagtail_smart_resize.runners import modes

logger = logging.getLogger(__name__)

#: So many references are followed: a page's own, and those of the snippets that it shows. What is
#: beyond them waits for the hourly repair.
MOST = 1000


def connect() -> None:
    """Listen to pages being published. From `AppConfig.ready`."""
    page_published.connect(_on_published, dispatch_uid="smart_resize_events")


def _on_published(instance: Any, **_kwargs: Any) -> None:
    """After the transaction, when the index knows the page as it is now."""
    transaction.on_commit(lambda: _ask_again(instance), robust=True)


def _ask_again(page: Any) -> None:
    try:
        woken = wake_images(images_shown_by(page))
        # A command, such as `publish_scheduled`, ends when its work does: a thread would be killed
        # with it, perhaps in the middle of a purchase.
        if woken and (request_tracking.in_admin() or modes.mode() == "tasks"):
            modes.wake()
    except Exception:
        logger.exception("Can't look again at what page %s waits for", page.pk)


def wake_images(ids: set[str]) -> int:
    """Make due what waits for these images to be used by a published page; returns how many."""
    rows = Recomposition.objects.filter(image_id__in=ids)
    return rows.wake(Reason.NOT_PUBLISHED, clock.now())


def images_shown_by(page: Any) -> set[str]:
    """The keys, as text, of the images that a page shows, itself or through a snippet."""
    image_type, page_type = _type_id(get_image_model()), _type_id(compat.get_page_model())
    shown = _references_from(page_type, {str(page.pk)})
    images = {pk for type_id, pk in shown if type_id == image_type}
    for type_id in {type_id for type_id, _pk in shown} - {image_type, page_type}:
        snippets = {pk for other, pk in shown if other == type_id}
        further = _references_from(type_id, snippets)
        images |= {pk for other, pk in further if other == image_type}
    return images


def _references_from(type_id: int, pks: set[str]) -> set[tuple[int, str]]:
    """What objects of one type refer to: content types and keys, as the index names them."""
    rows = ReferenceIndex.objects.filter(base_content_type=type_id, object_id__in=pks)
    found = rows.values_list("to_content_type_id", "to_object_id").distinct()
    return set(found[:MOST])


def _type_id(model: Any) -> int:
    """The content type by which the index names a model: that of its first table."""
    base = [model, *model._meta.get_parent_list()][-1]
    return ContentType.objects.get_for_model(base, for_concrete_model=False).pk
