"""Which requests this process is answering: how many, and whether this one is the admin's."""

import threading
import time
from contextvars import ContextVar
from typing import Any

from django.core.signals import request_finished, request_started
from django.urls import NoReverseMatch, get_script_prefix, reverse

_admin_request: ContextVar[bool] = ContextVar("smart_resize_admin_request", default=False)


class Requests:
    """Counts the requests under way.

    A request whose end was never told (a client gone, a server's own error) must not count for
    ever: after `FORGOTTEN` seconds without any request's beginning or end, none is under way.
    """

    FORGOTTEN = 30.0

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._count = 0
        self._last = time.monotonic()

    def began(self) -> None:
        with self._changed:
            self._count += 1
            self._last = time.monotonic()

    def ended(self) -> None:
        with self._changed:
            self._count = max(0, self._count - 1)
            self._last = time.monotonic()
            self._changed.notify_all()

    def wait_until_none(self, seconds: float) -> bool:
        """Wait, so many seconds at most, until no request is under way; tell whether none is."""
        with self._changed:
            return self._changed.wait_for(self._none, timeout=seconds)

    def _none(self) -> bool:
        return self._count == 0 or time.monotonic() - self._last > self.FORGOTTEN


requests = Requests()


def in_admin() -> bool:
    """Whether the request being answered is one to Wagtail's admin, as all previews are."""
    return _admin_request.get()


def _on_started(
    sender: Any, environ: dict[str, Any] | None = None, scope: Any = None, **_kwargs: Any
) -> None:
    requests.began()
    path = environ.get("PATH_INFO", "") if environ else (scope or {}).get("path", "")
    _admin_request.set(_is_admin_path(path))


def _is_admin_path(path: str) -> bool:
    try:
        home = reverse("wagtailadmin_home")
    except NoReverseMatch:
        return False
    # `reverse` puts the script's name in front; the WSGI path comes without.
    below_script = home.removeprefix(get_script_prefix()).lstrip("/")
    return bool(below_script) and path.lstrip("/").startswith(below_script)


def _on_finished(**_kwargs: Any) -> None:
    requests.ended()
    _admin_request.set(False)


def connect() -> None:
    """Listen to the beginnings and ends of requests. From `AppConfig.ready`."""
    request_started.connect(_on_started, dispatch_uid="smart_resize_serving")
    request_finished.connect(_on_finished, dispatch_uid="smart_resize_serving")
