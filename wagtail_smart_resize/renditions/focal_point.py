"""The focal point of a recomposed rendition: always within its picture."""

from collections.abc import Callable
from typing import Any

from wagtail.images.rect import Rect

from .recomposed import is_recomposed


def focal_point(rendition: Any, in_the_crop: Callable[[Any], Rect | None]) -> Rect | None:
    """Return the focal point in pixels of the rendition; `in_the_crop` is Wagtail's own function.

    A candidate with fewer pixels than the crop is not enlarged, so its rendition is smaller than
    the crop in which the point was found. And the part of a large focal area that the crop cuts off
    is outside of the picture.
    """
    found = in_the_crop(rendition)
    if found is None or not is_recomposed(rendition):
        return found
    width, height = rendition.filter.get_transform(rendition.image).size
    across, down = rendition.width / width, rendition.height / height
    return Rect(
        _clamped(found.left * across, rendition.width),
        _clamped(found.top * down, rendition.height),
        _clamped(found.right * across, rendition.width),
        _clamped(found.bottom * down, rendition.height),
    )


def _clamped(value: float, most: float) -> float:
    return max(0, min(value, most))
