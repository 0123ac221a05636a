"""`image.smart_resize`, and the attributes that Wagtail hashes into the keys of renditions."""

import logging
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from django.db.models.fields.related_descriptors import ReverseOneToOneDescriptor

from . import published_cache, request_tracking
from .published import EMPTY, Live

logger = logging.getLogger(__name__)


class LiveAccessor(ReverseOneToOneDescriptor):
    """`image.smart_resize`: what is live for the image, pinned to the instance that asked.

    `refresh_from_db` clears it with the other cached relations.
    """

    def __get__(self, instance: Any, cls: Any = None) -> Any:
        if instance is None:
            return self
        cache = instance._state.fields_cache
        live = cache.get(self.related.cache_name)
        # `select_related` puts rows here, and pickling None.
        if not isinstance(live, Live):
            live = cache[self.related.cache_name] = self._ask(instance)
        return live

    @staticmethod
    def _ask(image: Any) -> Live:
        try:
            live = published_cache.memory.live(image.pk, image.file_hash)
        except Exception:
            logger.exception("Can't tell what is live for image %s", image.pk)
            live = EMPTY
        return live.in_preview() if request_tracking.in_admin() else live


def pin(image: Any, live: Live) -> None:
    """Make `live` what the instance shows: for preparing what is not live yet."""
    image._state.fields_cache["smart_resize"] = live


def pinned(image: Any) -> Live | None:
    """What the instance shows, without asking anybody. None if nobody asked it before, as with
    images of another model than the site's: those have nothing of ours."""
    live = image._state.fields_cache.get("smart_resize")
    return live if isinstance(live, Live) else None


def vary_field(shape: Decimal, recipe: str) -> str:
    """The name of the image attribute whose text is the version live for this shape and recipe.

    Wagtail hashes it into the keys of the renditions whose operation names it. The attribute is
    added to the image model when a spec of that shape is first read.
    """
    from wagtail.images import get_image_model

    name = f"smart_resize_{int(shape * 1000)}" + (f"_{recipe}" if recipe else "")
    model = get_image_model()
    if not hasattr(model, name):
        setattr(model, name, property(_version_reader(name, shape, recipe)))
    return name


def _version_reader(name: str, shape: Decimal, recipe: str) -> Callable[[Any], str]:
    """Asked twice for every picture of every page: what was found is one look-up."""

    def version(image: Any) -> str:
        live = image.smart_resize
        found = live.versions.get(name)
        if found is None:
            found = live.versions[name] = live.version(shape, recipe)
        return found

    return version
