"""Client of the Smart Resize API: submit a request, and ask for its status.

This is the only place where the gateway's answers become this app's exceptions.
"""

import dataclasses
import logging
import re
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, unquote, urlsplit
from uuid import uuid4

from tenacity import (
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    stop_before_delay,
    wait_random_exponential,
)

from wagtail_smart_resize.core.redaction import Secret
from wagtail_smart_resize.exceptions import (
    AccessDenied,
    GatewayError,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    StatusUnavailable,
    Unavailable,
)

from .schema import (
    Answer,
    GenerateRequest,
    JobStatus,
    MalformedAnswer,
    Output,
    holds_answer,
    parse_answer,
    parse_error_body,
    salvage_request_id,
)
from .transport import HttpReply, exchange

__all__ = ["Answer", "GatewayClient", "GenerateRequest", "JobStatus", "Output"]

logger = logging.getLogger(__name__)

MAX_RETRY_AFTER_SECONDS = 300.0
STATUS_TIMEOUT_SECONDS = 20.0
STATUS_ATTEMPTS = 3

_ACCESS = {401, 402, 403, 404, 405, 410}
_DECLARED_FAILURES = {500, 503}
_NO_SUCH_ENDPOINT = {404, 405, 410}
_BAD_KEY = "The API key is empty or holds characters that no header may."
_USABLE_KEY = re.compile(r"[!-~]+")


