"""How each thing goes wrong: real answers over real sockets, a storage and a database in trouble.

A way is a context manager over a stage: it brings the stage to the moment before the fault, lets
the fault begin, and gives a function that tells whether it has struck. At its end the fault is
over.
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
from wagtail_smart_resize.purchasing import source_image, submission
from wagtail_smart_resize.sandbox.responses import Reply, page

Struck = Callable[[], bool]
Way = Callable[[Any], AbstractContextManager[Struck]]

Status = GatewayRequest.Status

CANDIDATES, RENDITIONS, SOURCES = "smart_resize/", "images/", "original_images/"


# The gateway


def answer(word: str, step: str) -> Way:
    """Its answers at a step go wrong."""

    @contextlib.contextmanager
    def way(stage: Any) -> Iterator[Struck]:
        stage.want()
        stage.gateway.misbehave(word, where=step)
        yield lambda: bool(stage.seen(step))
        stage.gateway.behave()

    return way


def job(word: str) -> Way:
    """What it makes of an accepted request goes wrong; to be seen when it is asked."""

    @contextlib.contextmanager
    def way(stage: Any) -> Iterator[Struck]:
        stage.want()
        stage.gateway.misbehave(word)
        yield lambda: bool(stage.gateway.polls or stage.gateway.downloads)
        stage.gateway.behave()

    return way


def hasty(way: Way) -> Way:
    """With a client that waits for a fraction of a second only."""

    @contextlib.contextmanager
    def impatient(stage: Any) -> Iterator[Struck]:
        with way(stage) as struck, pytest.MonkeyPatch.context() as patch:
            patch.setattr(stage, "seconds", 0.15)
            patch.setattr(downloads, "CONNECT_TIMEOUT_SECONDS", 0.3)
            patch.setattr(downloads, "TIMEOUT_SECONDS", 0.3)
            yield struck

    return impatient


def away(step: str) -> Way:
    """Nobody listens at the gateway's address, from a step on."""
    before = {"submit": None, "status": Status.SENT, "download": Status.FETCHING}[step]

    @contextlib.contextmanager
    def way(stage: Any) -> Iterator[Struck]:
        stage.want()
        if before:
            stage.go_on_until(lambda: stage.request_is(before), jobs=1)
        with stage.gateway.away():
            yield _in_trouble

    return way


def _in_trouble() -> bool:
    failed = GatewayRequest.objects.filter(status=Status.FAILED)
    return (failed | GatewayRequest.objects.filter(consecutive_errors__gt=0)).exists()


@contextlib.contextmanager
def no_tls(stage: Any) -> Iterator[Struck]:
    """What answers at the gateway's address speaks no TLS."""
    stage.want()
    right = stage.gateway.url
    stage.change(BASE_URL=right.replace("http:", "https:"))
    yield _in_trouble
    stage.change(BASE_URL=right)


# The site, seen from outside


@contextlib.contextmanager
def _address(stage: Any, url: str, struck: Struck) -> Iterator[Struck]:
    """The picture's address leads elsewhere."""
    stage.want()
    stage.change(SOURCE_BASE_URL=url)
    yield struck
    stage.change(SOURCE_BASE_URL=stage.url)


def closed_site(status: int) -> Way:
    """A login, a firewall or a maintenance page stands before the site."""
    headers = {"Location": "/again"} if status == 302 else {}
    reply = Reply(status, page(status).body, "text/html", headers)

    @contextlib.contextmanager
    def way(stage: Any) -> Iterator[Struck]:
        with answering(reply) as far_end, _address(stage, far_end.origin, _in_trouble) as struck:
            yield struck

    return way


