"""Counts what code does, for tests and benchmarks: the same on every machine."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from django.core.files.storage import FileSystemStorage
from django.db import connection
from PIL.ImageFile import ImageFile

from wagtail_smart_resize.imaging import webp


@contextmanager
def counted(counts: Counter[str]) -> Iterator[None]:
    """Count statements, files that are opened to be read, and pictures whose pixels are decoded.

    The names are "statements", "reads" and "decoded". Pictures count if this thread decodes them: a
    sandbox draws its own in other threads of the process.
    """
    open_file, load, decode_webp = FileSystemStorage._open, ImageFile.load, webp.decode
    ours = threading.get_ident()

    def execute(run: Any, sql: str, *args: Any) -> Any:
        # A test's own transaction makes savepoints of the code's transactions.
        counts["statements"] += "SAVEPOINT" not in sql
        return run(sql, *args)

    def opened(storage: Any, name: str, mode: str = "rb") -> Any:
        counts["reads"] += 1
        return open_file(storage, name, mode)

    def loaded(picture: Any) -> Any:
        # What is left to decode; empty where that was done before.
        counts["decoded"] += bool(picture.tile) and threading.get_ident() == ours
        return load(picture)

    def decoded(content: bytes, size: tuple[int, int]) -> Any:
        found = decode_webp(content, size)
        counts["decoded"] += found is not None and threading.get_ident() == ours
        return found

    with (
        connection.execute_wrapper(execute),
        patch.object(FileSystemStorage, "_open", opened),
        patch.object(ImageFile, "load", loaded),
        patch.object(webp, "decode", decoded),
    ):
        yield
