"""What the file of a recomposed rendition says of itself: how its picture came about, and no more.

The label is the IPTC's digital source type, as XMP, which Pillow writes as it saves the pixels.
"""

import logging
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from PIL import Image, PngImagePlugin
from wagtail.images.image_operations import FilterOperation
from willow.plugins.pillow import PillowImage

from wagtail_smart_resize.settings import settings

logger = logging.getLogger(__name__)

DIGITAL_SOURCE_TYPE = (
    "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
)

#: The key of a filter's `env` under which our operation says that its picture is recomposed.
RECOMPOSED = "smart-resize-recomposed"

# The id is that of every packet: XMP specification, part 1, section 7.3.2.
XMP = f"""<?xpacket begin="\N{BYTE ORDER MARK}" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">
<Iptc4xmpExt:DigitalSourceType>{DIGITAL_SOURCE_TYPE}</Iptc4xmpExt:DigitalSourceType>
</rdf:Description>
</rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>"""

_TAKE_XMP = {"AVIF", "HEIF", "JPEG", "WEBP"}

#: What belongs to the pixels. All else that a candidate's file says is not ours to pass on.
_OF_THE_PIXELS = {"icc_profile", "transparency"}


def bare(willow: PillowImage) -> PillowImage:
    """The picture without its file's metadata, such as EXIF, which Willow and Pillow pass on."""
    info = willow.image.info
    willow.image.info = {key: info[key] for key in _OF_THE_PIXELS & info.keys()}
    return willow


class Label(FilterOperation):
    """The last step of a spec with an operation of ours: whatever is saved then is labelled."""

    def construct(self) -> None:
        pass

    def run(self, willow: Any, image: Any, env: dict[str, Any]) -> Any:
        """The Willow image, or one that saves the same pixels with the label. Never raises."""
        try:
            return labelled(willow) if env.get(RECOMPOSED) and _is_on() else willow
        except Exception:
            logger.exception("Can't label a rendition of image %s", image.pk)
            return willow


def _is_on() -> bool:
    try:
        return settings.LABEL_RENDITIONS
    except ImproperlyConfigured:
        return True


def labelled(willow: Any) -> "LabelledImage":
    """A Willow image of the same pixels; one of another library becomes one of Pillow's."""
    return LabelledImage(_Picture.of(willow.get_pillow_image()))


class LabelledImage(PillowImage):
    """Stays labelled through what Wagtail and Willow do to a picture just before it is saved."""

    def set_background_color_rgb(self, color: Any) -> PillowImage:
        return labelled(super().set_background_color_rgb(color))

    def transform_colorspace_to_srgb(self, rendering_intent: int = 0) -> PillowImage:
        return labelled(super().transform_colorspace_to_srgb(rendering_intent))


class _Picture(Image.Image):
    """Adds the label to what Pillow's `save` is given: Willow passes on nothing of the kind."""

    @classmethod
    def of(cls, picture: Image.Image) -> "_Picture":
        """The same picture, not a copy: pixels are shared."""
        picture.load()
        made = cls()
        vars(made).update(vars(picture))
        return made

    def convert(self, *args: Any, **kwargs: Any) -> Image.Image:
        return _Picture.of(super().convert(*args, **kwargs))

    def save(self, fp: Any, format: str | None = None, **params: Any) -> None:
        super().save(fp, format, **params, **_params(format))


def _params(format: str | None) -> dict[str, Any]:
    """What Pillow's `save` takes to write the label; nothing where a format has no place for it."""
    if format == "PNG":
        texts = PngImagePlugin.PngInfo()
        texts.add_itxt("XML:com.adobe.xmp", XMP)
        return {"pnginfo": texts}
    return {"xmp": XMP.encode()} if format in _TAKE_XMP else {}
