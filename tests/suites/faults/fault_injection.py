"""Injects faults: real answers over real sockets, failing storage, a failing database.

An injection is a context manager over a `FaultSite`: it brings the site to the moment before the
fault, lets the fault begin, and yields a function that tells whether it has struck. When the block
ends the fault is over.
"""

import contextlib
import errno
import itertools
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import FileSystemStorage
from django.db import OperationalError
from django.db.backends.utils import CursorWrapper
from support.gateways import RawServer, answering
from wagtail.images import get_image_model

from wagtail_smart_resize.gateway import downloads
from wagtail_smart_resize.models import GatewayRequest
from wagtail_smart_resize.publishing import material
from wagtail_smart_resize.purchasing import fetching, source_image, submission
from wagtail_smart_resize.sandbox.responses import Reply, page

HasStruck = Callable[[], bool]
Injection = Callable[[Any], AbstractContextManager[HasStruck]]

Status = GatewayRequest.Status

CANDIDATES, RENDITIONS, SOURCES = "smart_resize/", "images/", "original_images/"


# The gateway


def answer(word: str, step: str) -> Injection:
    """Make the gateway's answers at a step go wrong."""

    @contextlib.contextmanager
    def inject(fault_site: Any) -> Iterator[HasStruck]:
        fault_site.want()
        fault_site.gateway.misbehave(word, where=step)
        yield lambda: bool(fault_site.seen(step))
        fault_site.gateway.behave()

    return inject


def job(word: str) -> Injection:
    """Make an accepted request's job go wrong, which shows when its status is asked for."""

    @contextlib.contextmanager
    def inject(fault_site: Any) -> Iterator[HasStruck]:
        fault_site.want()
        fault_site.gateway.misbehave(word)
        yield lambda: bool(fault_site.gateway.polls or fault_site.gateway.downloads)
        fault_site.gateway.behave()

    return inject


def with_short_timeouts(injection: Injection) -> Injection:
    """Let the client wait for only a fraction of a second."""

    @contextlib.contextmanager
    def impatient(fault_site: Any) -> Iterator[HasStruck]:
        with injection(fault_site) as struck, pytest.MonkeyPatch.context() as patch:
            patch.setattr(fault_site, "seconds", 0.15)
            patch.setattr(downloads, "CONNECT_TIMEOUT_SECONDS", 0.3)
            patch.setattr(downloads, "TIMEOUT_SECONDS", 0.3)
            yield struck

    return impatient


def away(step: str) -> Injection:
    """Close the gateway's port, from a step on."""

    @contextlib.contextmanager
    def inject(fault_site: Any) -> Iterator[HasStruck]:
        fault_site.want()
        with contextlib.ExitStack() as stack:
            if step == "download":
                stack.enter_context(_away_once_completed(fault_site))
            else:
                if step == "status":
                    fault_site.run_until(lambda: fault_site.request_is(Status.SENT), jobs=1)
                stack.enter_context(fault_site.gateway.away())
            yield _in_trouble

    return inject


@contextlib.contextmanager
def _away_once_completed(fault_site: Any) -> Iterator[None]:
    """Close the gateway's port between the poll that finds a request completed and the download,
    which follows at once."""
    fetch = fetching.fetch_outputs
    with contextlib.ExitStack() as stack, pytest.MonkeyPatch.context() as patch:

        def fetch_from_nobody(request: GatewayRequest) -> Any:
            patch.undo()
            stack.enter_context(fault_site.gateway.away())
            return fetch(request)

        patch.setattr(fetching, "fetch_outputs", fetch_from_nobody)
        yield


def _in_trouble() -> bool:
    failed = GatewayRequest.objects.filter(status=Status.FAILED)
    return (failed | GatewayRequest.objects.filter(consecutive_errors__gt=0)).exists()


@contextlib.contextmanager
def no_tls(fault_site: Any) -> Iterator[HasStruck]:
    """Let the gateway's address answer without TLS where TLS is expected."""
    fault_site.want()
    right = fault_site.gateway.url
    fault_site.change(BASE_URL=right.replace("http:", "https:"))
    yield _in_trouble
    fault_site.change(BASE_URL=right)


# The site, seen from outside


@contextlib.contextmanager
def _address(fault_site: Any, url: str, struck: HasStruck) -> Iterator[HasStruck]:
    """Let the picture's address lead elsewhere."""
    fault_site.want()
    fault_site.change(SOURCE_BASE_URL=url)
    yield struck
    fault_site.change(SOURCE_BASE_URL=fault_site.url)


def closed_site(status: int) -> Injection:
    """Put a login, a firewall or a maintenance page in front of the site."""
    headers = {"Location": "/again"} if status == 302 else {}
    reply = Reply(status, page(status).body, "text/html", headers)

    @contextlib.contextmanager
    def inject(fault_site: Any) -> Iterator[HasStruck]:
        with (
            answering(reply) as far_end,
            _address(fault_site, far_end.origin, _in_trouble) as struck,
        ):
            yield struck

    return inject


