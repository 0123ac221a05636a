"""Everything that can go wrong between this app and the world, as one tree.

    SmartResizeError
    ├── GatewayError             the gateway, asked to recompose or how far it is
    │   ├── NotSent              no connection was made            not charged, again with backoff
    │   ├── RateLimited          429                               not charged, again after a pause
    │   ├── Rejected             400, 413 and other 4xx            not charged, final for this file
    │   ├── AccessDenied         401, 402, 403, 404                not charged, the circuit opens
    │   ├── Unavailable          500 or 503, with an error body    not charged, again a few times
    │   ├── OutcomeUnknown       anything else once it was sent    perhaps charged, never repeated
    │   └── StatusUnavailable    no usable word on a request       ask again later
    ├── DownloadError            what the gateway points at can't be had or isn't a picture
    └── SourceUnavailable        the picture can't be offered to the gateway

Each carries a ``code`` for machines, from a small set of words such as ``timeout`` or ``http_502``,
and a ``detail`` for logs and the ledger: one line of plain text, with no key and no full URL in it.
"""

import re
import unicodedata

MAX_DETAIL = 300

_URL = re.compile(
    r"\b(https?://)(?:[^\s/?#\"'<>\\]*@)?([^\s/?#\"'<>\\@]+)([^\s\"'<>]*)", re.IGNORECASE
)
_DATA_URI = re.compile(r"\bdata:[^\s\"'<>]+", re.IGNORECASE)


def presentable(text: str, *, secret: str = "") -> str:
    """Make text from elsewhere fit to be kept and shown: one short line that gives nothing away.

    Control and formatting characters go (they forge log lines and turn text around), URLs keep
    their host alone (the rest may be a signature), and ``secret`` is masked.
    """
    if secret:
        text = text.replace(secret, "[key]")
    visible = "".join(" " if unicodedata.category(c).startswith("C") else c for c in text)
    without_data = _DATA_URI.sub("data:[...]", visible)
    line = " ".join(_URL.sub(_host_only, without_data).split())
    return line if len(line) <= MAX_DETAIL else line[: MAX_DETAIL - 1] + "…"


def _host_only(match: re.Match[str]) -> str:
    scheme, host, rest = match.groups()
    return f"{scheme}{host}/[...]" if rest else scheme + host


class SmartResizeError(Exception):
    """The base of the tree. ``str()`` gives the detail."""

    code: str
    detail: str

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = presentable(detail)

    def __str__(self) -> str:
        return self.detail


class GatewayError(SmartResizeError):
    """The gateway did not do what it was asked."""


class NotSent(GatewayError):
    """No connection was made, so nothing reached the gateway: refused, DNS, TLS."""


class RateLimited(GatewayError):
    """The gateway asks for a pause. ``retry_after``: seconds, capped; None if it named none."""

    def __init__(self, code: str, detail: str, *, retry_after: float | None = None) -> None:
        super().__init__(code, detail)
        self.retry_after = retry_after


class Rejected(GatewayError):
    """The gateway refuses this request, and would refuse it again."""


class AccessDenied(GatewayError):
    """The key, the balance or the address is wrong: every other request would fail as well."""


class Unavailable(GatewayError):
    """The gateway says itself that it could not take the request."""


class OutcomeUnknown(GatewayError):
    """The request may have been accepted and charged. Never repeat it without a person's word.

    ``request_id`` is what could still be read of the answer, so that its status can be asked for;
    else "".
    """

    def __init__(self, code: str, detail: str, *, request_id: str = "") -> None:
        super().__init__(code, detail)
        self.request_id = request_id


class StatusUnavailable(GatewayError):
    """The question how far a request is got no usable answer. The request itself is not touched.

    ``transient`` tells whether asking again at once may help, ``retry_after`` the seconds that the
    gateway asked for, if it did.
    """

    def __init__(
        self, code: str, detail: str, *, transient: bool = True, retry_after: float | None = None
    ) -> None:
        super().__init__(code, detail)
        self.transient = transient
        self.retry_after = retry_after


class DownloadError(SmartResizeError):
    """An output can't be had. ``final``: fetching it again can't help (not a picture, huge)."""

    def __init__(self, code: str, detail: str, *, final: bool = False) -> None:
        super().__init__(code, detail)
        self.final = final


class SourceUnavailable(SmartResizeError):
    """The picture can't be offered to the gateway: unreadable, or its URL is not reachable."""
