"""What each fault word makes of a correct answer."""

import binascii
import json
import struct
import time
import zlib
from collections.abc import Callable
from email.utils import formatdate
from functools import partial

from wagtail_smart_resize.sandbox.jobs import PRIVATE
from wagtail_smart_resize.sandbox.responses import Reply, as_json, error, page

from .words import HTML_CODES, JSON_CODES

ELSEWHERE = "/elsewhere"

_BOMB_SIDE = 20_000
_SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"><script>1</script></svg>'


def refusal(word: str) -> Reply | None:
    """Return the answer that takes the place of any work, or None if the word is another fault."""
    make = _REFUSALS.get(word)
    return make() if make else None


def spoilt(reply: Reply, word: str) -> Reply:
    """Return the answer to finished work with the fault applied.

    Refusals are returned unchanged, and so is every answer where the word is another fault.
    """
    change = _CHANGES.get(word) if reply.status == 200 else None
    return change(reply) if change else reply


def _http_error(status: int, **headers: str) -> Reply:
    reply = error(status, f"HTTP {status}", "The sandbox was asked for this error")
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(reply.status, reply.body, reply.content_type, named)


_REFUSALS: dict[str, Callable[[], Reply]] = {
    **{str(code): partial(_http_error, code) for code in JSON_CODES},
    **{str(code): partial(page, code) for code in HTML_CODES},
    "429-seconds": lambda: _http_error(429, Retry_After="2"),
    "429-date": lambda: _http_error(429, Retry_After=formatdate(time.time() + 60, usegmt=True)),
    "500-html": lambda: page(500),
    "503-html": lambda: page(503),
    "expired": lambda: error(404, "Resource not found", "The result is kept no longer"),
}


def _half(reply: Reply) -> Reply:
    return Reply(reply.status, reply.body[: len(reply.body) // 2], reply.content_type)


def _redirect(location: str) -> Reply:
    return Reply(302, b"", "text/plain", {"Location": location})


def _bomb() -> bytes:
    """Return a PNG of one bit a pixel: a small file that decodes to 400 million pixels."""
    row = bytes(1 + _BOMB_SIDE // 8)
    packer = zlib.compressobj(1)
    data = b"".join(packer.compress(row) for _ in range(_BOMB_SIDE)) + packer.flush()
    header = struct.pack(">IIBBBBB", _BOMB_SIDE, _BOMB_SIDE, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, content) for kind, content in chunks)


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = binascii.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


_WRONG_TYPES = {"request_id": 7, "status": ["COMPLETED"], "output": "none", "error": False}


_CHANGES: dict[str, Callable[[Reply], Reply]] = {
    "html": lambda reply: page(200),
    "half-json": _half,
    "truncated": _half,
    "redirect": lambda reply: _redirect(ELSEWHERE),
    "redirect-private": lambda reply: _redirect(f"{PRIVATE}/latest/meta-data/"),
    "wrong-types": lambda reply: as_json(_WRONG_TYPES),
    "unknown-status": lambda reply: as_json(json.loads(reply.body) | {"status": "PAUSED"}),
    "not-an-image": lambda reply: Reply(200, b"This is not a picture.\n" * 9, reply.content_type),
    "svg": lambda reply: Reply(200, _SVG, reply.content_type),
    "bomb": lambda reply: Reply(200, _bomb(), "image/png"),
}
