"""`image.smart_resize`, and the image attributes that Wagtail hashes into keys of renditions."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from django.db.models.fields.related_descriptors import ReverseOneToOneDescriptor

from wagtail_smart_resize.core.logs import get_logger
from wagtail_smart_resize.core.site_image import SiteImage

from . import published_cache, request_tracking
from .published import NOTHING_PUBLISHED, PublishedState, RecordedState

logger = get_logger(__name__)


class PublishedStateDescriptor(ReverseOneToOneDescriptor):  # type: ignore[type-arg]
    """`image.smart_resize`: what is live for the image, pinned to the instance that asked.

    `refresh_from_db` clears it together with the other cached relations.
    """

    def __get__(self, instance: Any, cls: Any = None) -> Any:
        if instance is None:
            return self
        cache = instance._state.fields_cache
        live = cache.get(self.related.cache_name)
        # `select_related` stores rows here, and unpickling an empty `ModelState`.
        if not isinstance(live, PublishedState):
            live = cache[self.related.cache_name] = self._ask(instance)
        return live

    @staticmethod
    def _ask(image: SiteImage) -> PublishedState:
        try:
            live = published_cache.process_cache.live(image.pk, image.file_hash)
        except Exception:
            logger.exception("Can't tell what is live for image %s", image.pk)
            live = NOTHING_PUBLISHED
        if request_tracking.is_preview():
            live = live.in_preview(request_tracking.tried_for(image.pk))
            recorder = request_tracking.recorder()
            return live if recorder is None else RecordedState(live, image.pk, recorder)
        request_tracking.note_shown(image.pk)
        return live


def pin(image: SiteImage, live: PublishedState) -> None:
    """Set what the instance shows, to prepare renditions of what is not live yet."""
    image._state.fields_cache["smart_resize"] = live


def pinned(image: SiteImage) -> PublishedState | None:
    """Return what the instance shows, without a look-up; None if nothing asked it before.

    Images of another model than the site's always give None: this app has nothing for them.
    """
    live = image._state.fields_cache.get("smart_resize")
    return live if isinstance(live, PublishedState) else None


def vary_field(shape: Decimal, recipe: str) -> str:
    """Return the name of the image attribute whose text is the version live for shape and recipe.

    Wagtail hashes it into the keys of the renditions whose operation names it. The attribute is
    added to the image model when a spec of that shape is first parsed.
    """
    from wagtail.images import get_image_model

    name = f"smart_resize_{int(shape * 1000)}" + (f"_{recipe}" if recipe else "")
    model = get_image_model()
    if not hasattr(model, name):
        setattr(model, name, property(_version_reader(name, shape, recipe)))
    return name


def _version_reader(name: str, shape: Decimal, recipe: str) -> Callable[[Any], str]:
    """Return a getter that caches: Wagtail calls it twice for every image of every page."""

    def version(image: SiteImage) -> str:
        live = image.smart_resize
        found = live.versions.get(name)
        if found is None:
            found = live.versions[name] = live.version(shape, recipe)
        return found

    return version