@contextlib.contextmanager
def site_away(stage: Any) -> Iterator[Struck]:
    """The site can't be reached by the name that it has outside."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with _address(stage, url, lambda: bool(stage.gateway.polls)) as struck:
        yield struck


@contextlib.contextmanager
def silent_site(stage: Any) -> Iterator[Struck]:
    """The site takes the connection and says nothing."""
    with RawServer(b"", keep_open=True) as silent, pytest.MonkeyPatch.context() as patch:
        patch.setattr(source_image, "REACH_TIMEOUT_SECONDS", (0.3, 0.3))
        url = f"http://{silent.authority}"
        with _address(stage, url, lambda: bool(stage.gateway.polls)) as struck:
            yield struck


# The storage


class StorageInTrouble:
    """An operation of the storage fails for all names that begin so."""

    def __init__(self, operation: str, *prefixes: str, fail: Callable[..., Any]) -> None:
        self._operation, self._prefixes, self._fail = operation, prefixes, fail
        self.struck = False

    def __call__(self, stage: Any) -> AbstractContextManager[Struck]:
        return self._way(stage)

    @contextlib.contextmanager
    def _way(self, stage: Any) -> Iterator[Struck]:
        stage.want()
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
    """As a full disk has it: half of the file is there."""
    path = Path(storage.path(name))
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = content.read()
    path.write_bytes(whole[: len(whole) // 2])
    raise OSError(errno.ENOSPC, "No space left on device")


no_save = StorageInTrouble("_save", CANDIDATES, fail=_broken)
disk_full = StorageInTrouble("_save", CANDIDATES, RENDITIONS, fail=_full)
disk_full_for_renditions = StorageInTrouble("_save", RENDITIONS, fail=_full)
no_delete = StorageInTrouble("delete", CANDIDATES, fail=_broken)
no_read = StorageInTrouble("_open", CANDIDATES, fail=_broken)
no_source = StorageInTrouble("_open", SOURCES, fail=_broken)


@contextlib.contextmanager
def _other_source(stage: Any, content: bytes | None) -> Iterator[Struck]:
    """The image's file holds something else, or is not there; the crops have been made."""
    stage.want()
    path = Path(get_image_model().objects.get().file.path)
    right = path.read_bytes()
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    yield stage.has_tried
    path.write_bytes(right)


def source_missing(stage: Any) -> AbstractContextManager[Struck]:
    return _other_source(stage, None)


def source_damaged(stage: Any) -> AbstractContextManager[Struck]:
    return _other_source(stage, b"\x89PNG and no more of it")


# The database


@contextlib.contextmanager
def refusing(stage: Any, refused: Callable[[str], bool]) -> Iterator[Callable[[], int]]:
    """In all threads the database fails those statements; gives a function that counts them."""
    right = CursorWrapper._execute_with_wrappers
    refusals = []

    def execute(cursor: Any, sql: str, params: Any, many: bool, executor: Any) -> Any:
        if stage.in_trouble and refused(sql):
            refusals.append(sql)
            raise OperationalError("the database is in trouble")
        return right(cursor, sql, params, many, executor)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CursorWrapper, "_execute_with_wrappers", execute)
        # So long an answer is held in memory, without sleeping in between.
        patch.setattr(submission, "RECORD_FOR_SECONDS", 0.2)
        patch.setattr(submission, "sleep", lambda seconds: None)
        yield lambda: len(refusals)


def database(pattern: str, since: str = "wanted", times: int | None = None) -> Way:
    """The database fails statements of a kind: so many times, or until it is over.

    `since`: from the first view on, or from the moment on at which something is wanted, or the
    gateway has been sent to, asked, or fetched from.
    """
    kind = re.compile(pattern)

    @contextlib.contextmanager
    def way(stage: Any) -> Iterator[Struck]:
        begun: dict[str, Callable[[], bool]] = {
            "view": lambda: True,
            "wanted": lambda: True,
            "sent": lambda: bool(stage.gateway.requests),
            "asked": lambda: bool(stage.gateway.polls),
            "fetched": lambda: bool(stage.gateway.downloads),
        }
        if since != "view":
            stage.want()
        left = itertools.count() if times is None else iter(range(times))

        def refused(sql: str) -> bool:
            return begun[since]() and bool(kind.search(sql)) and next(left, None) is not None

        with refusing(stage, refused) as refusals:
            if since == "view":
                stage.visit()
            yield lambda: refusals() > 0

    return way
