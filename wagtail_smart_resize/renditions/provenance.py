"""The label in a recomposed rendition's file: how the picture was made, and nothing else.

It is the IPTC's digital source type, as XMP, which Pillow writes as it saves the pixels.
"""

from typing import Any

from PIL import PngImagePlugin
from willow.plugins.pillow import PillowImage

_SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"

#: The IPTC's code for a picture that generative AI changed or extended.
EDITED = "compositeWithTrainedAlgorithmicMedia"

#: The IPTC's codes that tell of a machine's part, by how much of the picture they say is its work.
#: "trainedAlgorithmicMedia" is made by generative AI alone; "compositeSynthetic" has elements that
#: are; "algorithmicMedia" is computed without anything learned; "algorithmicallyEnhanced" is
#: corrected. No other code is written: those of a camera's or a person's work would be untrue.
CODES = (
    "trainedAlgorithmicMedia",
    EDITED,
    "compositeSynthetic",
    "algorithmicMedia",
    "algorithmicallyEnhanced",
)

# The id is the same in every packet: XMP specification, part 1, section 7.3.2.
_XMP = """<?xpacket begin="\N{BYTE ORDER MARK}" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">
<Iptc4xmpExt:DigitalSourceType>%s</Iptc4xmpExt:DigitalSourceType>
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


def source_type(said: str = "", *, keeps_original: bool = False) -> str:
    """Return the code that is true of a rendition: what tells of more AI wins.

    `said` is the code in the candidate's own file, see `imaging.origin`. With `keeps_original` the
    original's pixels were put back into the picture, and only what surrounds them is generated:
    then it is no work of a machine alone, even if the candidate was.
    """
    if keeps_original or said not in CODES:
        return EDITED
    return min(said, EDITED, key=CODES.index)


def params(format: str | None, source_type: str = EDITED) -> dict[str, Any]:
    """Return the arguments of Pillow's `save` for the label; none where a format can't hold it.

    `source_type` is one of `CODES`. For any other text the label says what is true of all: EDITED.
    """
    code = source_type if source_type in CODES else EDITED
    xmp = _XMP % f"{_SOURCE_TYPES}{code}"
    if format == "PNG":
        texts = PngImagePlugin.PngInfo()
        texts.add_itxt("XML:com.adobe.xmp", xmp)
        return {"pnginfo": texts}
    return {"xmp": xmp.encode()} if format in _XMP_FORMATS else {}
