"""Fetch ``image_url`` as the gateway does: over HTTP, from any host, within limits."""

import http.client
import time
import urllib.error
import urllib.request

MAX_BYTES = 50 * 1024 * 1024
_CHUNK = 64 * 1024


class SourceFetchError(Exception):
    """The source can't be fetched.

    ``str()`` is the error text of the FAILED status. It does not contain the URL, which is signed.
    """


def fetch_source(url: str, seconds: float) -> bytes:
    """Return the content at ``url``. Raises SourceUnavailable.

    ``seconds`` is the timeout for the connection, and the time for the whole body.
    """
    # The environment's proxies are left out: the site is on this machine or next to it.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(
            url, timeout=seconds
        ) as response:  # read_order() lets only http and https pass
            return _read(response, time.monotonic() + seconds)
    except urllib.error.HTTPError as e:
        e.close()
        raise SourceFetchError(f"Could not fetch image_url: HTTP {e.code}") from e
    except (OSError, ValueError, http.client.HTTPException) as e:
        raise SourceFetchError("Could not fetch image_url: no answer from its host") from e


def _read(response: http.client.HTTPResponse, ends: float) -> bytes:
    content = bytearray()
    while chunk := response.read(_CHUNK):
        content += chunk
        if len(content) > MAX_BYTES or time.monotonic() > ends:
            raise SourceFetchError("Could not fetch image_url: too large or too slow")
    return bytes(content)
