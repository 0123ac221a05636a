"""Incoming HTTP requests, parsed as far as the reference goes."""

import json
import re
from dataclasses import dataclass
from email.message import Message
from typing import Any, Self

from wagtail_smart_resize.sandbox.faults.words import Step

from .contract import RESULT_PATH, STATUS_PATH, SUBMIT_PATH

RESULTS_PATH = "/results/"

_HOST = re.compile(r"[A-Za-z0-9.:\[\]-]+")


@dataclass(frozen=True)
class Call:
    """A parsed request. ``step`` is None for an unknown address.

    ``body`` is the JSON that was sent, or None. ``headers`` are looked up case-insensitively.
    """

    step: Step | None
    method: str
    path: str
    headers: Message
    content: bytes
    body: Any
    request_id: str = ""
    file_name: str = ""

    @classmethod
    def read(cls, method: str, path: str, headers: Message, content: bytes) -> Self:
        body = _json(content)
        step, request_id, file_name = _route(method, path.partition("?")[0], body)
        return cls(step, method, path, headers, content, body, request_id, file_name)

    def origin(self, default: str) -> str:
        """Return the origin that the caller used: its Host header, as behind a proxy."""
        host = self.headers.get("Host", "")
        return f"http://{host}" if _HOST.fullmatch(host) else default


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _route(method: str, path: str, body: Any) -> tuple[Step | None, str, str]:
    if (method, path) == ("POST", SUBMIT_PATH):
        return Step.SUBMIT, "", ""
    if (method, path) == ("POST", RESULT_PATH):
        request_id = body.get("request_id", "") if isinstance(body, dict) else ""
        return Step.STATUS, str(request_id), ""
    if method == "GET" and path.startswith(STATUS_PATH):
        return Step.STATUS, path.removeprefix(STATUS_PATH), ""
    if method == "GET" and path.startswith(RESULTS_PATH):
        request_id, _, file_name = path.removeprefix(RESULTS_PATH).partition("/")
        return Step.DOWNLOAD, request_id, file_name
    return None, "", ""
