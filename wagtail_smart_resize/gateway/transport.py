"""One HTTP exchange with the gateway, bounded in time and in bytes.

Whether the request was sent, and how long its answer takes as a whole, is known to the connection
alone: see `deadlines`.

Every exchange has a connection of its own: on one kept alive, a reset would not tell whether the
server closed it before or after the request.
"""

import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter

from wagtail_smart_resize.exceptions import GatewayError, NotSent, OutcomeUnknown

from .deadlines import Deadline

MAX_ANSWER_BYTES = 4 * 1024 * 1024
MAX_ANSWER_WITH_PICTURES_BYTES = 64 * 1024 * 1024
"""Where data URIs were asked for, which are part of the answer."""
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
class HttpReply:
    """An HTTP answer. ``fault`` says why the body is incomplete; what was received is kept."""

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
    with_pictures: bool = False,
) -> HttpReply:
    """Send one request, exactly once, and return its answer, all within ``seconds``.

    ``with_pictures``: whether data URIs were asked for, so that the body may be large.

    Raises NotSent (``dns``, ``tls``, ``refused``, ``timeout``, ``bad_url``, ``no_connection``) if
    nothing left this machine, OutcomeUnknown (``timeout``, ``broken_off`` and others) if it did and
    there is no answer.
    """
    deadline = Deadline(seconds)
    timeout = (min(connect_seconds, seconds), seconds)
    with _session(url, deadline) as session:
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
            # Besides what requests, urllib3 and http.client document, an odd answer may make them
            # raise anything. No exception may pass on frames that hold the key.
            raise _failure(e, url, sent=deadline.sent) from _without_frames(e)
        with response:
            return _reply(
                response, MAX_ANSWER_WITH_PICTURES_BYTES if with_pictures else MAX_ANSWER_BYTES
            )


def _reply(response: requests.Response, most_bytes: int) -> HttpReply:
    body = bytearray()
    fault = None
    try:
        # Read as bytes arrive, not in full blocks: of an answer that breaks off, everything
        # received is kept.
        while piece := response.raw.read1(_CHUNK, decode_content=True):
            body += piece
            if len(body) > most_bytes:
                fault = OutcomeUnknown("too_large", _sentence("too_large", response.url))
                break
    except Exception as e:
        code = _code(e, sent=True)
        fault = OutcomeUnknown(code, _sentence(code, response.url))
    return HttpReply(response.status_code, response.headers, bytes(body), fault)


def _failure(error: BaseException, url: str, *, sent: bool) -> GatewayError:
    code = _code(error, sent=sent)
    return (OutcomeUnknown if sent else NotSent)(code, _sentence(code, url))


def _sentence(code: str, url: str) -> str:
    host = url.partition("://")[2].partition("/")[0].rpartition("@")[2]
    return f"{host or 'The gateway'}: {_SENTENCES[code]}."


def _without_frames(error: BaseException) -> BaseException:
    """Remove the tracebacks from a chain of exceptions, and return the first.

    The local variables of their frames hold the request with the key, and error reports print local
    variables.
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


# The session


class _Adapter(HTTPAdapter):
    """Applies the deadline to connections through a proxy, too."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        super().__init__()  # requests retries nothing by default

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        self._deadline.limit_pools(manager)
        return manager


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Report no redirect: requests would read its body, however long, to prepare for it."""
        return None


def _session(url: str, deadline: Deadline) -> requests.Session:
    session = _Session()
    # The proxies and certificates of the environment apply to https, where a proxy sees no key. A
    # gateway on plain http is on this machine, and a proxy would read the key.
    session.trust_env = url.lower().startswith("https:")
    session.auth = _no_auth
    session.mount("https://", _Adapter(deadline))
    session.mount("http://", _Adapter(deadline))
    deadline.limit(session)
    return session


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Prevent requests from adding the credentials that a .netrc file holds for the host."""
    return request
