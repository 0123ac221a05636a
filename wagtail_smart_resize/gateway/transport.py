"""One HTTP exchange with the gateway, bounded in time and in bytes.

Two things only the connection itself knows, so ours is asked instead of guessing from exceptions:

- whether the request was sent. A reset during the TLS handshake and one after the request look
  the same from outside, but the first costs nothing and the second perhaps money.
- how long the answer takes as a whole. A socket timeout starts anew with every byte, so an answer
  that trickles would never end.

Every exchange has a connection of its own: on one kept alive, a reset would not tell whether the
server closed it before or after our request.
"""

import http.client
import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter

from wagtail_smart_resize.exceptions import GatewayError, NotSent, OutcomeUnknown

from .deadlines import Deadline, TimedSocket

MAX_BYTES = 64 * 1024 * 1024  # data URIs come inside the answer
_CHUNK = 16 * 1024

_SENTENCES = {
    "dns": "the name could not be looked up",
    "tls": "no secure connection could be made",
    "refused": "the connection was refused",
    "timeout": "it took too long",
    "bad_url": "the address or a header is not valid",
    "no_connection": "no connection could be made",
    "broken_off": "the connection broke off",
    "too_large": "the answer is too large",
}


@dataclass(frozen=True)
class Reply:
    """An HTTP answer. ``fault`` tells why the body is not whole; what came of it is kept."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    fault: OutcomeUnknown | None = None


def exchange(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    payload: Mapping[str, Any] | None,
    connect_seconds: float,
    seconds: float,
) -> Reply:
    """Send one request, exactly once, and read its answer, all within ``seconds``.

    Raises NotSent if nothing left this machine, OutcomeUnknown if there is no answer after that.
    """
    watch = _Watch(seconds)
    timeout = (min(connect_seconds, seconds), seconds)
    with _session(url, watch) as session:
        try:
            response = session.request(
                method,
                url,
                headers=dict(headers),
                json=payload,
                timeout=timeout,
                stream=True,
                allow_redirects=False,
            )
        except Exception as e:
            # Besides what requests, urllib3 and http.client document, whatever an odd answer makes
            # them stumble over: none of it may pass on frames that hold the key.
            raise _failure(e, url, sent=watch.sent) from _without_frames(e)
        with response:
            return _reply(response)


def _reply(response: requests.Response) -> Reply:
    body = bytearray()
    fault = None
    try:
        # As it comes, not in full blocks: of an answer that breaks off, all that came is kept.
        while piece := response.raw.read1(_CHUNK, decode_content=True):
            body += piece
            if len(body) > MAX_BYTES:
                fault = OutcomeUnknown("too_large", _sentence("too_large", response.url))
                break
    except Exception as e:
        code = _code(e, sent=True)
        fault = OutcomeUnknown(code, _sentence(code, response.url))
    return Reply(response.status_code, response.headers, bytes(body), fault)


def _failure(error: BaseException, url: str, *, sent: bool) -> GatewayError:
    code = _code(error, sent=sent)
    return (OutcomeUnknown if sent else NotSent)(code, _sentence(code, url))


def _sentence(code: str, url: str) -> str:
    host = url.partition("://")[2].partition("/")[0].rpartition("@")[2]
    return f"{host or 'The gateway'}: {_SENTENCES[code]}."


def _without_frames(error: BaseException) -> BaseException:
    """Keep what the errors say, not the frames: their local variables hold the request, key and
    all, and error reports print local variables.
    """
    for link in _chain(error):
        link.__traceback__ = None
    return error


def _code(error: BaseException, *, sent: bool) -> str:
    chain = list(_chain(error))
    kinds = (
        ("dns", (socket.gaierror,)),
        ("tls", (ssl.SSLError, urllib3.exceptions.SSLError)),
        ("refused", (ConnectionRefusedError,)),
        ("timeout", (TimeoutError, urllib3.exceptions.TimeoutError, requests.Timeout)),
    )
    for code, types in kinds:
        if any(isinstance(link, types) for link in chain):
            return code
    if sent:
        return "broken_off"
    invalid = isinstance(error, ValueError | urllib3.exceptions.LocationValueError)
    return "bad_url" if invalid else "no_connection"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


# The connection


class _Watch(Deadline):
    """What is known of one exchange: when it must end, and whether the request went out."""

    sent = False


class _WatchedConnection:
    """Goes before urllib3's connection classes, whichever the scheme or a proxy calls for."""

    watch: _Watch
    sock: Any

    def endheaders(self, *args: Any, **kwargs: Any) -> None:
        """Send what was prepared: the first bytes of the request itself leave here.

        A proxy's CONNECT doesn't come this way.
        """
        if self.sock is None:
            self.connect()  # type: ignore[attr-defined]
        self.watch.sent = True
        super().endheaders(*args, **kwargs)  # type: ignore[misc]

    def response_class(self, sock: Any, *args: Any, **kwargs: Any) -> http.client.HTTPResponse:
        return http.client.HTTPResponse(TimedSocket(sock, self.watch), *args, **kwargs)  # type: ignore[arg-type]


class _WatchedAdapter(HTTPAdapter):
    def __init__(self, watch: _Watch) -> None:
        self._watch = watch
        super().__init__()  # its default is to repeat nothing

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self._watch_connections(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        self._watch_connections(manager)
        return manager

    def _watch_connections(self, manager: Any) -> None:
        manager.pool_classes_by_scheme = {
            scheme: self._watched(pool) for scheme, pool in manager.pool_classes_by_scheme.items()
        }

    def _watched(self, pool: type) -> type:
        bases = (_WatchedConnection, pool.ConnectionCls)  # type: ignore[attr-defined]
        connection = type("WatchedConnection", bases, {"watch": self._watch})
        return type("WatchedPool", (pool,), {"ConnectionCls": connection})


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Know of no redirect: requests would read its body, however long, to prepare for it."""
        return None


def _session(url: str, watch: _Watch) -> requests.Session:
    session = _Session()
    # The environment's proxies and certificates count for https, where a proxy sees no key. A plain
    # http gateway is on this machine, and a proxy would read the key.
    session.trust_env = url.lower().startswith("https:")
    session.auth = _no_auth
    session.mount("https://", _WatchedAdapter(watch))
    session.mount("http://", _WatchedAdapter(watch))
    return session


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keep requests from adding what a .netrc file says of the host."""
    return request
