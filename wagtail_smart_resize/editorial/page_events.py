"""Resumes recompositions that wait for a published page when one is published."""

from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.utils import timezone
from wagtail.images import get_image_model
from wagtail.models import ReferenceIndex
from wagtail.signals import page_published

from wagtail_smart_resize import compat
from wagtail_smart_resize.core import database
from wagtail_smart_resize.core.logs import get_logger
from wagtail_smart_resize.core.schema import schema
from wagtail_smart_resize.models import Recomposition
from wagtail_smart_resize.renditions import request_tracking
from wagtail_smart_resize.runners import modes

logger = get_logger(__name__)

#: Maximum number of references followed, of a page as of the snippets that it shows. The hourly
#: repair handles the rest.
MAX_REFERENCES = 1000


def connect_page_events() -> None:
    """Connect to Wagtail's `page_published` signal. Called by `AppConfig.ready`."""
    page_published.connect(_on_published, dispatch_uid="smart_resize_events")


def _on_published(instance: Any, **_kwargs: Any) -> None:
    """Run after the transaction, when Wagtail's reference index is up to date.

    Wagtail sends the signal also for a page that is only scheduled.
    """
    if not instance.live or not schema.is_current():
        return
    database.on_commit(lambda: _wake_shown_images(instance))


def _wake_shown_images(page: Any) -> None:
    try:
        woken = wake_images(images_shown_by(page))
        # A management command such as `publish_scheduled` exits when its work is done: a thread
        # would be killed with it, perhaps during a purchase.
        if woken and (request_tracking.in_admin() or modes.mode() == "tasks"):
            modes.wake()
    except Exception:
        logger.exception("Can't look again at what page %s waits for", page.pk)


def wake_images(ids: set[str]) -> int:
    """Make due what waits for a published page to use these images; return the number of rows."""
    from wagtail_smart_resize.rules.verdict import Reason

    rows = Recomposition.objects.filter(image_id__in=ids)
    return rows.wake(Reason.NOT_PUBLISHED, timezone.now())


def images_shown_by(page: Any) -> set[str]:
    """Return the ids, as strings, of the images that a page shows itself or through a snippet."""
    image_type, page_type = _type_id(get_image_model()), _type_id(compat.get_page_model())
    shown = _references_from(page_type, {str(page.pk)})
    images = {pk for type_id, pk in shown if type_id == image_type}
    for type_id in {type_id for type_id, _pk in shown} - {image_type, page_type}:
        snippets = {pk for other, pk in shown if other == type_id}
        further = _references_from(type_id, snippets)
        images |= {pk for other, pk in further if other == image_type}
    return images


def _references_from(type_id: int, pks: set[str]) -> set[tuple[int, str]]:
    """Return what objects of one type refer to: content type and object ids in the index."""
    index = database.primary(ReferenceIndex.objects)
    rows = index.filter(base_content_type=type_id, object_id__in=pks)
    found = rows.values_list("to_content_type_id", "to_object_id").distinct()
    return set(found[:MAX_REFERENCES])


def _type_id(model: Any) -> int:
    """Return the id of the content type that the index uses for a model: its root model's."""
    base = [model, *model._meta.get_parent_list()][-1]
    return ContentType.objects.get_for_model(base, for_concrete_model=False).pk