class GatewayClient:
    """Client of the gateway at ``base_url`` (the documented one ends in ``/smart-resize/v1``).

    ``timeout`` is the seconds for the connection and for the whole answer. The key is sent only to
    ``base_url``'s scheme, host and port, whatever an answer says; redirects are not followed.
    Instances hold no connection and may be shared between threads.
    """

    def __init__(
        self,
        api_key: str,
        base_url: str,
        *,
        timeout: tuple[float, float] = (10, 60),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._key = Secret(api_key.strip())
        self._base_url = base_url.rstrip("/")
        self._origin = "/".join(self._base_url.split("/")[:3])
        self._connect_seconds, self._answer_seconds = timeout
        self._sleep = sleep

    @classmethod
    def from_settings(cls) -> "GatewayClient":
        from wagtail_smart_resize.settings import settings

        return cls(settings.API_KEY, settings.BASE_URL)

    def submit(self, job: GenerateRequest) -> Answer:
        """Request pictures, by exactly one POST.

        Raises NotSent, RateLimited, Rejected, AccessDenied, Unavailable or OutcomeUnknown.
        """
        if not _USABLE_KEY.fullmatch(self._key):
            raise AccessDenied("bad_key", _BAD_KEY)
        seconds = self._connect_seconds + self._answer_seconds
        url = f"{self._base_url}/smart-resize-request"
        reply = self._exchange("POST", url, job.payload(), seconds)
        if reply.status // 100 == 2:
            return self._accepted(reply)
        raise self._refusal(reply)

    def status(self, request_id: str, polling_url: str = "") -> Answer:
        """Request the status in a few attempts, within ``STATUS_TIMEOUT_SECONDS`` in all.

        ``polling_url`` is used only if it has the gateway's own scheme, host and port. Raises
        StatusUnavailable.
        """
        ends = time.monotonic() + STATUS_TIMEOUT_SECONDS
        attempts = Retrying(
            stop=stop_after_attempt(STATUS_ATTEMPTS) | stop_before_delay(STATUS_TIMEOUT_SECONDS),
            wait=wait_random_exponential(multiplier=0.5, max=5),
            retry=retry_if_exception(lambda e: isinstance(e, StatusUnavailable) and e.transient),
            sleep=self._sleep,
            reraise=True,
        )
        return attempts(self._status, request_id, polling_url, ends)

    def check_access(self) -> None:
        """Ask for the result of a request that doesn't exist, which costs nothing.

        Raises AccessDenied if the key or the address is refused, Unavailable if the gateway says
        that it is out of order, and NotSent or OutcomeUnknown if it can't be reached or understood.
        """
        if not _USABLE_KEY.fullmatch(self._key):
            raise AccessDenied("bad_key", _BAD_KEY)
        seconds = self._connect_seconds + self._answer_seconds
        url = f"{self._base_url}/smart-resize-request-result"
        reply = self._exchange("POST", url, {"request_id": str(uuid4())}, seconds)
        code, detail, _ = self._describe(reply)
        if reply.status in _ACCESS and not (reply.status == 404 and self._knows_no_request(reply)):
            raise AccessDenied(code, detail)
        if reply.status >= 500:
            raise Unavailable(code, detail)
        if reply.fault or not reply.body.lstrip().startswith(b"{"):
            raise OutcomeUnknown(code, detail)

    def _knows_no_request(self, reply: HttpReply) -> bool:
        """Return whether a 404 is about the request's id, not about the address."""
        text = parse_error_body(reply.body, secret=self._key)
        return bool(text) and "endpoint" not in text.lower()

    # Submitting

    def _accepted(self, reply: HttpReply) -> Answer:
        if reply.fault:
            request_id = salvage_request_id(reply.body)
            raise OutcomeUnknown(reply.fault.code, reply.fault.detail, request_id=request_id)
        try:
            return parse_answer(reply.body, secret=self._key)
        except MalformedAnswer as e:
            raise OutcomeUnknown(e.code, str(e), request_id=e.request_id) from e

    def _refusal(self, reply: HttpReply) -> GatewayError:
        code, detail, documented = self._describe(reply)
        request_id = salvage_request_id(reply.body)
        if holds_answer(reply.body):
            return OutcomeUnknown(code, detail, request_id=request_id)
        if reply.status == 429:
            return RateLimited(code, detail, retry_after=_retry_after(reply.headers))
        if reply.status in _ACCESS:
            return AccessDenied(code, detail)
        if reply.status // 100 == 4:
            return Rejected(code, detail)
        if reply.status in _DECLARED_FAILURES and documented and not request_id:
            return Unavailable(code, detail)
        return OutcomeUnknown(code, detail, request_id=request_id)

    # Requesting the status

    def _status(self, request_id: str, polling_url: str, ends: float) -> Answer:
        """Ask once: at the address or, where there is nothing, by the other documented way."""
        reply = self._request_status("GET", self._status_url(request_id, polling_url), None, ends)
        if reply.status in _NO_SUCH_ENDPOINT:
            url = f"{self._base_url}/smart-resize-request-result"
            reply = self._request_status("POST", url, {"request_id": request_id}, ends)
        return self._status_answer(reply, request_id)

    def _status_url(self, request_id: str, polling_url: str) -> str:
        """Return the address, with path and query of ``polling_url`` and the gateway's origin.

        The key is sent there, so the origin never comes from ``polling_url``. One that does not
        name the request could be another's, whose answer need not say of which request it is.
        """
        path = ""
        origin = _origin(self._base_url)
        is_ours = origin is not None and _origin(polling_url) == origin
        if is_ours and request_id in map(unquote, _SEPARATORS.split(polling_url)):
            parts = urlsplit(polling_url)
            query = f"?{parts.query}" if parts.query else ""
            path = f"{parts.path}{query}" if parts.path else ""
        return self._origin + (path or f"/v2/requests/status/{quote(request_id, safe='')}")

    def _request_status(
        self, method: str, url: str, payload: Mapping[str, Any] | None, ends: float
    ) -> HttpReply:
        if not _USABLE_KEY.fullmatch(self._key):
            raise StatusUnavailable("bad_key", "The API key can't be used.", transient=False)
        seconds = min(ends - time.monotonic(), self._connect_seconds + self._answer_seconds)
        if seconds <= 0:
            raise StatusUnavailable("timeout", "The gateway took too long to tell a status.")
        try:
            return self._exchange(method, url, payload, seconds)
        except GatewayError as e:
            raise StatusUnavailable(e.code, e.detail) from e

    def _status_answer(self, reply: HttpReply, request_id: str) -> Answer:
        if reply.status // 100 != 2:
            code, detail, _ = self._describe(reply)
            retry_after = _retry_after(reply.headers)
            transient = reply.status >= 500
            raise StatusUnavailable(code, detail, transient=transient, retry_after=retry_after)
        if reply.fault:
            raise StatusUnavailable(reply.fault.code, reply.fault.detail) from reply.fault
        try:
            answer = parse_answer(reply.body, secret=self._key)
        except MalformedAnswer as e:
            raise StatusUnavailable(e.code, str(e)) from e
        if answer.request_id not in {"", request_id}:
            # Perhaps the answer of a cache on the way: another request's picture must not be used
            # here.
            raise StatusUnavailable("other_request", "The gateway spoke of another request.")
        return dataclasses.replace(answer, request_id=request_id)

    # Both

    def _exchange(
        self, method: str, url: str, payload: Mapping[str, Any] | None, seconds: float
    ) -> HttpReply:
        reply = exchange(
            method,
            url,
            headers=self._headers(),
            payload=payload,
            connect_seconds=self._connect_seconds,
            seconds=seconds,
            with_pictures=bool(payload and payload.get("sync_mode")),
        )
        logger.debug("%s %s: %s", method, urlsplit(url).path, reply.status)
        return reply

    def _headers(self) -> dict[str, str]:
        return {
            "Accept": "application/json",
            "Accept-Encoding": "identity",  # a compressed body may unpack to gigabytes
            "Cache-Control": "no-cache",
            "Ocp-Apim-Subscription-Key": self._key,
            "User-Agent": "wagtail-smart-resize",
        }

    def _describe(self, reply: HttpReply) -> tuple[str, str, bool]:
        """Return code and detail of an unsuccessful answer, and whether its body has a reason."""
        text = parse_error_body(reply.body, secret=self._key)
        if reply.status // 100 == 3:
            return "redirect", f"The gateway redirects (HTTP {reply.status}).", False
        said = text or "no reason given"
        return (
            f"http_{reply.status}",
            f"The gateway answered HTTP {reply.status}: {said}",
            bool(text),
        )


_SEPARATORS = re.compile(r"[/?&=#]")


def _origin(url: str) -> tuple[str, str, int] | None:
    """Return scheme, host and port; None without them, or where URL parsers may disagree."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    default = {"http": 80, "https": 443}.get(parts.scheme)
    if not parts.hostname or not default or "@" in parts.netloc or "\\" in url:
        return None
    return parts.scheme, parts.hostname, port or default


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a Retry-After header asks for, in either form, or None.

    They are capped at ``MAX_RETRY_AFTER_SECONDS``.
    """
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdecimal():
        return min(float(value), MAX_RETRY_AFTER_SECONDS)
    try:
        seconds = parsedate_to_datetime(value).timestamp() - time.time()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_SECONDS)
