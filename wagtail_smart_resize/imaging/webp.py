"""Decode opaque WebP pictures in less memory than Pillow takes. Pure.

Pillow decodes each WebP as an animation, and so holds its pixels four times: 256 MiB for one of
4096x4096. Here the library that Pillow brings is asked for the pixels alone, in 112 MiB; see
docs/design/decoding-memory.md.
"""

import ctypes
from collections.abc import Callable
from functools import cache

from PIL import Image

_BYTES_PER_PIXEL = 3


def decode(content: bytes, opened: Image.Image) -> Image.Image | None:
    """Return the pixels of an opaque still picture, with `opened`'s metadata.

    `opened` is the same content as Pillow opened it, not loaded. Return None for what Pillow has to
    decode: other pictures, damaged ones, and all where its library can't be found.
    """
    decode_rgb = _decode_rgb()
    if decode_rgb is None or opened.mode != "RGB" or getattr(opened, "n_frames", 1) > 1:
        return None
    width, height = opened.size
    row_length = _BYTES_PER_PIXEL * width
    pixels = bytearray(row_length * height)
    first = ctypes.byref(ctypes.c_ubyte.from_buffer(pixels))
    if not decode_rgb(content, len(content), first, len(pixels), row_length):
        return None
    picture = Image.frombytes("RGB", opened.size, pixels)
    picture.info = dict(opened.info)
    return picture


@cache
def _decode_rgb() -> Callable[..., int | None] | None:
    """Return `WebPDecodeRGBInto` of the library that Pillow is linked to; None if it shows none.

    Where that is part of Pillow's own module, as on Windows, its functions have no names.
    Source: webp/decode.h of libwebp, where the function is unchanged since version 0.1.
    """
    try:
        from PIL import _webp  # a private name

        function = ctypes.CDLL(_webp.__file__).WebPDecodeRGBInto
    except (ImportError, AttributeError, OSError):
        return None
    function.argtypes = (
        ctypes.c_char_p,
        ctypes.c_size_t,
        ctypes.c_void_p,
        ctypes.c_size_t,
        ctypes.c_int,
    )
    function.restype = ctypes.c_void_p
    return function
