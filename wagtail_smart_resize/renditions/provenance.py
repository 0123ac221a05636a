"""The label in a recomposed rendition's file: how the picture was made, and nothing else.

It is the IPTC's digital source type, as XMP, which Pillow writes as it saves the pixels.
"""

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from PIL import Image, PngImagePlugin
from wagtail.images.image_operations import FilterOperation
from willow.plugins.pillow import PillowImage

from wagtail_smart_resize.core.logs import get_logger
from wagtail_smart_resize.core.site_image import SiteImage
from wagtail_smart_resize.settings import settings

logger = get_logger(__name__)

DIGITAL_SOURCE_TYPE = (
    "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
)

#: Key of a filter's `env` under which the operation says that its picture is recomposed.
RECOMPOSED = "smart-resize-recomposed"

# The id is the same in every packet: XMP specification, part 1, section 7.3.2.
XMP = f"""<?xpacket begin="\N{BYTE ORDER MARK}" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">
<Iptc4xmpExt:DigitalSourceType>{DIGITAL_SOURCE_TYPE}</Iptc4xmpExt:DigitalSourceType>
</rdf:Description>
</rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>"""

_XMP_FORMATS = {"AVIF", "HEIF", "JPEG", "WEBP"}

#: Pillow's `info` keys that belong to the pixels. The candidate's other metadata is not passed on.
_PIXEL_INFO_KEYS = {"icc_profile", "transparency"}


def bare(willow: PillowImage) -> PillowImage:
    """Remove the file's metadata, such as EXIF, which Willow and Pillow would pass on.

    Return the same Willow image, changed in place.
    """
    info = willow.image.info
    willow.image.info = {key: info[key] for key in _PIXEL_INFO_KEYS & info.keys()}
    return willow


class Label(FilterOperation):
    """The last operation of a spec with one of this app's: labels whatever is saved then."""

    def construct(self) -> None:
        pass

    def run(self, willow: Any, image: SiteImage, env: dict[str, Any]) -> Any:
        """Return the Willow image, or one that saves the same pixels labelled. Never raises."""
        try:
            return labelled(willow) if env.get(RECOMPOSED) and _is_enabled() else willow
        except Exception:
            logger.exception("Can't label a rendition of image %s", image.pk)
            return willow


def _is_enabled() -> bool:
    try:
        return settings.LABEL_RENDITIONS
    except ImproperlyConfigured:
        return True


def labelled(willow: Any) -> "LabelledImage":
    """Return a labelled Willow image of the same pixels, held by Pillow whatever the library."""
    return LabelledImage(_Picture.of(willow.get_pillow_image()))


class LabelledImage(PillowImage):
    """A Willow image that stays labelled when Wagtail and Willow convert it just before saving."""

    def set_background_color_rgb(self, color: Any) -> PillowImage:
        return labelled(super().set_background_color_rgb(color))

    def transform_colorspace_to_srgb(self, rendering_intent: int = 0) -> PillowImage:
        return labelled(super().transform_colorspace_to_srgb(rendering_intent))


class _Picture(Image.Image):
    """A Pillow image whose `save` adds the label: Willow has no way to pass metadata on."""

    @classmethod
    def of(cls, picture: Image.Image) -> "_Picture":
        """Return the same picture, not a copy: pixels are shared."""
        picture.load()
        made = cls()
        vars(made).update(vars(picture))
        return made

    def convert(self, *args: Any, **kwargs: Any) -> Image.Image:
        return _Picture.of(super().convert(*args, **kwargs))

    def save(self, fp: Any, format: str | None = None, **params: Any) -> None:
        super().save(fp, format, **params, **_params(format))


def _params(format: str | None) -> dict[str, Any]:
    """Return the arguments of Pillow's `save` for the label; none where a format can't hold it."""
    if format == "PNG":
        texts = PngImagePlugin.PngInfo()
        texts.add_itxt("XML:com.adobe.xmp", XMP)
        return {"pnginfo": texts}
    return {"xmp": XMP.encode()} if format in _XMP_FORMATS else {}