@contextlib.contextmanager
def site_away(fault_site: Any) -> Iterator[HasStruck]:
    """Make the site unreachable by its public name."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with _address(fault_site, url, lambda: bool(fault_site.gateway.polls)) as struck:
        yield struck


@contextlib.contextmanager
def silent_site(fault_site: Any) -> Iterator[HasStruck]:
    """Let the site accept the connection and send nothing."""
    with RawServer(b"", keep_open=True) as silent, pytest.MonkeyPatch.context() as patch:
        patch.setattr(source_image, "REACH_TIMEOUT_SECONDS", (0.3, 0.3))
        url = f"http://{silent.authority}"
        with _address(fault_site, url, lambda: bool(fault_site.gateway.polls)) as struck:
            yield struck


# The storage


class StorageInTrouble:
    """Makes an operation of the storage fail for all names with these prefixes."""

    def __init__(self, operation: str, *prefixes: str, fail: Callable[..., Any]) -> None:
        self._operation, self._prefixes, self._fail = operation, prefixes, fail
        self.struck = False

    def __call__(self, fault_site: Any) -> AbstractContextManager[HasStruck]:
        return self._inject(fault_site)

    @contextlib.contextmanager
    def _inject(self, fault_site: Any) -> Iterator[HasStruck]:
        fault_site.want()
        self.struck = False
        right = getattr(FileSystemStorage, self._operation)

        def wrong(storage: Any, name: str, *args: Any) -> Any:
            if not name.startswith(self._prefixes):
                return right(storage, name, *args)
            self.struck = True
            return self._fail(storage, name, *args)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(FileSystemStorage, self._operation, wrong)
            yield lambda: self.struck


def _broken(*_args: Any) -> None:
    raise OSError(errno.EIO, "Input/output error")


def _full(storage: Any, name: str, content: Any) -> None:
    """Store half of the file and fail, as a full disk does."""
    path = Path(storage.path(name))
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = content.read()
    path.write_bytes(whole[: len(whole) // 2])
    raise OSError(errno.ENOSPC, "No space left on device")


no_save = StorageInTrouble("_save", CANDIDATES, fail=_broken)
disk_full = StorageInTrouble("_save", CANDIDATES, RENDITIONS, fail=_full)
disk_full_for_renditions = StorageInTrouble("_save", RENDITIONS, fail=_full)
_no_delete = StorageInTrouble("delete", CANDIDATES, fail=_broken)
_no_read = StorageInTrouble("_open", CANDIDATES, fail=_broken)
no_source = StorageInTrouble("_open", SOURCES, fail=_broken)


@contextlib.contextmanager
def no_delete(fault_site: Any) -> Iterator[HasStruck]:
    """Fail to delete what the first try to save a result has left, on a disk that was full."""
    save, tries = FileSystemStorage._save, itertools.count()

    def save_at_second_try(storage: Any, name: str, content: Any) -> str:
        if name.startswith(CANDIDATES) and not next(tries):
            _full(storage, name, content)
        return save(storage, name, content)

    with _no_delete(fault_site) as struck, pytest.MonkeyPatch.context() as patch:
        patch.setattr(FileSystemStorage, "_save", save_at_second_try)
        yield struck


@contextlib.contextmanager
def no_read(fault_site: Any) -> Iterator[HasStruck]:
    """Fail to read a result that is too large to be cut to its sizes when it comes."""
    with _no_read(fault_site) as struck, pytest.MonkeyPatch.context() as patch:
        patch.setattr(material, "MAX_PIXELS", 0)
        yield struck


@contextlib.contextmanager
def _other_source(fault_site: Any, content: bytes | None) -> Iterator[HasStruck]:
    """Replace or delete the image's file, after the crops have been made."""
    fault_site.want()
    path = Path(get_image_model().objects.get().file.path)
    right = path.read_bytes()
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    yield fault_site.has_tried
    path.write_bytes(right)


def source_missing(fault_site: Any) -> AbstractContextManager[HasStruck]:
    return _other_source(fault_site, None)


def source_damaged(fault_site: Any) -> AbstractContextManager[HasStruck]:
    return _other_source(fault_site, b"\x89PNG and no more of it")


# The database


@contextlib.contextmanager
def refusing(fault_site: Any, refused: Callable[[str], bool]) -> Iterator[Callable[[], int]]:
    """Fail those statements in all threads; yield a function that counts them."""
    right = CursorWrapper._execute_with_wrappers
    refusals = []

    def execute(cursor: Any, sql: str, params: Any, many: bool, executor: Any) -> Any:
        if fault_site.database_fails and refused(sql):
            refusals.append(sql)
            raise OperationalError("the database is in trouble")
        return right(cursor, sql, params, many, executor)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CursorWrapper, "_execute_with_wrappers", execute)
        # Seconds for which an answer is held in memory; no sleep in between.
        patch.setattr(submission, "RECORD_FOR_SECONDS", 0.2)
        patch.setattr(submission, "sleep", lambda seconds: None)
        yield lambda: len(refusals)


def database(pattern: str, since: str = "wanted", times: int | None = None) -> Injection:
    """Fail statements of a kind: `times` times, or until the block ends.

    `since`: from the first view on, or from the moment on at which something is wanted, or the
    gateway has been sent to, asked, or fetched from.
    """
    kind = re.compile(pattern)

    @contextlib.contextmanager
    def inject(fault_site: Any) -> Iterator[HasStruck]:
        begun: dict[str, Callable[[], bool]] = {
            "view": lambda: True,
            "wanted": lambda: True,
            "sent": lambda: bool(fault_site.gateway.requests),
            "asked": lambda: bool(fault_site.gateway.polls),
            "fetched": lambda: bool(fault_site.gateway.downloads),
        }
        if since != "view":
            fault_site.want()
        left = itertools.count() if times is None else iter(range(times))

        def refused(sql: str) -> bool:
            return begun[since]() and bool(kind.search(sql)) and next(left, None) is not None

        with refusing(fault_site, refused) as refusals:
            if since == "view":
                fault_site.visit()
            yield lambda: refusals() > 0

    return inject
