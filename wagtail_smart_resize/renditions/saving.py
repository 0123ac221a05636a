"""How a recomposed rendition is saved: labelled, and with as much work as the site wants.

Neither Wagtail nor Willow passes metadata or an encoder's effort on. So the picture that they save
is one whose own `save` adds them.
"""

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from PIL import Image
from wagtail.images.image_operations import FilterOperation
from willow.plugins.pillow import PillowImage

from wagtail_smart_resize.core.logs import get_logger
from wagtail_smart_resize.core.site_image import SiteImage
from wagtail_smart_resize.settings import settings

from . import burned_label, encoding, provenance

logger = get_logger(__name__)

#: Key of a filter's `env` under which the operation says how its recomposed picture was made: one
#: of `provenance.CODES`.
RECOMPOSED = "smart-resize-recomposed"
#: Key under which it says what is to be drawn into the picture, "" for nothing.
BURNED = "smart-resize-burned"


class Save(FilterOperation):
    """The last operation of a spec with one of this app's, for whatever is saved then."""

    def construct(self) -> None:
        pass

    def run(self, willow: Any, image: SiteImage, env: dict[str, Any]) -> Any:
        """Return the Willow image, or one that saves the same pixels our way. Never raises."""
        try:
            made = env.get(RECOMPOSED)
            if made and env.get(BURNED):
                willow = PillowImage(burned_label.burned(willow.get_pillow_image(), env[BURNED]))
            return saved_our_way(willow, made) if made else willow
        except Exception:
            logger.exception("Can't label a rendition of image %s", image.pk)
            return willow


def saved_our_way(willow: Any, source_type: str = provenance.EDITED) -> "SavedImage":
    """Return a Willow image of the same pixels, held by Pillow whatever the library.

    `source_type` is one of `provenance.CODES`, for its label.
    """
    return SavedImage(_Picture.of(willow.get_pillow_image(), source_type))


class SavedImage(PillowImage):
    """A Willow image that stays one when Wagtail and Willow convert it just before saving."""

    def set_background_color_rgb(self, color: Any) -> PillowImage:
        return saved_our_way(super().set_background_color_rgb(color), self.source_type)

    def transform_colorspace_to_srgb(self, rendering_intent: int = 0) -> PillowImage:
        converted = super().transform_colorspace_to_srgb(rendering_intent)
        return saved_our_way(converted, self.source_type)

    @property
    def source_type(self) -> str:
        return getattr(self.image, "source_type", provenance.EDITED)


class _Picture(Image.Image):
    """A Pillow image whose `save` adds what Willow has no way to pass on."""

    source_type = provenance.EDITED

    @classmethod
    def of(cls, picture: Image.Image, source_type: str) -> "_Picture":
        """Return the same picture, not a copy: pixels are shared."""
        picture.load()
        made = cls()
        vars(made).update(vars(picture))
        made.source_type = source_type
        return made

    def convert(self, *args: Any, **kwargs: Any) -> Image.Image:
        return _Picture.of(super().convert(*args, **kwargs), self.source_type)

    def save(self, fp: Any, format: str | None = None, **params: Any) -> None:
        if _is_on("FAST_ENCODING"):
            params = encoding.with_less_work(format, params)
        if _is_on("LABEL_RENDITIONS"):
            params |= provenance.params(format, self.source_type)
        super().save(fp, format, **params)


def _is_on(name: str) -> bool:
    """Return whether a setting is on: it is by default, also where the settings can't be used."""
    try:
        return bool(getattr(settings, name))
    except ImproperlyConfigured:
        return True
