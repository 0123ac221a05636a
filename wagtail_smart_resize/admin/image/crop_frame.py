"""What Wagtail's own crop takes out of a picture, as a rectangle that can be drawn. Pure."""

import math
from typing import Any, NamedTuple

from wagtail.images.models import Filter

from wagtail_smart_resize.core.sizes import Size, Slot


class Frame(NamedTuple):
    """The picture's size as displayed, and the crop's rectangle in it. In pixels of the source."""

    width: int
    height: int
    left: int
    top: int
    crop_width: int
    crop_height: int

    @property
    def lost(self) -> int:
        """Per cent of the picture that the crop cuts away, rounded up."""
        kept = self.crop_width * self.crop_height / (self.width * self.height)
        return 100 - math.floor(round(kept * 100, 6))

    @property
    def mask(self) -> str:
        """An SVG path over all that is cut away: the picture, with the crop as a hole."""
        return (
            f"M0 0H{self.width}V{self.height}H0Z"
            f"M{self.left} {self.top}v{self.crop_height}h{self.crop_width}v-{self.crop_height}Z"
        )

    @property
    def crop_box(self) -> str:
        """The crop alone, as an SVG view box."""
        return f"{self.left} {self.top} {self.crop_width} {self.crop_height}"


def frame_of(image: Any, slot: Slot, size: Size) -> Frame:
    """The frame of `fill-<slot>`, focal point and closeness included.

    `size`: the image's as displayed; Wagtail crops what it has turned upright.
    """
    rect = Filter(f"fill-{slot}").get_transform(image, size).get_rect()
    left, top = max(0, round(rect.left)), max(0, round(rect.top))
    return Frame(
        *size,
        left,
        top,
        max(1, min(round(rect.width), size.width - left)),
        max(1, min(round(rect.height), size.height - top)),
    )


def upright(image: Any, rendition: Any) -> Size:
    """The image's size as displayed. The database's is that of the file, before EXIF turns it."""
    size = Size(image.width, image.height)
    lying, shown_lying = size.width > size.height, rendition.width > rendition.height
    turned = rendition.width and rendition.width != rendition.height and lying != shown_lying
    return Size(size.height, size.width) if turned else size
