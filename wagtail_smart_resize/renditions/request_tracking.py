"""Whether this process answers requests, and whether this thread answers one of the admin's.

A request begins and ends in one thread, under ASGI too, where each request has a thread of its own
for synchronous code. A context variable would not do: under Django 5.2 the receivers of an
asynchronous `request_started` run in a copy of the request's context.
"""

import os
import threading
from typing import Any

from django.core.signals import request_finished, request_started
from django.urls import NoReverseMatch, get_script_prefix, reverse
from django.utils.translation import get_language_from_path


class _ThreadState(threading.local):
    """The request that this thread is answering."""

    in_admin = False


_thread_state = _ThreadState()


class _Process:
    """What is known of this process. A flag without a lock: a fork may come at any moment."""

    has_answered = False

    @classmethod
    def reset(cls) -> None:
        cls.has_answered = False


os.register_at_fork(after_in_child=_Process.reset)


def has_answered() -> bool:
    """Return whether this process has begun to answer a request; commands and shells never do."""
    return _Process.has_answered


def in_admin() -> bool:
    """Return whether this thread answers a request to Wagtail's admin, as all previews are."""
    return _thread_state.in_admin


def _on_started(
    sender: Any, environ: dict[str, Any] | None = None, scope: Any = None, **_kwargs: Any
) -> None:
    _Process.has_answered = True
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
    _thread_state.in_admin = False


def connect_request_tracking() -> None:
    """Connect the receivers for the begin and end of requests. Called from `AppConfig.ready`."""
    request_started.connect(_on_started, dispatch_uid="smart_resize_serving")
    request_finished.connect(_on_finished, dispatch_uid="smart_resize_serving")
