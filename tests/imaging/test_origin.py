"""What files say of how their pictures were made, read from whole files and from any bytes."""

import io
import struct
import tracemalloc
import zlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from wagtail_smart_resize.imaging import origin
from wagtail_smart_resize.imaging.origin import Origin, read

pytestmark = pytest.mark.any_version

CODES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
NAMESPACE = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
TRAINED = Origin("trainedAlgorithmicMedia")
NOTHING = Origin()
FORMATS = ["JPEG", "PNG", "WEBP"]
C2PA_UUID = bytes.fromhex("6332706100110010800000aa00389b71")
#: Type of the box of JPEG 360, which stands in APP11, too.
OTHER_UUID = bytes.fromhex("785f3e9f00110010800000aa00389b71")


def xmp(body, about='rdf:about=""'):
    return f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description xmlns:Iptc4xmpExt="{NAMESPACE}" {about}>{body}</rdf:Description>
</rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>""".encode()


def element(value):
    return xmp(f"<Iptc4xmpExt:DigitalSourceType>{value}</Iptc4xmpExt:DigitalSourceType>")


def attribute(value):
    return xmp("", f'rdf:about="" Iptc4xmpExt:DigitalSourceType="{value}"')


def resource(value):
    return xmp(f'<Iptc4xmpExt:DigitalSourceType rdf:resource="{value}"/>')


PACKET = element(f"{CODES}trainedAlgorithmicMedia")


def picture(format, packet=None, zipped=False, size=(24, 16)):
    """A file that Pillow wrote, with an XMP packet."""
    params = {}
    if packet is not None and format == "PNG":
        texts = PngImagePlugin.PngInfo()
        texts.add_itxt("XML:com.adobe.xmp", packet.decode(), zip=zipped)
        params = {"pnginfo": texts}
    elif packet is not None:
        params = {"xmp": packet}
    data = io.BytesIO()
    Image.new("RGB", size, "teal").save(data, format, **params)
    return data.getvalue()


def png_chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def riff_chunk(name, data):
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def segment(marker, data):
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def jumbf(uuid):
    """A superbox with its description, as a C2PA manifest begins."""
    description = uuid + b"\x03" + b"c2pa\0"
    box = struct.pack(">I4s", len(description) + 8, b"jumd") + description
    return struct.pack(">I4s", len(box) + 8, b"jumb") + box


def with_part(format, content, part):
    """Put a part where others of its kind stand: after the head."""
    at = {"JPEG": 2, "PNG": 33, "WEBP": 12}[format]
    return content[:at] + part + content[at:]


def c2pa(format):
    if format == "JPEG":
        return segment(0xEB, b"JP" + struct.pack(">HI", 1, 1) + jumbf(C2PA_UUID))
    if format == "PNG":
        return png_chunk(b"caBX", jumbf(C2PA_UUID))
    return riff_chunk(b"C2PA", jumbf(C2PA_UUID))


class TestSourceType:
    @pytest.mark.parametrize("format", FORMATS)
    @pytest.mark.parametrize("form", [element, attribute, resource])
    @pytest.mark.parametrize("scheme", ["http", "https"])
    def test_is_read_in_each_form(self, format, form, scheme):
        packet = form(f"{scheme}{CODES.removeprefix('http')}trainedAlgorithmicMedia")
        assert read(picture(format, packet)) == TRAINED

    @pytest.mark.parametrize("format", FORMATS)
    def test_of_a_picture_without_any_is_blank(self, format):
        assert read(picture(format)) == NOTHING
        assert read(picture(format, xmp("<x:other>text</x:other>"))) == NOTHING

    def test_is_read_under_any_prefix(self):
        renamed = PACKET.replace(b"xmlns:Iptc4xmpExt=", b"xmlns:i=")
        assert read(picture("WEBP", renamed)) == NOTHING
        assert read(picture("WEBP", renamed.replace(b"Iptc4xmpExt:", b"i:"))) == TRAINED

    def test_of_another_namespace_is_none(self):
        packet = PACKET.replace(NAMESPACE.encode(), b"http://example.org/")
        assert read(picture("WEBP", packet)) == NOTHING

    def test_may_have_space_around_it(self):
        packet = element(f"\n  {CODES}trainedAlgorithmicMedia/ ")
        assert read(picture("JPEG", packet)) == TRAINED

    def test_that_nobody_knows_is_told_as_it_is(self):
        assert read(picture("PNG", element(f"{CODES}madeUp"))) == Origin("madeUp")

    @pytest.mark.parametrize(
        "value",
        [
            "trainedAlgorithmicMedia",
            "http://example.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
            f"{CODES}two/parts",
            f"{CODES}{'x' * 65}",
            CODES,
            f"see {CODES}trainedAlgorithmicMedia",
            "",
        ],
    )
    def test_that_is_no_code_of_the_iptc_is_blank(self, value):
        assert read(picture("JPEG", element(value))) == NOTHING

    def test_of_a_compressed_text_is_read(self):
        assert read(picture("PNG", PACKET, zipped=True)) == TRAINED

    def test_after_the_pixels_is_read(self):
        content = picture("PNG")
        text = b"XML:com.adobe.xmp\0\0\0\0\0" + PACKET
        assert content.endswith(end := png_chunk(b"IEND", b""))
        assert read(content.removesuffix(end) + png_chunk(b"iTXt", text) + end) == TRAINED

    def test_of_the_first_packet_counts(self):
        other = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + element(f"{CODES}digitalCapture"))
        content = with_part("JPEG", picture("JPEG", PACKET), other)
        assert read(content) == Origin("digitalCapture")

    def test_of_a_packet_that_breaks_off_later_is_read(self):
        assert read(picture("JPEG", PACKET[:-60])) == TRAINED
        assert read(picture("JPEG", PACKET.replace(b"Media</", b"Media<"))) == NOTHING
        assert read(picture("JPEG", PACKET + b"\0\0")) == TRAINED

    def test_in_extended_xmp_or_exif_is_none(self):
        for head in (b"http://ns.adobe.com/xmp/extension/\0", b"Exif\0\0"):
            assert read(with_part("JPEG", picture("JPEG"), segment(0xE1, head + PACKET))) == NOTHING

    def test_is_read_behind_bytes_that_fill_up(self):
        content = picture("JPEG", PACKET)
        assert read(content[:2] + b"\xff" * 9 + content[2:]) == TRAINED
        assert read(content[:2] + b"\xff\x01\xff\xd0" + content[2:]) == TRAINED

    def test_is_read_whatever_encoding_a_declaration_names(self):
        declared = b'<?xml version="1.0" encoding="utf-16"?>' + PACKET[PACKET.index(b"<x:") :]
        assert read(picture("WEBP", declared)) == TRAINED
        assert read(picture("WEBP", PACKET.decode().encode("utf-16"))) == TRAINED


class TestC2pa:
    @pytest.mark.parametrize("format", FORMATS)
    def test_is_told_beside_the_source_type(self, format):
        content = with_part(format, picture(format, PACKET), c2pa(format))
        assert read(content) == Origin("trainedAlgorithmicMedia", has_c2pa=True)
        assert read(with_part(format, picture(format), c2pa(format))) == Origin(has_c2pa=True)

    def test_is_not_what_else_stands_in_app11(self):
        other = segment(0xEB, b"JP" + struct.pack(">HI", 1, 1) + jumbf(OTHER_UUID))
        assert read(with_part("JPEG", picture("JPEG"), other)) == NOTHING
        assert read(with_part("JPEG", picture("JPEG"), segment(0xEB, C2PA_UUID))) == NOTHING

    def test_is_not_its_name_somewhere_in_the_pixels(self):
        for format in FORMATS:
            assert read(picture(format) + c2pa("JPEG") + b"caBXC2PA") == NOTHING


BOMB = b"""<!DOCTYPE r [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;"><!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;">]>"""


class TestHostileFile:
    def test_that_ends_anywhere_gives_what_could_be_read(self):
        for format in FORMATS:
            whole = with_part(format, picture(format, PACKET), c2pa(format))
            told = [read(whole[:end]) for end in range(len(whole) + 1)]
            assert told[0] == NOTHING
            assert told[-1] == Origin("trainedAlgorithmicMedia", has_c2pa=True)
            assert {each.source_type for each in told} == {"", "trainedAlgorithmicMedia"}

    @pytest.mark.parametrize("format", ["PNG", "WEBP"])  # a JPEG's segment holds 64 KB
    def test_with_a_packet_of_more_than_a_megabyte_tells_nothing_by_it(self, format):
        for extra, expected in ((0, TRAINED), (1, NOTHING)):
            padding = b" " * (origin.MAX_XMP_BYTES - len(PACKET) + extra)
            assert read(picture(format, PACKET + padding)) == expected

    def test_with_a_packet_that_unpacks_to_64_megabytes_is_not_unpacked(self):
        packer = zlib.compressobj(9)
        megabyte = b" " * 1024 * 1024
        packed = packer.compress(PACKET)
        packed += b"".join(packer.compress(megabyte) for _ in range(64)) + packer.flush()
        text = b"XML:com.adobe.xmp\0\1\0\0\0" + packed
        content = with_part("PNG", picture("PNG"), png_chunk(b"iTXt", text))
        tracemalloc.start()
        try:
            assert read(content) == NOTHING
            assert tracemalloc.get_traced_memory()[1] < 8 * len(megabyte)
        finally:
            tracemalloc.stop()

    def test_with_a_damaged_compressed_packet_tells_nothing_by_it(self):
        text = b"XML:com.adobe.xmp\0\1\0\0\0" + b"no zlib"
        assert read(with_part("PNG", picture("PNG"), png_chunk(b"iTXt", text))) == NOTHING

    @pytest.mark.parametrize(
        "packet",
        [
            BOMB + PACKET,
            BOMB + element("&d;"),
            b'<!DOCTYPE r SYSTEM "file:///etc/passwd">' + PACKET,
            element("&unknown;"),
            b'<?xml version="1.0" encoding="zlib"?>' + b"\xff\xfe\x00",
        ],
    )
    def test_with_entities_or_another_encoding_tells_nothing(self, packet):
        for format in ("JPEG", "WEBP"):
            assert read(picture(format, packet)) == NOTHING

    def test_with_a_hundred_thousand_elements_in_each_other_is_read(self):
        deep = xmp("<x:a>" * 100_000)
        assert read(picture("WEBP", deep)) == NOTHING

    @pytest.mark.parametrize(
        "content",
        [
            b"\xff\xd8\xff\xe1\x00\x00" + PACKET,
            b"\xff\xd8\xff\xe1\x00\x01" + PACKET,
            b"\xff\xd8\xff\xe1\xff\xff" + PACKET,
            b"\x89PNG\r\n\x1a\n\xff\xff\xff\xffiTXt" + PACKET,
            b"\x89PNG\r\n\x1a\n\x00\x00\x00\x12iTXtXML:com.adobe.xmp\0",
            b"RIFF\xff\xff\xff\xffWEBPXMP \xff\xff\xff\xff" + PACKET,
            b"RIFF\x00\x00\x00\x00WEBP" + b"XMP \x00\x00\x00\x00",
            b"GIF89a" + PACKET,
            PACKET,
        ],
    )
    def test_with_lengths_that_are_none_tells_nothing(self, content):
        assert read(content) == NOTHING

    @pytest.mark.parametrize("format", FORMATS)
    def test_of_millions_of_parts_is_not_read_to_its_end(self, format):
        head = {"JPEG": b"\xff\xd8", "PNG": b"\x89PNG\r\n\x1a\n", "WEBP": b"RIFF\0\0\0\0WEBP"}
        empty = {"JPEG": segment(0xEE, b""), "PNG": png_chunk(b"teXt", b"")}
        part = empty.get(format) or riff_chunk(b"none", b"")
        assert read(head[format] + part * (origin.MAX_PARTS - 1) + c2pa(format)).has_c2pa
        assert not read(head[format] + part * origin.MAX_PARTS + c2pa(format)).has_c2pa


HEADS = st.sampled_from(
    [
        b"",
        b"\xff\xd8",
        b"\xff\xd8\xff\xe1\x00\x40http://ns.adobe.com/xap/1.0/\0",
        b"\x89PNG\r\n\x1a\n",
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\x20iTXtXML:com.adobe.xmp\0",
        b"RIFF\x40\x00\x00\x00WEBP",
        b"RIFF\x40\x00\x00\x00WEBPXMP \x10\x00\x00\x00",
    ]
)


@given(HEADS, st.binary(max_size=200))
@example(b"", b"")
def test_no_bytes_raise(head, rest):
    assert isinstance(read(head + rest), Origin)


@given(st.sampled_from(FORMATS), st.integers(0), st.integers(0, 255))
def test_no_damaged_byte_raises(format, at, byte):
    content = bytearray(with_part(format, picture(format, PACKET), c2pa(format)))
    content[at % len(content)] = byte
    assert isinstance(read(bytes(content)), Origin)


@given(st.binary(max_size=300))
def test_no_packet_raises(packet):
    assert read(with_part("WEBP", picture("WEBP"), riff_chunk(b"XMP ", packet))) == NOTHING
