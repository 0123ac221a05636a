"""Whether this process answers requests, and whether what this thread renders is a preview.

Whatever is rendered for the admin counts as one, wherever a site's URLs have put it.

A request begins and ends in one thread, under ASGI too, where each request has a thread of its own
for synchronous code. A context variable would not do: under Django 5.2 the receivers of an
asynchronous `request_started` run in a copy of the request's context.
"""

import contextlib
import functools
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from django.conf import settings
from django.core.signals import request_finished, request_started
from django.urls import (
    NoReverseMatch,
    Resolver404,
    URLResolver,
    get_script_prefix,
    get_urlconf,
    resolve,
    reverse,
)
from django.utils import translation
from django.utils.translation import get_language_from_path

from wagtail_smart_resize.core import answering
from wagtail_smart_resize.core.logs import get_logger

logger = get_logger(__name__)


class ServedPage(NamedTuple):
    """A page by its key and the label of its model, such as "blog.articlepage"."""

    key: int
    model: str


class _ThreadState(threading.local):
    """The request that this thread is answering."""

    path: str | None = None
    """Its path below the script's name; None outside of requests."""
    in_admin: tuple[Any, bool] | None = None
    """A URL configuration, and whether that makes it one of the admin's."""
    previews = 0
    """Number of previews being rendered, one within the other."""
    page: "ServedPage | None" = None
    """The page that the request is for, once Wagtail serves it."""

    recorder: "Callable[[Any, Any, str], object] | None" = None
    """Told of each image, shape and recipe that is asked for."""

    def __init__(self) -> None:
        self.images: set[Any] = set()
        """Keys of the images that the page has shown."""
        self.tried: Mapping[Any, Any] = {}
        """By image, what is shown instead of what is live, in previews only."""


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
    """Return whether this thread answers a request to Wagtail's admin; True if that can't be told.

    That is a matter of the URL configuration, which a middleware may have chosen by the host.
    """
    path = _thread_state.path
    if path is None:
        return False
    urls = get_urlconf()
    if _thread_state.in_admin is None or _thread_state.in_admin[0] != urls:
        _thread_state.in_admin = urls, _is_admin_path(path)
    return _thread_state.in_admin[1]


def is_preview() -> bool:
    """Return whether what this thread renders is a preview: in the admin, or marked as one."""
    return _thread_state.previews > 0 or in_admin()


def serve(page: Any) -> None:
    """Note that this thread's request is for the page: Wagtail is about to serve it."""
    _thread_state.page = ServedPage(page.pk, page._meta.label_lower)
    _thread_state.images = set()


def note_shown(image_id: Any) -> None:
    """Note that the page that is being served, if there is one, shows the image."""
    if _thread_state.page is not None:
        _thread_state.images.add(image_id)


def page_showing(image_id: Any) -> ServedPage | None:
    """Return the page that this thread's request was for, if it has shown the image."""
    shown = _thread_state.page is not None and image_id in _thread_state.images
    return _thread_state.page if shown else None


@contextlib.contextmanager
def as_preview() -> Iterator[None]:
    """Let what is rendered in the block, or by the decorated function, count as a preview."""
    _thread_state.previews += 1
    try:
        yield
    finally:
        _thread_state.previews -= 1


@contextlib.contextmanager
def recorded(recorder: "Callable[[Any, Any, str], object]") -> Iterator[None]:
    """Call `recorder` with the image's key, the shape and the recipe of all that is asked for."""
    _thread_state.recorder = recorder
    try:
        yield
    finally:
        _thread_state.recorder = None


def recorder() -> "Callable[[Any, Any, str], object] | None":
    return _thread_state.recorder


@contextlib.contextmanager
def trying(tried: "Mapping[Any, Any]") -> Iterator[None]:
    """Show in the previews of the block what is tried, by image, instead of what is live."""
    _thread_state.tried = tried
    try:
        yield
    finally:
        _thread_state.tried = {}


def tried_for(image_id: Any) -> Any:
    """Return the entries that this preview shows of the image instead of those that are live."""
    return _thread_state.tried.get(image_id, ())


def _on_started(
    sender: Any, environ: dict[str, Any] | None = None, scope: Any = None, **_kwargs: Any
) -> None:
    _Process.has_answered = True
    answering.under_way.begin()
    _thread_state.path = _path_below_script(environ, scope)
    _thread_state.in_admin = None
    _thread_state.page = None


def _path_below_script(environ: dict[str, Any] | None, scope: Any) -> str:
    """Return the path below the script's name, which ASGI's path includes and WSGI's doesn't."""
    if environ is not None:
        return str(environ.get("PATH_INFO", ""))
    return str(scope["path"]).removeprefix(scope.get("root_path", "")) if scope else ""


def _is_admin_path(path: str) -> bool:
    """Return whether a view of the admin answers this path; True if that can't be told."""
    try:
        home = reverse("wagtailadmin_home")
    except NoReverseMatch:
        return False
    try:
        below_script = _without_language(home.removeprefix(get_script_prefix()))
        # Nearly all that follows is the admin's: but at the root of a host it is every path.
        return _without_language(path).startswith(below_script) and _is_answered_by_admin(path)
    except Exception:
        logger.exception("Can't tell whether %s is the admin's: it counts as a preview", path)
        return True


def _is_answered_by_admin(path: str) -> bool:
    """Tell by the name of the view, since a site may have wrapped the admin's views in its own."""
    # The language in use need not be that of the path: the admin activates that of its user.
    language = get_language_from_path(path) or settings.LANGUAGE_CODE
    try:
        with translation.override(language):
            match = resolve(path, get_urlconf())
    except Resolver404:
        return True
    return match.url_name is None or (*match.namespaces, match.url_name) in _admin_names()


@functools.cache
def _admin_names() -> frozenset[tuple[Any, ...]]:
    from wagtail.admin.urls import urlpatterns

    return frozenset(_names(urlpatterns))


def _names(patterns: Iterable[Any], namespaces: tuple[str, ...] = ()) -> Iterator[tuple[Any, ...]]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            below = (*namespaces, pattern.namespace) if pattern.namespace else namespaces
            yield from _names(pattern.url_patterns, below)
        else:
            yield (*namespaces, pattern.name)


def _without_language(path: str) -> str:
    """Return the path without its leading slash and language: admins may be in `i18n_patterns`."""
    path = path.lstrip("/")
    return path.partition("/")[2] if get_language_from_path(f"/{path}") else path


def _on_finished(**_kwargs: Any) -> None:
    answering.under_way.end()
    _thread_state.path = None


def connect_request_tracking() -> None:
    """Connect the receivers for the begin and end of requests. Called from `AppConfig.ready`."""
    request_started.connect(_on_started, dispatch_uid="smart_resize_serving")
    request_finished.connect(_on_finished, dispatch_uid="smart_resize_serving")
