"""Exceptions for everything that can go wrong between this app and other systems.

    SmartResizeError
    ├── GatewayError             the gateway, on a submission or a status request
    │   ├── NotSent              no connection was made            not charged, retry with backoff
    │   ├── RateLimited          429                               not charged, retry after a pause
    │   ├── Rejected             400, 413 and other 4xx            not charged, final for this file
    │   ├── AccessDenied         401 to 405, 410                   not charged, the circuit opens
    │   ├── Unavailable          500 or 503, with an error body    not charged, retry a few times
    │   ├── OutcomeUnknown       anything else once it was sent    perhaps charged, never repeated
    │   └── StatusUnavailable    a status request without answer   ask again later
    ├── DownloadError            an output can't be fetched or isn't a picture
    └── SourceUnavailable        the image can't be offered to the gateway

Each has a ``code`` for machines, from a small set of words such as ``timeout`` or ``http_502``, and
a ``detail`` for logs and the ledger: one line of plain text, without the key or a full URL.
"""

import re
import unicodedata

MAX_DETAIL = 300

_URL = re.compile(
    r"\b(https?://)(?:[^\s/?#\"'<>\\]*@)?([^\s/?#\"'<>\\@]+)([^\s\"'<>]*)", re.IGNORECASE
)
_DATA_URI = re.compile(r"\bdata:[^\s\"'<>]+", re.IGNORECASE)


def presentable(text: str, *, secret: str = "") -> str:
    """Return text from elsewhere as one short line that is safe to store and show.

    Control and formatting characters become spaces (they forge log lines and reverse text), URLs
    are cut to their host (the rest may be a signature), and ``secret`` is masked. The line has at
    most ``MAX_DETAIL`` characters.
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
    """Base class of this app's errors. ``str()`` returns the detail."""

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
    """No connection was made (refused, DNS, TLS), so nothing reached the gateway."""


class RateLimited(GatewayError):
    """The gateway asks for a pause. ``retry_after`` is in seconds, capped; None without one."""

    def __init__(self, code: str, detail: str, *, retry_after: float | None = None) -> None:
        super().__init__(code, detail)
        self.retry_after = retry_after


class Rejected(GatewayError):
    """The gateway refuses this request and would refuse it again."""


class AccessDenied(GatewayError):
    """The key, the balance or the address is wrong: every other request would fail as well."""


class Unavailable(GatewayError):
    """The gateway declares that it could not take the request."""


class OutcomeUnknown(GatewayError):
    """The request may have been accepted and charged. Never repeat it unless a person asks.

    ``request_id`` is the id that could still be read from the answer, so that the status can be
    requested; else "".
    """

    def __init__(self, code: str, detail: str, *, request_id: str = "") -> None:
        super().__init__(code, detail)
        self.request_id = request_id


class StatusUnavailable(GatewayError):
    """A status request got no usable answer. The request that it asked about is not affected.

    ``transient`` is whether asking again at once may help, ``retry_after`` the seconds that the
    gateway asked for, or None.
    """

    def __init__(
        self, code: str, detail: str, *, transient: bool = True, retry_after: float | None = None
    ) -> None:
        super().__init__(code, detail)
        self.transient = transient
        self.retry_after = retry_after


class DownloadError(SmartResizeError):
    """An output can't be fetched. ``final``: a retry can't help (not a picture, too large)."""

    def __init__(self, code: str, detail: str, *, final: bool = False) -> None:
        super().__init__(code, detail)
        self.final = final


class SourceUnavailable(SmartResizeError):
    """The image can't be offered to the gateway: unreadable, or its URL is not reachable."""
