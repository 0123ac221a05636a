"""Which requests this process is answering: how many, and whether this one is the admin's.

A request begins and ends in one thread, under ASGI too: there each has a thread of its own for what
is synchronous. A context variable would not do: under Django 5.2 the receivers of an asynchronous
`request_started` run in a copy of the request's context.
"""

import os
import threading
import time
from collections.abc import Callable
from typing import Any

from django.core.signals import request_finished, request_started
from django.urls import NoReverseMatch, get_script_prefix, reverse
from django.utils.translation import get_language_from_path


class _Here(threading.local):
    """What this thread is answering."""

    token: object = None
    in_admin = False


_here = _Here()


def _nothing() -> bool:
    return False


class Requests:
    """The requests under way, and the write of ours that they must not overlap.

    A request whose end was never told (a client gone, a server's own error) counts until its
    thread begins another, and no longer than `FORGOTTEN` seconds.
    """

    FORGOTTEN = 30.0
    #: The longest that a beginning request waits for a write of ours to end, seconds.
    HOLD = 0.5

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """In a forked child the parent's requests are not answered."""
        self._changed = threading.Condition()
        self._begun: dict[object, float] = {}
        #: Whether this process answers requests at all; commands and shells don't.
        self.any_yet = False
        self._is_writing: Callable[[], bool] = _nothing

    def began(self) -> None:
        """A request of this thread begins."""
        self.ended()
        self.any_yet = True
        with self._changed:
            ends = time.monotonic() + self.HOLD
            while self._is_writing() and time.monotonic() < ends:
                # Looked at again and again: nobody tells when a transaction ends.
                self._changed.wait(0.002)
            _here.token = object()
            self._begun[_here.token] = time.monotonic()

    def ended(self) -> None:
        """The request of this thread has ended."""
        token, _here.token = _here.token, None
        with self._changed:
            if self._begun.pop(token, None) is not None:
                self._changed.notify_all()

    def begin_writing(self, is_writing: Callable[[], bool], patience: float) -> bool:
        """Wait for a moment without requests, so many seconds at most; tell whether one came.

        From then on requests that begin wait while `is_writing()`.
        """
        with self._changed:
            quiet = self._changed.wait_for(self._none, timeout=patience)
            self._is_writing = is_writing
        return quiet

    def _none(self) -> bool:
        oldest = time.monotonic() - self.FORGOTTEN
        return all(begun < oldest for begun in self._begun.values())


requests = Requests()
os.register_at_fork(after_in_child=requests.reset)


def in_admin() -> bool:
    """Whether the request being answered is one to Wagtail's admin, as all previews are."""
    return _here.in_admin


def _on_started(
    sender: Any, environ: dict[str, Any] | None = None, scope: Any = None, **_kwargs: Any
) -> None:
    requests.began()
    _here.in_admin = _is_admin_path(_path_below_script(environ, scope))


def _path_below_script(environ: dict[str, Any] | None, scope: Any) -> str:
    """WSGI's path comes without the script's name, ASGI's with it."""
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
    """The path without a leading slash and, for admins within `i18n_patterns`, a language."""
    path = path.lstrip("/")
    return path.partition("/")[2] if get_language_from_path(f"/{path}") else path


def _on_finished(**_kwargs: Any) -> None:
    requests.ended()
    _here.in_admin = False


def connect() -> None:
    """Listen to the beginnings and ends of requests. From `AppConfig.ready`."""
    request_started.connect(_on_started, dispatch_uid="smart_resize_serving")
    request_finished.connect(_on_finished, dispatch_uid="smart_resize_serving")
