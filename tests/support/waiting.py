"""Waits for conditions with one common timeout, and never for a fixed number of seconds."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, connections

#: Seconds, far more than anything takes on a busy machine: a wait that long means a hang.
TIMEOUT_SECONDS = 120.0

#: Seconds of a server's pause that no test waits for, so that no outcome depends on the machine.
NEVER_SECONDS = 3600.0


def until(
    fact: Callable[[], Any], what: str, *, seconds: float = TIMEOUT_SECONDS, pause: float = 0.01
) -> Any:
    """Wait until the fact is true, and return it.

    `pause` is the seconds between two checks, for checks that are expensive; `seconds` is for what
    takes a known time by itself.
    """
    ends = time.monotonic() + seconds
    while not (found := fact()):
        assert time.monotonic() < ends, f"waited in vain until {what}"
        time.sleep(pause)
    return found


def join(*threads: threading.Thread) -> None:
    """Wait until the threads end; fail if one doesn't."""
    for thread in threads:
        thread.join(TIMEOUT_SECONDS)
    assert not _alive(threads), f"{_alive(threads)} did not end"


@contextmanager
def in_background(action: Callable[[], Any]) -> Iterator[Callable[[], None]]:
    """Yield what starts the action in a thread with a database connection of its own.

    The block's end waits for it, and fails if it raised an exception.
    """
    errors: list[Exception] = []

    def work() -> None:
        try:
            action()
        except Exception as error:
            errors.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=work)
    try:
        yield thread.start
    finally:
        if thread.ident is not None:
            join(thread)
    assert errors == []


def somebody_waits() -> bool:
    """Return whether any connection to this PostgreSQL waits for a lock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


def _alive(threads: Iterable[threading.Thread]) -> list[threading.Thread]:
    return [thread for thread in threads if thread.is_alive()]


class RecordingCondition(threading.Condition):
    """A condition that sets `waited` when a wait begins, and lists the timeouts of all in
    `asked`."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[float | None] = []
        self.waited = threading.Event()

    def wait(self, timeout: float | None = None) -> bool:
        self.asked.append(timeout)
        self.waited.set()
        return super().wait(timeout)
