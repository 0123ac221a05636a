"""Decode opaque WebP pictures in less memory and time than Pillow takes. Pure.

Pillow opens and decodes each WebP as an animation, and so holds its pixels four times: 256 MiB for
one of 4096x4096. Here the library that Pillow brings is asked for the pixels alone, in 112 MiB; see
docs/design/decoding-memory.md.
"""

import ctypes
from functools import cache
from typing import Any, NamedTuple

from PIL import Image

_BYTES_PER_PIXEL = 3
#: How a file begins that holds one lossy picture and nothing else: no transparency, no metadata.
#: Source: RFC 9649, 2.5, "Simple File Format (Lossy)".
_PLAIN = b"WEBPVP8 "


def plain_size(content: bytes) -> tuple[int, int] | None:
    """Return width and height of an opaque still picture without metadata, by its header.

    Return None for what Pillow has to open: all else, and all where its library can't be found.
    """
    library = _library()
    if library is None or content[8:16] != _PLAIN:
        return None
    width, height = ctypes.c_int(), ctypes.c_int()
    if not library.read_size(content, len(content), ctypes.byref(width), ctypes.byref(height)):
        return None
    return width.value, height.value


def decode(content: bytes, size: tuple[int, int]) -> Image.Image | None:
    """Return the pixels of an opaque still picture of this size, in mode RGB.

    Return None for what Pillow has to decode: damaged pictures, and all where its library can't be
    found.
    """
    library = _library()
    if library is None:
        return None
    width, height = size
    row_length = _BYTES_PER_PIXEL * width
    pixels = bytearray(row_length * height)
    first = ctypes.byref(ctypes.c_ubyte.from_buffer(pixels))
    if not library.decode(content, len(content), first, len(pixels), row_length):
        return None
    return Image.frombytes("RGB", size, pixels)


class _Library(NamedTuple):
    """Functions of libwebp. Source: webp/decode.h, unchanged since version 0.1."""

    read_size: Any
    decode: Any


@cache
def _library() -> _Library | None:
    """Return the library that Pillow is linked to; None if it shows no functions.

    Where it is part of Pillow's own module, as on Windows, they have no names.
    """
    try:
        from PIL import _webp  # a private name

        library = ctypes.CDLL(_webp.__file__)
        found = _Library(library.WebPGetInfo, library.WebPDecodeRGBInto)
    except (ImportError, AttributeError, OSError):
        return None
    content = (ctypes.c_char_p, ctypes.c_size_t)
    found.read_size.argtypes = (*content, *[ctypes.POINTER(ctypes.c_int)] * 2)
    found.decode.argtypes = (*content, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    found.decode.restype = ctypes.c_void_p
    return found
