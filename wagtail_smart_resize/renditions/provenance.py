"""The label in a recomposed rendition's file: how the picture was made, and nothing else.

It is the IPTC's digital source type, as XMP, which Pillow writes as it saves the pixels.
"""

from typing import Any

from PIL import PngImagePlugin
from willow.plugins.pillow import PillowImage

DIGITAL_SOURCE_TYPE = (
    "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
)

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


def params(format: str | None) -> dict[str, Any]:
    """Return the arguments of Pillow's `save` for the label; none where a format can't hold it."""
    if format == "PNG":
        texts = PngImagePlugin.PngInfo()
        texts.add_itxt("XML:com.adobe.xmp", XMP)
        return {"pnginfo": texts}
    return {"xmp": XMP.encode()} if format in _XMP_FORMATS else {}
