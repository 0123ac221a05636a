"""The rendition that an image's screen draws: one serves for the original and all crops."""

from dataclasses import dataclass

from django.db import DatabaseError
from wagtail.images.shortcuts import get_rendition_or_not_found

from wagtail_smart_resize.core.logs import get_logger
from wagtail_smart_resize.core.site_image import SiteImage
from wagtail_smart_resize.core.sizes import Size, Slot
from wagtail_smart_resize.rules.facts import SourceFacts

from . import crop_frame

logger = get_logger(__name__)

#: Large enough for a crop of it to be examined closely.
SPEC = "max-1600x1600|format-webp"
SPEC_SVG = "max-1600x1600"


@dataclass(frozen=True)
class Preview:
    """The rendition's URL: "" if the image's file is missing or damaged, or its storage fails."""

    image: SiteImage
    url: str
    size: Size
    """The image's size as displayed, in pixels."""

    @classmethod
    def for_image(cls, image: SiteImage) -> "Preview":
        spec = SPEC_SVG if image.is_svg() else SPEC
        try:
            rendition = get_rendition_or_not_found(image, spec)
        except DatabaseError:
            raise
        except Exception:
            # Storages and decoders raise exceptions of any kind. Show the screen without the
            # picture.
            logger.exception("Can't show a preview of image %s", image.pk)
            return cls(image, "", Size(image.width, image.height))
        url = rendition.url if rendition.width else ""
        return cls(image, url, crop_frame.upright_box(image, rendition))

    @property
    def facts(self) -> SourceFacts:
        """Return the facts known without opening the file: the size as displayed."""
        return SourceFacts(*self.size, is_animated=False, is_transparent=False)

    def frame(self, slot: Slot) -> crop_frame.Frame:
        return crop_frame.frame_of(self.image, slot, self.size)
