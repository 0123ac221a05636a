"""Fetching ``image_url`` as the gateway does: over HTTP, from wherever it points, within limits."""

import http.client
import time
import urllib.error
import urllib.request

MAX_BYTES = 50 * 1024 * 1024
_CHUNK = 64 * 1024


class SourceUnavailable(Exception):
    """``str()`` is the error text of the FAILED status; the URL, which is signed, is not in it."""


def fetch_source(url: str, seconds: float) -> bytes:
    # The environment's proxies are left out: the site is on this machine or next to it.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(
            url, timeout=seconds
        ) as response:  # http and https only: read_order saw to it
            return _read(response, time.monotonic() + seconds)
    except urllib.error.HTTPError as e:
        e.close()
        raise SourceUnavailable(f"Could not fetch image_url: HTTP {e.code}") from e
    except (OSError, ValueError, http.client.HTTPException) as e:
        raise SourceUnavailable("Could not fetch image_url: no answer from its host") from e


def _read(response: http.client.HTTPResponse, ends: float) -> bytes:
    content = bytearray()
    while chunk := response.read(_CHUNK):
        content += chunk
        if len(content) > MAX_BYTES or time.monotonic() > ends:
            raise SourceUnavailable("Could not fetch image_url: too large or too slow")
    return bytes(content)
