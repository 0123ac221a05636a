"""Fetch the outputs that the gateway names.

Nothing that it says is trusted: not the address, not the size, not the type. Knows no models and no
settings.
"""

import base64
from typing import Any
from urllib.parse import unquote_to_bytes, urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests_hardened import Config, HTTPSession
from requests_hardened.ip_filter import InvalidIPAddress
from requests_hardened.ip_filter_adapter import IPFilterAdapter
from urllib3.exceptions import HTTPError

from wagtail_smart_resize.core.hosts import is_loopback, is_public
from wagtail_smart_resize.exceptions import DownloadError
from wagtail_smart_resize.imaging.decoding import Look, Picture, decode

from .deadlines import Deadline
from .schema import Output

MAX_DOWNLOAD_BYTES = 40_000_000
TIMEOUT_SECONDS = 60.0
MAX_REDIRECTS = 3
CONNECT_TIMEOUT_SECONDS = 10.0

_CHUNK = 64 * 1024
#: Source: IANA's registry of HTTP content codings, and what urllib3 unpacks.
_COMPRESSIONS = {"br", "compress", "dcb", "dcz", "deflate", "gzip", "x-compress", "x-gzip", "zstd"}


def download(output: Output, *, gateway_url: str, look: Look = lambda _picture: None) -> Picture:
    """Fetch an output, decode it completely and return the picture. `look` is that of `decode`.

    Only https at public addresses is requested, which is checked at every redirect; a gateway on
    loopback (the sandbox) may also name its own scheme, host and port.

    Raises `DownloadError`, whose `final` says that a retry can't help, with the codes of `decode`
    or `too_large`, `forbidden_address`, `redirects`, `compressed`, `timeout`, `connection`, or the
    HTTP status as in `result_404`.
    """
    if output.url[:5].lower() == "data:":
        return decode(_read_data_uri(output.url), look)
    return decode(_download(output.url, gateway_url), look)


def _read_data_uri(uri: str) -> bytes:
    # Base64 takes four characters for three bytes.
    if len(uri) > MAX_DOWNLOAD_BYTES * 4 / 3 + 200:
        raise _too_large()
    header, _comma, payload = uri.partition(",")
    try:
        if not header.lower().endswith(";base64"):
            raise ValueError("not base64")
        return base64.b64decode(unquote_to_bytes(payload), validate=True)
    except ValueError as error:
        raise DownloadError(
            "not_a_picture", "The data URI that was sent can't be read.", final=True
        ) from error


def _download(url: str, gateway_url: str) -> bytes:
    deadline = Deadline(TIMEOUT_SECONDS)
    with _session(gateway_url) as session:
        deadline.limit(session)
        try:
            return _read(_follow(session, url, deadline))
        except DownloadError:
            raise
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            raise _timed_out() if deadline.passed else _translate_error(error) from error


class _Session(HTTPSession):
    """A session that follows no redirect: requests would read its body first, however long."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None

    def target_of(self, response: requests.Response) -> str | None:
        return super().get_redirect_target(response)


class _PublicAdapter(IPFilterAdapter):
    """Also checks the address that is connected to against this app's rule for public ones."""

    def build_connection_pool_key_attributes(self, *args: Any, **kwargs: Any) -> Any:
        host_params, pool_kwargs = super().build_connection_pool_key_attributes(*args, **kwargs)
        if not is_public(host_params["host"].strip("[]")):
            raise InvalidIPAddress(host_params["host"])
        return host_params, pool_kwargs


def _session(gateway_url: str) -> _Session:
    """Return a session whose adapters are the list of what may be requested, and nothing else."""
    session = _Session(
        Config(
            ip_filter_enable=True,
            ip_filter_allow_loopback_ips=False,
            never_redirect=True,
            default_timeout=CONNECT_TIMEOUT_SECONDS,
        )
    )
    # Proxies would resolve names instead of this process, and .netrc holds passwords.
    session.trust_env = False
    del session.adapters["http://"]
    session.mount("https://", _PublicAdapter(is_https_proto=True))
    gateway = urlsplit(gateway_url)
    if is_loopback(gateway.hostname):
        session.mount(f"{gateway.scheme}://{gateway.netloc}/", HTTPAdapter())
    return session


def _follow(session: _Session, url: str, deadline: Deadline) -> requests.Response:
    for _hop in range(MAX_REDIRECTS + 1):
        response = session.get(
            url,
            stream=True,
            headers={"Accept-Encoding": "identity"},
            timeout=min(CONNECT_TIMEOUT_SECONDS, deadline.remaining()),
        )
        target = session.target_of(response)
        if target is None:
            return response
        response.close()
        url = urljoin(url, target)
    raise DownloadError("redirects", f"The address redirects more than {MAX_REDIRECTS} times.")


def _read(response: requests.Response) -> bytes:
    with response:
        if response.status_code != requests.codes.ok:
            # Object stores answer 403 and 404 for what has expired, and for what is not there yet.
            status = response.status_code
            raise DownloadError(f"result_{status}", f"The picture's address answered {status}.")
        if _is_compressed(response):
            # A few bytes can unpack to more than fits into memory, and pictures don't need it.
            raise DownloadError("compressed", "The picture was sent compressed, unasked.")
        if (response.raw.length_remaining or 0) > MAX_DOWNLOAD_BYTES:
            raise _too_large()
        content = bytearray()
        for chunk in response.iter_content(_CHUNK):
            content += chunk
            if len(content) > MAX_DOWNLOAD_BYTES:
                raise _too_large()
        return bytes(content)


def _is_compressed(response: requests.Response) -> bool:
    """Return whether the body is compressed.

    Object stores repeat whatever an upload said: `aws-chunked`, `utf-8`, nothing at all.
    """
    codings = response.headers.get("Content-Encoding", "").lower().split(",")
    return not _COMPRESSIONS.isdisjoint(coding.strip() for coding in codings)


def _too_large() -> DownloadError:
    return DownloadError(
        "too_large", f"The picture has more than {MAX_DOWNLOAD_BYTES // 1_000_000} MB.", final=True
    )


def _timed_out() -> DownloadError:
    return DownloadError(
        "timeout", f"The picture did not arrive within {TIMEOUT_SECONDS:.0f} seconds."
    )


def _translate_error(error: Exception) -> DownloadError:
    """Return the error for what stopped a download, without the address, which may be signed."""
    if isinstance(error, InvalidIPAddress):
        return DownloadError(
            "forbidden_address", "The picture's address is not a public one.", final=True
        )
    if isinstance(error, ValueError):
        # There is no adapter for it, no usable host, or no URL at all.
        return DownloadError(
            "forbidden_address",
            "The picture's address is not one that is fetched: https, at a public host.",
            final=True,
        )
    name = type(error).__name__
    return DownloadError("connection", f"The connection failed ({name}).")
