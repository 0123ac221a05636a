"""Counts a process's outside effects, and kills it between two of them.

An effect is a statement that writes to the database, a commit, an HTTP exchange, a file that is
saved or deleted, a purge of the front-end cache. A point lies before each of them, and so after the
previous one. Two kinds of points lie within: a request that was sent and not answered, a file of
which half was written.
"""

import functools
import http.client
import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, Storage
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from wagtail_smart_resize.sandbox.contract import STATUS_PATH
from wagtail_smart_resize.sandbox.requests import RESULTS_PATH

WRITES = ("INSERT", "UPDATE", "DELETE", "REPLACE")


class Countdown:
    """Logs the points that this process reaches once it is armed, and kills it at one of them.

    `kill_at` is the number of that point (0: none).
    """

    def __init__(self, log: Path, kill_at: int = 0) -> None:
        self._log = os.open(log, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        self._left = kill_at
        self.armed = False

    def __call__(self, name: str) -> None:
        if not self.armed:
            return
        os.write(self._log, f"{name}\n".encode())
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


class EffectWatcher:
    """Calls `point` with the name of each point, in the thread that reaches it.

    Nothing undoes the patches: the process exists for this alone.
    """

    def __init__(self, point: Callable[[str], None]) -> None:
        self.point = point
        self._watch_database()
        self._watch_connections()
        self._watch_files()
        self._watch_front_end_cache()

    def _watch_database(self) -> None:
        def execute(plain: Callable, cursor: Any, sql: str, *more: Any):
            if sql.startswith(WRITES):
                self.point(_statement(sql))
            return plain(cursor, sql, *more)

        def commit(plain: Callable, connection: Any):
            self.point("COMMIT")
            return plain(connection)

        _wrap(CursorWrapper, "_execute", execute)
        _wrap(CursorWrapper, "_executemany", execute)
        _wrap(BaseDatabaseWrapper, "_commit", commit)

    def _watch_connections(self) -> None:
        def endheaders(plain: Callable, connection: Any, *args: Any, **kwargs: Any):
            connection.smart_resize_line = _line(connection)
            self.point(connection.smart_resize_line)
            return plain(connection, *args, **kwargs)

        def getresponse(plain: Callable, connection: Any, *args: Any, **kwargs: Any):
            self.point(f"answer to {connection.smart_resize_line}")
            return plain(connection, *args, **kwargs)

        _wrap(http.client.HTTPConnection, "endheaders", endheaders)
        _wrap(http.client.HTTPConnection, "getresponse", getresponse)

    def _watch_files(self) -> None:
        def save(plain: Callable, storage: Any, name: str, content: Any, **kwargs: Any):
            content.seek(0)
            halves = _Halves(content.read(), lambda: self.point(f"second half of {_kind(name)}"))
            self.point(f"save {_kind(name)}")
            return plain(storage, name, halves, **kwargs)

        def delete(plain: Callable, storage: Any, name: str):
            self.point(f"delete {_kind(name)}")
            return plain(storage, name)

        _wrap(Storage, "save", save)
        _wrap(FileSystemStorage, "delete", delete)

    def _watch_front_end_cache(self) -> None:
        from testapp.frontend_cache import RecordingBackend

        def purge_batch(plain: Callable, backend: Any, urls: Any):
            self.point("purge")
            return plain(backend, urls)

        _wrap(RecordingBackend, "purge_batch", purge_batch)


def _wrap(owner: type, name: str, around: Callable[..., Any]) -> None:
    plain = getattr(owner, name)

    @functools.wraps(plain)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return around(plain, *args, **kwargs)

    setattr(owner, name, wrapped)


def _statement(sql: str) -> str:
    table = re.search(r'"(\w+)"', sql)
    return f"{sql.split()[0]} {table[1].rpartition('_')[2] if table else ''}"


def _line(connection: Any) -> str:
    """Return the method and the kind of address, without what differs from run to run."""
    method, path = connection._buffer[0].decode().split()[:2]
    kinds = {"/smart-resize/source/": "source", STATUS_PATH: "status", RESULTS_PATH: "result"}
    found = (kind for start, kind in kinds.items() if path.startswith(start))
    return f"{method} {next(found, 'request')}"


def _kind(name: str) -> str:
    return "candidate" if name.startswith("smart_resize/") else "rendition"


class _Halves(ContentFile):
    """A file that is written in two halves."""

    def __init__(self, content: bytes, between: Callable[[], None]) -> None:
        super().__init__(content)
        self._between = between

    def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
        content = self.read()
        yield content[: len(content) // 2]
        self._between()
        yield content[len(content) // 2 :]
