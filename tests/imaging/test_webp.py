"""WebP pictures that are decoded without Pillow's copies: the same pixels, in less memory."""

import ctypes
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageOps

from wagtail_smart_resize.exceptions import DownloadError
from wagtail_smart_resize.imaging import webp
from wagtail_smart_resize.imaging.decoding import decode, open_upright

pytestmark = pytest.mark.any_version

MISSING = "Pillow's library shows no names here"


@pytest.fixture
def found_anew():
    webp._library.cache_clear()
    yield
    webp._library.cache_clear()


def drawn(mode="RGB", size=(83, 41)):
    """Return a picture with a gradient and a line."""
    picture = Image.linear_gradient("L").resize(size).convert(mode)
    ImageDraw.Draw(picture).line((3, 2, 60, 35), fill="orange", width=3)
    return picture


def encoded(picture, **options):
    content = BytesIO()
    picture.save(content, "WEBP", **options)
    return content.getvalue()


def turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


OPAQUE = {
    "lossy": encoded(drawn()),
    "lossless": encoded(drawn(), lossless=True),
    "with metadata": encoded(drawn(), exif=turned(), xmp=b"<x:xmpmeta/>"),
    "of one pixel": encoded(drawn(size=(1, 1))),
}


def opened(content):
    return Image.open(BytesIO(content))


@pytest.fixture
def without_opening(monkeypatch):
    """Let Pillow open nothing."""

    def opened(*_args, **_options):
        raise AssertionError("Pillow was asked")

    monkeypatch.setattr(Image, "open", opened)


@pytest.mark.skipif(webp._library() is None, reason=MISSING)
class TestWhereTheLibraryIsFound:
    @pytest.mark.parametrize("content", OPAQUE.values(), ids=OPAQUE)
    def test_pixels_and_their_way_up_are_those_of_pillow(self, content):
        by_pillow = ImageOps.exif_transpose(opened(content))
        found = open_upright(BytesIO(content))
        assert found.mode == by_pillow.mode == "RGB"
        assert found.size == by_pillow.size
        assert found.tobytes() == by_pillow.tobytes()

    def test_pillow_does_not_even_open_a_plain_one(self, without_opening):
        content = OPAQUE["lossy"]
        found = decode(content)
        assert (found.format, found.width, found.height) == ("webp", 83, 41)
        assert found.content == content

    @pytest.mark.parametrize("kind", ["lossless", "with metadata"])
    def test_pillow_opens_what_may_be_more_than_plain(self, kind):
        assert webp.plain_size(OPAQUE[kind]) is None

    @pytest.mark.parametrize("length", [0, 11, 16, 20, 29])
    def test_pillow_tells_of_a_header_that_ends_too_early(self, length):
        content = OPAQUE["lossy"][:length]
        assert webp.plain_size(content) is None
        with pytest.raises(DownloadError):
            decode(content)

    def test_a_plain_picture_too_large_is_refused_before_it_is_decoded(self, monkeypatch):
        monkeypatch.setattr("wagtail_smart_resize.imaging.decoding.MAX_PICTURE_PIXELS", 83 * 41 - 1)
        monkeypatch.setattr(webp, "decode", None)
        with pytest.raises(DownloadError) as raised:
            decode(OPAQUE["lossy"])
        assert raised.value.code == "too_many_pixels"

    def test_pillow_decodes_what_is_transparent(self):
        content = encoded(drawn("RGBA").rotate(20), lossless=True)
        assert open_upright(BytesIO(content)).mode == "RGBA"
        assert decode(content).format == "png"

    def test_what_is_animated_is_refused(self):
        content = encoded(drawn(), save_all=True, append_images=[Image.new("RGB", (83, 41))])
        with pytest.raises(DownloadError, match="several frames"):
            decode(content)

    def test_pillow_tells_of_what_is_damaged(self):
        content = bytearray(encoded(drawn(size=(400, 400))))
        content[60:] = bytes(len(content) - 60)
        assert webp.plain_size(bytes(content)) == (400, 400)
        assert webp.decode(bytes(content[:200]), (400, 400)) is None
        with pytest.raises(DownloadError):
            decode(bytes(content[:200]))

    def test_a_picture_larger_than_its_header_says_is_not_written_beyond_the_buffer(self):
        content = encoded(drawn())
        assert webp.decode(content, (82, 41)) is None
        assert webp.decode(content, (83, 40)) is None

    @pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux")
    def test_the_pixels_are_held_less_than_twice(self, tmp_path):
        side = 2048
        picture = tmp_path / "picture.webp"
        Image.new("RGB", (side, side), "teal").save(picture)
        command = [sys.executable, "-c", PEAK, str(picture)]
        ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        assert int(ended.stdout) * 1024 < 2.2 * (4 * side * side)


# Prints in KB what decoding the picture takes at its peak, the second time.
PEAK = """
import re, sys
from pathlib import Path
from wagtail_smart_resize.imaging.decoding import decode

def memory(name):
    found = re.search(name + r":\\s+(\\d+)", Path("/proc/self/status").read_text())
    return int(found[1])

content = Path(sys.argv[1]).read_bytes()
decode(content)
Path("/proc/self/clear_refs").write_text("5")
before = memory("VmRSS")
decode(content)
print(memory("VmHWM") - before)
"""


class Nameless:
    """A library whose functions have no names."""


def no_library(_path):
    raise OSError("no such file")


@pytest.mark.parametrize("library", [no_library, lambda _path: Nameless()])
@pytest.mark.parametrize("content", OPAQUE.values(), ids=OPAQUE)
def test_pillow_decodes_where_the_library_is_not_found(content, library, monkeypatch, found_anew):
    expected = open_upright(BytesIO(content))
    webp._library.cache_clear()
    monkeypatch.setattr(ctypes, "CDLL", library)
    assert webp.decode(content, opened(content).size) is None
    assert webp.plain_size(content) is None
    assert open_upright(BytesIO(content)).tobytes() == expected.tobytes()
    assert (decode(content).width, decode(content).height) == expected.size


def test_pillow_decodes_where_its_private_module_is_gone(monkeypatch, found_anew):
    with monkeypatch.context() as patch:
        patch.delattr("PIL._webp")
        patch.setitem(sys.modules, "PIL._webp", None)
        assert webp._library() is None
        content = OPAQUE["lossy"]
        assert webp.plain_size(content) is None
        assert open_upright(BytesIO(content)).size == (83, 41)
