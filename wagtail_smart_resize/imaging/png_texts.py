"""Take compressed texts out of a PNG. Pure.

Pillow refuses a whole picture for one that unpacks to more than a megabyte, and no picture needs
it. Source: PNG specification, third edition, section 11.3.3.
"""

import struct
from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_HEAD = struct.Struct(">I4s")
_CHECKSUM_BYTES = 4


def without_compressed_texts(content: bytes) -> bytes:
    """Return the PNG's content without its compressed texts; the same object if it has none."""
    left_out = [
        (start, end)
        for start, end, kind in _chunks(content)
        if _is_compressed(content, start, kind)
    ]
    if not left_out:
        return content
    kept, position = bytearray(), 0
    for start, end in left_out:
        kept += content[position:start]
        position = end
    return bytes(kept + content[position:])


def _chunks(content: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield start, end and kind of each whole chunk."""
    start = len(SIGNATURE)
    while start + _HEAD.size <= len(content):
        length, kind = _HEAD.unpack_from(content, start)
        end = start + _HEAD.size + length + _CHECKSUM_BYTES
        if end > len(content):
            return
        yield start, end, kind
        start = end


def _is_compressed(content: bytes, start: int, kind: bytes) -> bool:
    if kind != b"iTXt":
        return kind == b"zTXt"
    # The keyword, at most 79 bytes, ends with a zero; the flag follows.
    flag = content.find(b"\0", start + _HEAD.size) + 1
    return content[flag : flag + 1] == b"\1"
