"""Whether a rendition shows a recomposition, determined without a query."""

from typing import Any

from wagtail.images.exceptions import InvalidFilterSpecError
from wagtail.images.models import Filter, ResponsiveImage

from wagtail_smart_resize.core.site_image import SiteImage

from .operation import SmartResizeOperation, smart_resize_operations
from .published import NOTHING_PUBLISHED

__all__ = ["is_recomposed"]


def is_recomposed(rendition: Any) -> bool:
    """Return whether a candidate is in the rendition, or in any rendition of a `<picture>`.

    `rendition` is a rendition of Wagtail's or a `ResponsiveImage`. The key of a rendition is a hash
    that doesn't reveal what it was made of. It is therefore computed again from what the image
    shows, which is pinned to the image through which the rendition was found.
    """
    if isinstance(rendition, ResponsiveImage):
        return any(map(is_recomposed, rendition.renditions))
    spec = getattr(rendition, "filter_spec", None) or ""
    ours = our_operations(spec)
    return bool(ours) and _is_recomposed(rendition, Filter(spec), ours)


def our_operations(spec: str) -> list[SmartResizeOperation]:
    """Return this app's operations in a filter spec; none if it can't be parsed any more."""
    if "smartresize-" not in spec:
        return []
    try:
        return smart_resize_operations(Filter(spec).operations)
    except InvalidFilterSpecError:
        return []  # names a preset that was removed


def _is_recomposed(rendition: Any, spec: Filter, ours: list[SmartResizeOperation]) -> bool:
    image = rendition.image
    shown = getattr(image, "smart_resize", NOTHING_PUBLISHED)
    found = (each.entry_in(shown) for each in ours)
    entries = [entry for entry in found if entry is not None]
    if not entries or image.is_svg():
        return False
    if rendition.focal_point_key == spec.get_cache_key(image):
        return any(entry.file for entry in entries)
    # Made for another version than the live one: the crop from before anything was live, or a
    # candidate.
    untouched = _WithoutVersions(image, {each.version_field for each in ours})
    return rendition.focal_point_key != spec.get_cache_key(untouched)


class _WithoutVersions:
    """Proxy of an image whose version attributes are blank, as while nothing is live for it."""

    def __init__(self, image: SiteImage, versions: set[str]) -> None:
        self._image = image
        self._versions = versions

    def __getattr__(self, name: str) -> Any:
        return "" if name in self._versions else getattr(self._image, name)
