"""Pictures from the network: what counts as one, and how large it is. Pure."""

import hashlib
import re
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from PIL import ExifTags, Image, ImageOps

from wagtail_smart_resize.exceptions import DownloadError

from . import pixel_budget

FORMATS = ("JPEG", "PNG", "WEBP")
MAX_PIXELS = 60_000_000
MAX_SCANS = 100
"""Scans of a progressive JPEG: each costs a pass over all pixels, and a few bytes make one."""

_JPEG_SCAN = b"\xff\xda"
_JPEG_END = b"\xff\xd9"
_PNG_END = b"IEND\xaeB`\x82"

_WEB_PAGE = re.compile(rb"\s*<(!doctype\s+html|html)\b", re.IGNORECASE)

_TURNED = {5, 6, 7, 8}
"""The EXIF orientations that exchange width and height."""


@dataclass(frozen=True)
class Picture:
    """A still picture that was decoded completely. Width and height are as displayed."""

    content: bytes
    format: str
    """"jpeg", "png" or "webp"."""
    width: int
    height: int
    digest: str
    """SHA-256 of the content, in hexadecimal."""


def decode(content: bytes) -> Picture:
    """Decode everything and say what it is.

    Raises `DownloadError` for what is no JPEG, PNG or WebP, is damaged, moves, or is more to
    decode than `MAX_PIXELS` and `MAX_SCANS` allow; the last before any of it is decoded. A web page
    in the place of the picture is not final: maintenance ends.
    """
    try:
        return _decode(content)
    except DownloadError:
        raise
    except MemoryError as error:
        raise DownloadError("out_of_memory", "This machine has too little memory now.") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels() from error
    except Exception as error:
        # Pillow's decoders raise whatever a damaged file makes them stumble over.
        raise DownloadError(
            "not_a_picture",
            f"What was sent is not a readable JPEG, PNG or WebP picture ({type(error).__name__}).",
            final=_WEB_PAGE.match(content) is None,
        ) from error


def displayed_size(picture: Image.Image) -> tuple[int, int]:
    """Width and height once the EXIF orientation is applied."""
    width, height = picture.size
    turned = picture.getexif().get(ExifTags.Base.Orientation) in _TURNED
    return (height, width) if turned else (width, height)


def upright(file: Any) -> Image.Image:
    """The decoded picture, turned as it is displayed: in place, since a copy of a large one takes
    as much memory again. Raises what Pillow's decoders raise."""
    picture = Image.open(file, formats=FORMATS)
    ImageOps.exif_transpose(picture, in_place=True)
    return picture


def _decode(content: bytes) -> Picture:
    if not _has_its_end(content):
        raise DownloadError("truncated", "The picture ends before it is complete.")
    name, width, height = _decoded(content)
    return Picture(content, name, width, height, hashlib.sha256(content).hexdigest())


def _decoded(content: bytes) -> tuple[str, int, int]:
    """Format, width and height; the pixels, which were read to their end, are gone again."""
    with _opened(content) as picture:
        name = str(picture.format).lower()
        _check_header(picture, name, content)
        pixel_count = picture.width * picture.height
    with pixel_budget.budget.hold(pixel_count):
        # In a call of its own: when another may go on, these pixels are no longer in memory.
        return name, *_read_to_the_end(content)


def _opened(content: bytes) -> Image.Image:
    return Image.open(BytesIO(content), formats=FORMATS)


def _read_to_the_end(content: bytes) -> tuple[int, int]:
    """The displayed size; for a PNG's, Pillow decodes it, too."""
    with _opened(content) as picture:
        picture.load()
        return displayed_size(picture)


def _check_header(picture: Image.Image, name: str, content: bytes) -> None:
    """What can be refused before it costs anything."""
    if picture.width * picture.height > MAX_PIXELS:
        raise _too_many_pixels()
    if name == "jpeg" and content.count(_JPEG_SCAN) > MAX_SCANS:
        raise _too_many_pixels()
    if getattr(picture, "n_frames", 1) > 1:
        raise DownloadError(
            "not_a_picture",
            "What was sent has several frames: a still picture is needed.",
            final=True,
        )


def _has_its_end(content: bytes) -> bool:
    """Whether a file of a format that we know goes on to its end.

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
        f"The picture has more to decode than {MAX_PIXELS // 1_000_000} megapixels.",
        final=True,
    )
