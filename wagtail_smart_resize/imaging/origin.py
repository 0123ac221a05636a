"""What a picture's file says of how the picture was made. Pure.

Pictures come from outside: nothing here trusts a length or decodes a pixel, and nothing raises.
Sources: XMP specification, part 3; PNG, third edition; RFC 9649; C2PA 2.1, section A.3.
"""

import contextlib
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from xml.parsers import expat

#: A packet is a few kilobytes; a longer one is not read.
MAX_XMP_BYTES = 1024 * 1024

#: A file of more parts is read up to here. Encoders make a part of each 8 KB at the most often.
MAX_PARTS = 100_000

_CODE = re.compile(r"https?://cv\.iptc\.org/newscodes/digitalsourcetype/([A-Za-z0-9]{1,64})/?")

_NAME = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/ DigitalSourceType"
_RESOURCE = "http://www.w3.org/1999/02/22-rdf-syntax-ns# resource"

_JPEG = b"\xff\xd8"
_JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_START_OF_SCAN, _END = 0xDA, 0xD9
_APP1, _APP11 = 0xE1, 0xEB
#: Markers without a length: TEM, RST0 to RST7, SOI.
_BARE_MARKERS = {0x01, *range(0xD0, 0xD9)}
#: Type of the JUMBF box that holds a C2PA manifest: other boxes may stand in APP11 as well.
_C2PA_UUID = bytes.fromhex("6332706100110010800000aa00389b71")

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_XMP = b"XML:com.adobe.xmp\0"
_PNG_CHECKSUM_BYTES = 4

_WEBP_HEAD_BYTES = 12


@dataclass(frozen=True)
class Origin:
    """What a file says of itself; all blank for one that says nothing.

    `source_type` is the code of the IPTC's digital source type, such as "trainedAlgorithmicMedia",
    whether or not the IPTC knows it. `has_c2pa`: whether there is a C2PA manifest, of which nothing
    is read and no signature verified.
    """

    source_type: str = ""
    has_c2pa: bool = False


def read(content: bytes) -> Origin:
    """Return what a JPEG, PNG or WebP says of itself, as far as it can be read. Never raises."""
    source_type, has_c2pa = "", False
    for kind, data in _told(content):
        if kind == "c2pa":
            has_c2pa = True
        elif not source_type and len(data) <= MAX_XMP_BYTES:
            source_type = _source_type(data)
    return Origin(source_type, has_c2pa)


def _told(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the XMP packets, and a word for each part of a C2PA manifest."""
    if content.startswith(_JPEG):
        return _told_by_jpeg(content)
    if content.startswith(_PNG):
        return _told_by_png(content)
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return _told_by_webp(content)
    return iter(())


def _told_by_jpeg(content: bytes) -> Iterator[tuple[str, bytes]]:
    for marker, start, end in _segments(content):
        if marker == _APP1 and content.startswith(_JPEG_XMP, start, end):
            yield "xmp", content[start + len(_JPEG_XMP) : end]
        elif marker == _APP11 and _is_c2pa(content[start:end]):
            yield "c2pa", b""


def _segments(content: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield marker, start and end of the data of each whole segment before the first scan."""
    at = len(_JPEG)
    for _ in range(MAX_PARTS):
        if content[at : at + 1] != b"\xff" or at + 2 > len(content):
            return
        marker = content[at + 1]
        if marker == 0xFF:  # a byte that fills up
            at += 1
            continue
        if marker in _BARE_MARKERS:
            at += 2
            continue
        if marker in {_START_OF_SCAN, _END} or at + 4 > len(content):
            return
        (length,) = struct.unpack_from(">H", content, at + 2)
        end = at + 2 + length
        if length < 2 or end > len(content):
            return
        yield marker, at + 4, end
        at = end


def _is_c2pa(segment: bytes) -> bool:
    """Return whether a segment of APP11 is part of a C2PA manifest: ISO 19566-5, annex D."""
    # "JP", the box's and the packet's number; the box's length and type; its description.
    return segment[:2] == b"JP" and segment[12:16] == b"jumb" and _C2PA_UUID in segment[16:56]


def _told_by_png(content: bytes) -> Iterator[tuple[str, bytes]]:
    for name, start, end in _png_chunks(content):
        if name == b"caBX":
            yield "c2pa", b""
        elif name == b"iTXt" and content.startswith(_PNG_XMP, start, end):
            yield "xmp", _international_text(content[start + len(_PNG_XMP) : end])


def _png_chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, start and end of the data of each whole chunk."""
    at = len(_PNG)
    for _ in range(MAX_PARTS):
        if at + 8 > len(content):
            return
        length, name = struct.unpack_from(">I4s", content, at)
        start, end = at + 8, at + 8 + length
        if end > len(content):
            return
        yield name, start, end
        at = end + _PNG_CHECKSUM_BYTES


def _international_text(data: bytes) -> bytes:
    """Return the text after the keyword of an `iTXt` chunk; b"" for a damaged one."""
    is_compressed, rest = data[:1] == b"\1", data[2:]
    _language, _, rest = rest.partition(b"\0")
    _translated, _, text = rest.partition(b"\0")
    if not is_compressed:
        return text
    try:
        # One byte more than is read, so that a longer one is known to be longer.
        return zlib.decompressobj().decompress(text, MAX_XMP_BYTES + 1)
    except zlib.error:
        return b""


def _told_by_webp(content: bytes) -> Iterator[tuple[str, bytes]]:
    for name, start, end in _webp_chunks(content):
        if name == b"C2PA":
            yield "c2pa", b""
        elif name == b"XMP ":
            yield "xmp", content[start:end]


def _webp_chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, start and end of the data of each whole chunk."""
    at = _WEBP_HEAD_BYTES
    for _ in range(MAX_PARTS):
        if at + 8 > len(content):
            return
        name, length = struct.unpack_from("<4sI", content, at)
        start, end = at + 8, at + 8 + length
        if end > len(content):
            return
        yield name, start, end
        at = end + length % 2


def _source_type(packet: bytes) -> str:
    """Return the code of the digital source type in an XMP packet, or ""."""
    found = _CODE.fullmatch(_Property().read(packet).strip())
    return found[1] if found else ""


class _Enough(Exception):
    """The value is read, or the packet holds what no XMP holds."""


class _Property:
    """Reads one property: an attribute of its description, or an element of its own.

    No entity can be defined or loaded: the first word of a document type ends the reading.
    """

    def __init__(self) -> None:
        self._value = ""
        #: What the element holds, while it is being read.
        self._parts: list[str] | None = None

    def read(self, packet: bytes) -> str:
        """Return the value; "" where the packet has none, or is broken before its end."""
        # XMP in these formats is UTF-8. A declaration of another encoding could make Python load a
        # codec of that name.
        parser = expat.ParserCreate("utf-8", " ")
        parser.StartDoctypeDeclHandler = self._refuse
        parser.StartElementHandler = self._begin
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._add
        with contextlib.suppress(expat.ExpatError, _Enough):
            parser.Parse(packet, True)
        return self._value

    def _refuse(self, *_declared: Any) -> None:
        raise _Enough

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        if name == _NAME:
            self._parts = [attributes.get(_RESOURCE, "")]
        elif _NAME in attributes:
            self._value = attributes[_NAME]
            raise _Enough

    def _add(self, text: str) -> None:
        if self._parts is not None:
            self._parts.append(text)

    def _end(self, name: str) -> None:
        if name == _NAME and self._parts is not None:
            self._value = "".join(self._parts)
            raise _Enough
