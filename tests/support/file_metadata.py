"""Read the metadata of image files, by the specifications of their formats.

No image library is involved: the result is exactly what the file's bytes hold.
"""

import struct
import zlib
from collections import defaultdict
from xml.etree import ElementTree

RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
IPTC_EXTENSION = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"

JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\0"
PNG_XMP = "XML:com.adobe.xmp"

#: Parts of a file that hold pixels or say how to show them.
NOT_METADATA = {
    "jpeg": {"Adobe", "ICC", "JFIF"},
    "png": {"IHDR", "PLTE", "IDAT", "IEND", "tRNS", "iCCP", "gAMA", "cHRM", "sRGB"},
    "webp": {"VP8 ", "VP8L", "VP8X", "ALPH", "ICCP"},
    "avif": {"av01", "hvc1"},
}


def metadata(content):
    """Return {kind of metadata: [its bytes, ...]}, such as {"xmp": [b"<?xpacket..."]}."""
    kind, parts = _read(content)
    found = defaultdict(list)
    for name, data in parts:
        if name not in NOT_METADATA[kind]:
            found[name].append(data)
    return dict(found)


def kind_of(content):
    return _read(content)[0]


def _read(content):
    if content.startswith(b"\xff\xd8"):
        return "jpeg", list(_jpeg(content))
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png", list(_png(content))
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "webp", list(_webp(content))
    if content[4:8] == b"ftyp":
        return "avif", list(_items(content))
    raise ValueError(f"no container that this reads: {content[:12]!r}")


def digital_source_types(content):
    """Return the values of Iptc4xmpExt:DigitalSourceType in all XMP packets of the file."""
    values = []
    for packet in metadata(content).get("xmp", []):
        for description in ElementTree.fromstring(packet.decode()).iter(f"{RDF}Description"):
            assert description.get(f"{RDF}about") == ""
            name = f"{IPTC_EXTENSION}DigitalSourceType"
            values += [child.text for child in description if child.tag == name]
            values += [description.attrib[name]] if name in description.attrib else []
    return values


def _jpeg(content):
    """Yield the segments up to the first scan: ISO 10918-1, annex B."""
    at = 2
    while True:
        mark, code, length = struct.unpack_from(">BBH", content, at)
        assert mark == 0xFF
        if code == 0xDA:
            return
        data = content[at + 4 : at + 2 + length]
        if code == 0xE1 and data.startswith(JPEG_XMP):
            yield "xmp", data.removeprefix(JPEG_XMP)
        elif code == 0xE1 and data.startswith(b"Exif\0\0"):
            yield "exif", data
        elif code == 0xE2 and data.startswith(b"ICC_PROFILE\0"):
            yield "ICC", data
        elif code == 0xE0:
            yield "JFIF", data
        elif code == 0xEE and data.startswith(b"Adobe"):
            yield "Adobe", data
        elif 0xE0 <= code <= 0xEF or code == 0xFE:
            yield f"segment {code:X}", data
        at += 2 + length


def _png(content):
    """Yield the chunks: PNG specification, sections 5 and 11.3.3."""
    at = 8
    while at < len(content):
        length, name = struct.unpack_from(">I4s", content, at)
        data = content[at + 8 : at + 8 + length]
        (check,) = struct.unpack_from(">I", content, at + 8 + length)
        assert check == zlib.crc32(name + data)
        if name == b"iTXt":
            yield _international_text(data)
        else:
            yield {b"eXIf": "exif"}.get(name, name.decode()), data
        at += 12 + length


def _international_text(data):
    keyword, rest = data.split(b"\0", 1)
    is_compressed = rest[0]
    _language, _translated, text = rest[2:].split(b"\0", 2)
    text = zlib.decompress(text) if is_compressed else text
    if keyword.decode() == PNG_XMP:
        assert not is_compressed  # as the XMP specification asks
        return "xmp", text
    return f"text {keyword.decode()}", text


def _webp(content):
    """Yield the RIFF chunks; the header's flags must announce the same metadata."""
    at, names, flags = 12, set(), 0
    assert len(content) == 8 + int.from_bytes(content[4:8], "little")
    while at < len(content):
        name, length = struct.unpack_from("<4sI", content, at)
        data = content[at + 8 : at + 8 + length]
        flags = data[0] if name == b"VP8X" else flags
        names.add(name)
        yield {b"XMP ": "xmp", b"EXIF": "exif"}.get(name, name.decode()), data
        at += 8 + length + length % 2
    assert bool(flags & 0x04) == (b"XMP " in names)
    assert bool(flags & 0x08) == (b"EXIF" in names)


def _items(content):
    """Yield the items of AVIF and HEIC: ISO 14496-12, section 8.11."""
    meta = dict(_boxes(content, 0, len(content)))[b"meta"]
    parts = dict(_boxes(content, meta[0] + 4, meta[1]))
    kinds = dict(_item_kinds(content, *parts[b"iinf"]))
    for item, extents in _item_places(content, *parts[b"iloc"]):
        data = b"".join(content[start : start + length] for start, length in extents)
        yield kinds[item], data


def _boxes(content, at, end):
    """Yield (type, (start, end) of the content) of each box."""
    while at < end:
        size, name = struct.unpack_from(">I4s", content, at)
        start = at + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", content, start)
            start += 8
        after = at + size if size else end
        yield name, (start, after)
        at = after


def _item_kinds(content, start, end):
    """Yield (item's id, kind) from the `infe` boxes in `iinf`."""
    version = content[start]
    for name, (at, after) in _boxes(content, start + (6 if version == 0 else 8), end):
        assert name == b"infe"
        wide = content[at] == 3
        (item,) = struct.unpack_from(">I" if wide else ">H", content, at + 4)
        rest = content[at + 4 + (4 if wide else 2) + 2 : after]
        kind, texts = rest[:4].decode(), rest[4:].split(b"\0")
        if kind == "mime" and texts[1] == b"application/rdf+xml":
            kind = "xmp"
        yield item, {"Exif": "exif"}.get(kind, kind)


def _item_places(content, start, end):
    """Yield (item's id, [(offset, length), ...]) from `iloc`."""
    version = content[start]
    at = start + 4
    offset_size, length_size = content[at] >> 4, content[at] & 15
    base_size, index_size = content[at + 1] >> 4, content[at + 1] & 15
    at += 2

    def number(size):
        nonlocal at
        at += size
        return int.from_bytes(content[at - size : at])

    for _ in range(number(2 if version < 2 else 4)):
        item = number(2 if version < 2 else 4)
        method = number(2) & 15 if version else 0
        assert method == 0, "in the file itself"
        number(2)
        base = number(base_size)
        extents = []
        for _ in range(number(2)):
            number(index_size if version else 0)
            extents.append((base + number(offset_size), number(length_size)))
        yield item, extents
    assert at <= end
