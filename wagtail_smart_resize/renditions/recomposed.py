"""Whether a rendition that somebody holds shows a recomposed picture, told without a query."""

from typing import Any

from wagtail.images.exceptions import InvalidFilterSpecError
from wagtail.images.models import Filter, ResponsiveImage

from .operation import SmartResizeOperation, ours_among
from .published import EMPTY

__all__ = ["is_recomposed"]


def is_recomposed(rendition: Any) -> bool:
    """True of a rendition of Wagtail's, or of several in a `<picture>`, that a candidate is in.

    A key is a hash: it doesn't tell what it was made of. So it is made again of what the image
    shows, which is pinned to the image through which the rendition was found.
    """
    if isinstance(rendition, ResponsiveImage):
        return any(map(is_recomposed, rendition.renditions))
    spec = getattr(rendition, "filter_spec", None) or ""
    ours = our_operations(spec)
    return bool(ours) and _is_recomposed(rendition, Filter(spec), ours)


def our_operations(spec: str) -> list[SmartResizeOperation]:
    """Those of ours in a filter spec; none in one that can't be read any more."""
    if "smartresize-" not in spec:
        return []
    try:
        return ours_among(Filter(spec).operations)
    except InvalidFilterSpecError:
        return []  # of a preset that there was


def _is_recomposed(rendition: Any, spec: Filter, ours: list[SmartResizeOperation]) -> bool:
    image = rendition.image
    shown = getattr(image, "smart_resize", EMPTY)
    found = (shown.entry(each.slot.shape, each.recipe) for each in ours)
    entries = [entry for entry in found if entry is not None]
    if not entries or image.is_svg():
        return False
    if rendition.focal_point_key == spec.get_cache_key(image):
        return any(entry.file for entry in entries)
    # One from before or after: the crop that was there first, or a candidate.
    untouched = _Untouched(image, {each.version_field for each in ours})
    return rendition.focal_point_key != spec.get_cache_key(untouched)


class _Untouched:
    """The image as the keys of its renditions see it while nothing is live for it."""

    def __init__(self, image: Any, versions: set[str]) -> None:
        self._image = image
        self._versions = versions

    def __getattr__(self, name: str) -> Any:
        return "" if name in self._versions else getattr(self._image, name)
