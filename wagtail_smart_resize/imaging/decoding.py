"""Decode pictures from the network, within limits on format and size. Pure."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import Any

from PIL import Image

from wagtail_smart_resize.exceptions import DownloadError

from . import origin, pixel_budget, png_texts, srgb, webp
from .orientation import upright
from .origin import Origin

CANDIDATE_FORMATS = ("JPEG", "PNG", "WEBP")
MAX_PICTURE_PIXELS = 60_000_000
MAX_SCANS = 100
"""Maximum number of scans in a progressive JPEG: each is a pass over all pixels for few bytes."""

_JPEG_SCAN = b"\xff\xda"
_JPEG_END = b"\xff\xd9"
_PNG_END = b"IEND\xaeB`\x82"

_WEB_PAGE = re.compile(rb"\s*<(!doctype\s+html|html)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Picture:
    """A still picture that was decoded completely. Width and height are as displayed."""

    content: bytes
    format: str
    """One of "jpeg", "png" and "webp"."""
    width: int
    height: int
    digest: str
    """SHA-256 of the content, in hexadecimal."""
    origin: Origin = field(default_factory=Origin)
    """What the file that was sent says of itself."""


#: Called with a decoded, upright picture while its pixels may be held.
Look = Callable[[Image.Image], object]


def decode(content: bytes, look: Look = lambda _picture: None) -> Picture:
    """Decode the whole content and return the picture, as opaque 8-bit sRGB.

    One of another pixel mode, or with a colour profile, is encoded anew, as PNG. `look` is called
    with the pixels that the result has.

    Raises `DownloadError` for content that is not a JPEG, PNG or WebP, is damaged, is animated, or
    is more to decode than `MAX_PICTURE_PIXELS` and `MAX_SCANS` allow; the last before any of it is
    decoded. Codes are `not_a_picture`, `truncated`, `too_many_pixels` and `out_of_memory`. A web
    page in place of the picture is not final: it may be a maintenance page.
    """
    try:
        return replace(_decode(content, look), origin=origin.read(content))
    except DownloadError:
        raise
    except MemoryError as error:
        raise DownloadError("out_of_memory", "This machine has too little memory now.") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels() from error
    except Exception as error:
        # Pillow's decoders raise all kinds of exceptions for a damaged file.
        raise DownloadError(
            "not_a_picture",
            f"What was sent is not a readable JPEG, PNG or WebP picture ({type(error).__name__}).",
            final=_WEB_PAGE.match(content) is None,
        ) from error


def open_upright(file: Any) -> Image.Image:
    """Return the decoded picture of a stored candidate as displayed. Raises what Pillow raises."""
    return upright(_loaded(file.read()))


def _decode(content: bytes, look: Look) -> Picture:
    if not _is_complete(content):
        raise DownloadError("truncated", "The picture ends before it is complete.")
    if content.startswith(png_texts.SIGNATURE):
        content = png_texts.without_compressed_texts(content)
    width, height = _checked_size(content)
    with pixel_budget.budget.hold(width * height):
        # In a call of its own: these pixels are freed before another thread may go on.
        return _decode_pixels(content, look)


def _decode_pixels(content: bytes, look: Look) -> Picture:
    """Decode to the end; return the picture, encoded anew if it is not a plain one."""
    picture = _loaded(content)
    name = str(picture.format).lower()
    # Pillow knows only now all of what a PNG says of itself.
    if picture.format in CANDIDATE_FORMATS and srgb.is_plain(picture):
        shown = upright(picture)
    else:
        shown = srgb.upright_on_white(picture)
        name, content = "png", _encode_png(shown)
    look(shown)
    return Picture(content, name, *shown.size, hashlib.sha256(content).hexdigest())


def _loaded(content: bytes) -> Image.Image:
    """Return the picture with its pixels, format and metadata."""
    size = webp.plain_size(content)
    picture = webp.decode(content, size) if size else None
    if picture is None:
        opened = _opened(content)
        is_still = getattr(opened, "n_frames", 1) == 1
        if opened.format == "WEBP" and opened.mode == "RGB" and is_still:
            picture = webp.decode(content, opened.size)
        if picture is None:
            opened.load()
            return opened
        picture.info = dict(opened.info)
    picture.format = "WEBP"
    return picture


def _opened(content: bytes) -> Image.Image:
    return Image.open(BytesIO(content), formats=CANDIDATE_FORMATS)


def _encode_png(picture: Image.Image) -> bytes:
    file = BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def _checked_size(content: bytes) -> tuple[int, int]:
    """Return width and height, having refused what can be refused before decoding costs anything.

    Raises `DownloadError`.
    """
    if size := webp.plain_size(content):
        _check_pixels(size)
        return size
    with _opened(content) as picture:
        _check_pixels(picture.size)
        is_jpeg = picture.format in {"JPEG", "MPO"}
        if is_jpeg and content.count(_JPEG_SCAN) > MAX_SCANS:
            raise _too_many_pixels()
        # In a JPEG, further frames are no animation.
        if not is_jpeg and getattr(picture, "n_frames", 1) > 1:
            raise DownloadError(
                "not_a_picture",
                "What was sent has several frames: a still picture is needed.",
                final=True,
            )
        return picture.size


def _check_pixels(size: tuple[int, int]) -> None:
    width, height = size
    if width * height > MAX_PICTURE_PIXELS:
        raise _too_many_pixels()


def _is_complete(content: bytes) -> bool:
    """Return whether a file of a known format is complete to its end; True for other formats.

    Pillow's own check is off where a site sets `ImageFile.LOAD_TRUNCATED_IMAGES`.
    """
    if content.startswith(b"\xff\xd8"):
        return content.rfind(_JPEG_END) > content.rfind(_JPEG_SCAN)
    if content.startswith(b"\x89PNG"):
        return _PNG_END in content
    if content.startswith(b"RIFF"):
        return len(content) >= 8 + int.from_bytes(content[4:8], "little")
    return True


def _too_many_pixels() -> DownloadError:
    return DownloadError(
        "too_many_pixels",
        f"The picture has more to decode than {MAX_PICTURE_PIXELS // 1_000_000} megapixels.",
        final=True,
    )
