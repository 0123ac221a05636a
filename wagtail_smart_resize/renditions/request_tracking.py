"""Which requests this process is answering: how many, and whether this thread's is the admin's.

A request begins and ends in one thread, under ASGI too, where each request has a thread of its own
for synchronous code. A context variable would not do: under Django 5.2 the receivers of an
asynchronous `request_started` run in a copy of the request's context.
"""

import os
import threading
import time
from collections.abc import Callable
from typing import Any

from django.core.signals import request_finished, request_started
from django.urls import NoReverseMatch, get_script_prefix, reverse
from django.utils.translation import get_language_from_path


class _ThreadState(threading.local):
    """The request that this thread is answering."""

    token: object = None
    in_admin = False


_thread_state = _ThreadState()


def _never_writing() -> bool:
    return False


class RequestTracker:
    """Requests in progress, and this app's write that must not overlap with them.

    A request whose end was not signalled (the client disconnected, the server failed) counts until
    its thread begins another, and for `FORGET_AFTER_SECONDS` at most.
    """

    FORGET_AFTER_SECONDS = 30.0
    #: Maximum number of seconds that a new request waits for a write of this app to end.
    MAX_HOLD_SECONDS = 0.5

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all requests: a forked child does not answer those of its parent."""
        self._changed = threading.Condition()
        self._begun: dict[object, float] = {}
        #: Whether this process has answered any request; commands and shells never do.
        self.any_yet = False
        self._is_writing: Callable[[], bool] = _never_writing

    def began(self) -> None:
        """Record that a request of this thread begins, after waiting for a write to end."""
        self.ended()
        self.any_yet = True
        with self._changed:
            ends = time.monotonic() + self.MAX_HOLD_SECONDS
            while self._is_writing() and time.monotonic() < ends:
                # Polled, since nothing signals the end of a transaction.
                self._changed.wait(0.002)
            _thread_state.token = object()
            self._begun[_thread_state.token] = time.monotonic()

    def ended(self) -> None:
        """Record that the request of this thread has ended."""
        token, _thread_state.token = _thread_state.token, None
        with self._changed:
            if self._begun.pop(token, None) is not None:
                self._changed.notify_all()

    def begin_writing(self, is_writing: Callable[[], bool], patience: float) -> bool:
        """Wait for a moment without requests, for `patience` seconds at most.

        Return whether there was one. In either case, new requests wait from then on while
        `is_writing()` is true, each for `MAX_HOLD_SECONDS` at most.
        """
        with self._changed:
            quiet = self._changed.wait_for(self._is_quiet, timeout=patience)
            self._is_writing = is_writing
        return quiet

    def _is_quiet(self) -> bool:
        oldest = time.monotonic() - self.FORGET_AFTER_SECONDS
        return all(begun < oldest for begun in self._begun.values())


request_tracker = RequestTracker()
os.register_at_fork(after_in_child=request_tracker.reset)


def in_admin() -> bool:
    """Return whether this thread answers a request to Wagtail's admin, as all previews are."""
    return _thread_state.in_admin


def _on_started(
    sender: Any, environ: dict[str, Any] | None = None, scope: Any = None, **_kwargs: Any
) -> None:
    request_tracker.began()
    _thread_state.in_admin = _is_admin_path(_path_below_script(environ, scope))


def _path_below_script(environ: dict[str, Any] | None, scope: Any) -> str:
    """Return the path below the script's name, which ASGI's path includes and WSGI's doesn't."""
    if environ is not None:
        return str(environ.get("PATH_INFO", ""))
    return str(scope["path"]).removeprefix(scope.get("root_path", "")) if scope else ""


def _is_admin_path(path: str) -> bool:
    try:
        home = reverse("wagtailadmin_home")
    except NoReverseMatch:
        return False
    below_script = _without_language(home.removeprefix(get_script_prefix()))
    return bool(below_script) and _without_language(path).startswith(below_script)


def _without_language(path: str) -> str:
    """Return the path without its leading slash and language: admins may be in `i18n_patterns`."""
    path = path.lstrip("/")
    return path.partition("/")[2] if get_language_from_path(f"/{path}") else path


def _on_finished(**_kwargs: Any) -> None:
    request_tracker.ended()
    _thread_state.in_admin = False


def connect_request_tracking() -> None:
    """Connect the receivers for the begin and end of requests. Called from `AppConfig.ready`."""
    request_started.connect(_on_started, dispatch_uid="smart_resize_serving")
    request_finished.connect(_on_finished, dispatch_uid="smart_resize_serving")
