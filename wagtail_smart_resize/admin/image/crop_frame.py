"""Wagtail's own crop of a picture, as a rectangle to draw. Opens no file and runs no query."""

import math
from typing import Any, NamedTuple

from wagtail_smart_resize.core.site_image import SiteImage
from wagtail_smart_resize.core.sizes import Size, Slot
from wagtail_smart_resize.renditions.standard_crop import crop_rect


class Frame(NamedTuple):
    """The picture's size as displayed and the crop's rectangle in it, in pixels of the source."""

    width: int
    height: int
    left: int
    top: int
    crop_width: int
    crop_height: int

    @property
    def lost(self) -> int:
        """Return how much of the picture the crop cuts away, in percent, rounded up."""
        kept = self.crop_width * self.crop_height / (self.width * self.height)
        return 100 - math.floor(round(kept * 100, 6))

    @property
    def mask(self) -> str:
        """Return an SVG path over what is cut away: the picture with the crop as a hole."""
        return (
            f"M0 0H{self.width}V{self.height}H0Z"
            f"M{self.left} {self.top}v{self.crop_height}h{self.crop_width}v-{self.crop_height}Z"
        )

    @property
    def crop_box(self) -> str:
        """Return the crop as the value of an SVG `viewBox`."""
        return f"{self.left} {self.top} {self.crop_width} {self.crop_height}"


def frame_of(image: SiteImage, slot: Slot, size: Size) -> Frame:
    """Return the frame of `fill-<slot>`, respecting the focal point and closeness.

    `size` is the image's as displayed, since Wagtail applies the EXIF orientation before it crops.
    """
    rect = crop_rect(image, slot, size)
    left, top = max(0, round(rect.left)), max(0, round(rect.top))
    return Frame(
        *size,
        left,
        top,
        max(1, min(round(rect.width), size.width - left)),
        max(1, min(round(rect.height), size.height - top)),
    )


def upright_box(image: SiteImage, rendition: Any) -> Size:
    """Return the image's size as displayed, judging by the orientation of a rendition.

    The size in the database is that of the file, before the EXIF orientation is applied.
    """
    size = Size(image.width, image.height)
    lying, shown_lying = size.width > size.height, rendition.width > rendition.height
    turned = rendition.width and rendition.width != rendition.height and lying != shown_lying
    return Size(size.height, size.width) if turned else size
