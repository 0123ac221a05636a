"""Wagtail's own crop of an image, as a rectangle. Opens no file and runs no query."""

from collections.abc import Iterable

from wagtail.images.models import Filter
from wagtail.images.rect import Rect

from wagtail_smart_resize.core.site_image import SiteImage
from wagtail_smart_resize.core.sizes import Size, Slot

#: A focal area with a shorter side is a point: it says nothing of how far the subject reaches.
LEAST_AREA_SIDE_PIXELS = 2


def crop_rect(image: SiteImage, slot: Slot, size: Size) -> Rect:
    """Return the rectangle of `fill-<slot>`, respecting the focal point and closeness.

    `size` is the image's as displayed, since Wagtail applies the EXIF orientation before it crops.
    """
    return Filter(f"fill-{slot}").get_transform(image, size).get_rect()


def focal_area(image: SiteImage, size: Size) -> Rect | None:
    """Return the part of the focal area that lies within the image; None if there is none.

    `size` is the image's as displayed.
    """
    area = image.get_focal_point()
    if area is None:
        return None
    within = Rect(
        max(0, area.left),
        max(0, area.top),
        min(size.width, area.right),
        min(size.height, area.bottom),
    )
    is_area = min(within.width, within.height) >= LEAST_AREA_SIDE_PIXELS
    return within if is_area else None


def subject_kept(image: SiteImage, slots: Iterable[Slot], size: Size) -> float | None:
    """Return the share (0 to 1) of the focal area that the crop keeps, the least of these slots.

    None if there is no focal area, or no slot. `size` is the image's as displayed.
    """
    area = focal_area(image, size)
    if area is None:
        return None
    return min((_share(area, crop_rect(image, slot, size)) for slot in slots), default=None)


def _share(area: Rect, crop: Rect) -> float:
    across = min(area.right, crop.right) - max(area.left, crop.left)
    down = min(area.bottom, crop.bottom) - max(area.top, crop.top)
    return max(0.0, across) * max(0.0, down) / (area.width * area.height)
