"""What the service may send: any pixel mode is brought to opaque 8-bit sRGB at the door."""

import struct
import zlib
from io import BytesIO

import pytest
from PIL import Image, ImageCms, PngImagePlugin

from wagtail_smart_resize.exceptions import DownloadError
from wagtail_smart_resize.imaging import decoding
from wagtail_smart_resize.imaging.decoding import decode, open_upright

pytestmark = pytest.mark.any_version

ORANGE = (230, 120, 40)
GREY = 128


def encoded(picture, format, **options):
    content = BytesIO()
    picture.save(content, format, **options)
    return content.getvalue()


def profile(colour_space="sRGB"):
    return ImageCms.ImageCmsProfile(ImageCms.createProfile(colour_space)).tobytes()


def of_mode(mode):
    """Return a picture of one colour in this mode: grey where it knows no other, else orange."""
    if mode == "I;16":
        return Image.new("I;16", (40, 20), GREY * 257)
    if mode in {"L", "LA", "1"}:
        return Image.new("L", (40, 20), 255 if mode == "1" else GREY).convert(mode)
    return Image.new("RGB", (40, 20), ORANGE).convert(mode, palette=Image.Palette.ADAPTIVE)


def seen(content):
    """Return the decoded picture, opened as a candidate is, and its middle pixel."""
    picture = decode(content)
    with open_upright(BytesIO(picture.content)) as opened:
        opened.load()
        assert opened.size == (picture.width, picture.height)
        assert opened.mode == "RGB"
        assert "icc_profile" not in opened.info
        return picture, opened.getpixel((picture.width // 2, picture.height // 2))


def near(found, wanted, most=6):
    return all(abs(one - other) <= most for one, other in zip(found, wanted, strict=True))


MODES = {
    "PNG": ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"],
    "JPEG": ["L", "RGB", "CMYK", "YCbCr"],
    "WEBP": ["RGB", "RGBA", "L", "LA", "P"],
}


@pytest.mark.parametrize(
    ("format", "mode"), [(format, mode) for format, modes in MODES.items() for mode in modes]
)
def test_any_mode_becomes_rgb_of_the_same_colour(format, mode):
    _picture, colour = seen(encoded(of_mode(mode), format))
    expected = {"L": (GREY,) * 3, "LA": (GREY,) * 3, "I;16": (GREY,) * 3, "1": (255,) * 3}
    assert near(colour, expected.get(mode, ORANGE))


@pytest.mark.parametrize("format", MODES)
def test_a_plain_picture_is_kept_as_it_was_sent(format):
    content = encoded(of_mode("RGB"), format)
    picture, _colour = seen(content)
    assert picture.content == content
    assert picture.format == format.lower()


def test_a_grey_of_16_bits_keeps_its_steps():
    steps = Image.new("I;16", (4, 1))
    for x, value in enumerate((0, 0x4000, 0x8000, 0xFFFF)):
        steps.putpixel((x, 0), value)
    with Image.open(BytesIO(decode(encoded(steps, "PNG")).content)) as opened:
        assert [opened.getpixel((x, 0))[0] for x in range(4)] == [0, 64, 128, 255]


# Profiles


@pytest.mark.parametrize(("format", "mode"), [("PNG", "RGB"), ("JPEG", "RGB"), ("WEBP", "RGB")])
def test_a_profile_is_applied_and_dropped(format, mode):
    """In linear light, the same numbers are a much brighter colour."""
    linear = ImageCms.ImageCmsProfile(BytesIO(gamma_one_profile())).tobytes()
    content = encoded(of_mode(mode), format, icc_profile=linear, **LOSSLESS.get(format, {}))
    _picture, colour = seen(content)
    assert near(colour, (244, 182, 110), most=9)


LOSSLESS = {"WEBP": {"lossless": True}}


@pytest.mark.parametrize(
    ("format", "mode", "icc"),
    [
        ("JPEG", "CMYK", profile()),
        ("JPEG", "L", profile()),
        ("PNG", "L", profile()),
        ("PNG", "LA", profile()),
        ("PNG", "RGBA", profile("LAB")),
        ("PNG", "RGB", b"no profile at all"),
        ("WEBP", "RGB", b"no profile at all"),
        ("JPEG", "RGB", profile()[:200]),
    ],
)
def test_a_profile_that_does_not_fit_is_dropped(format, mode, icc):
    _picture, colour = seen(encoded(of_mode(mode), format, icc_profile=icc))
    assert near(colour, (GREY,) * 3 if mode in {"L", "LA"} else ORANGE)


# Transparency


@pytest.mark.parametrize("format", ["PNG", "WEBP"])
@pytest.mark.parametrize(("alpha", "expected"), [(0, (255, 255, 255)), (128, (242, 187, 147))])
def test_white_is_put_behind_transparent_pixels(format, alpha, expected):
    content = encoded(Image.new("RGBA", (40, 20), (*ORANGE, alpha)), format, lossless=True)
    _picture, colour = seen(content)
    assert near(colour, expected)


def test_a_transparent_colour_is_white():
    content = encoded(Image.new("RGB", (40, 20), ORANGE), "PNG", transparency=ORANGE)
    assert seen(content)[1] == (255, 255, 255)


def test_a_transparent_entry_of_a_palette_is_white():
    palette = Image.new("P", (40, 20), 1)
    palette.putpalette([0, 0, 0, *ORANGE])
    assert seen(encoded(palette, "PNG", transparency=1))[1] == (255, 255, 255)


# What else a file may hold


@pytest.mark.parametrize("mode", ["RGB", "CMYK"])
def test_a_turned_picture_is_upright_whether_or_not_it_is_encoded_anew(mode):
    exif = Image.Exif()
    exif[0x0112] = 6
    picture, _colour = seen(encoded(of_mode(mode), "JPEG", exif=exif))
    assert (picture.width, picture.height) == (20, 40)


DAMAGED_EXIF = [b"Exif\0\0", b"Exif\0\0rubbish", b"Exif\0\0II*\0\xff\xff\xff\xff", b"MM\0*"]


# Pillow warns of it, which no site takes for an error.
@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("exif", DAMAGED_EXIF)
@pytest.mark.parametrize("format", MODES)
def test_damaged_exif_data_is_no_reason_to_refuse_the_pixels(format, exif):
    picture, colour = seen(encoded(of_mode("RGB"), format, exif=exif))
    assert (picture.width, picture.height) == (40, 20)
    assert near(colour, ORANGE)


@pytest.mark.parametrize("value", ["6", 0, 9, 6.5])
def test_an_orientation_that_is_none_turns_nothing(value, monkeypatch):
    monkeypatch.setattr(Image.Image, "getexif", lambda _self: {0x0112: value})
    assert decode(encoded(of_mode("RGB"), "JPEG")).width == 40


def test_of_a_jpeg_with_several_frames_the_first_is_taken():
    first, second = of_mode("RGB"), Image.new("RGB", (40, 20), "navy")
    content = encoded(first, "MPO", save_all=True, append_images=[second])
    picture, colour = seen(content)
    assert picture.format == "png"
    assert near(colour, ORANGE)


@pytest.mark.parametrize("format", ["PNG", "WEBP"])
def test_an_animation_is_refused(format):
    frames = [Image.new("RGB", (40, 20), colour) for colour in ("navy", "gold")]
    content = encoded(frames[0], format, save_all=True, append_images=frames[1:])
    with pytest.raises(DownloadError, match="several frames"):
        decode(content)


@pytest.mark.parametrize("format", ["PNG", "WEBP"])
def test_of_an_animation_with_too_many_pixels_the_pixels_are_told(format, monkeypatch):
    monkeypatch.setattr(decoding, "MAX_PICTURE_PIXELS", 40 * 20 - 1)
    frames = [Image.new("RGB", (40, 20), colour) for colour in ("navy", "gold")]
    content = encoded(frames[0], format, save_all=True, append_images=frames[1:])
    with pytest.raises(DownloadError) as raised:
        decode(content)
    assert raised.value.code == "too_many_pixels"


def with_chunk(content, kind, data, before):
    """Return the PNG with one more chunk before the first one of the kind `before`."""
    chunk = struct.pack(">I4s", len(data), kind) + data
    chunk += struct.pack(">I", zlib.crc32(kind + data))
    at = content.index(before) - 4
    return content[:at] + chunk + content[at:]


LONG_TEXT = zlib.compress(b"a" * 2_000_000)


@pytest.mark.parametrize("before", [b"IDAT", b"IEND"])
@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (b"zTXt", b"Comment\0\0" + LONG_TEXT),
        (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + LONG_TEXT),
        (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + b"a" * 2_000_000),
        (b"tEXt", b"Comment\0" + b"a" * 2_000_000),
    ],
)
def test_long_texts_are_no_reason_to_refuse_the_pixels(kind, data, before):
    _picture, colour = seen(with_chunk(encoded(of_mode("RGB"), "PNG"), kind, data, before))
    assert colour == ORANGE


def test_short_texts_are_kept():
    texts = PngImagePlugin.PngInfo()
    texts.add_itxt("XML:com.adobe.xmp", "<x:xmpmeta/>")
    content = encoded(of_mode("RGB"), "PNG", pnginfo=texts)
    assert decode(content).content == content


def gamma_one_profile():
    """Return the sRGB profile with curves that change nothing: numbers are linear light."""
    content = bytearray(profile())
    count = struct.unpack_from(">I", content, 128)[0]
    for number in range(count):
        name, offset, size = struct.unpack_from(">4sII", content, 132 + 12 * number)
        if name in {b"rTRC", b"gTRC", b"bTRC"}:
            identity = b"curv" + struct.pack(">II", 0, 0)
            content[offset : offset + size] = identity.ljust(size, b"\0")
    return bytes(content)
