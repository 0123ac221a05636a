"""How tests wait: for a fact, with one bound for all of them, and never for a number of seconds."""

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

#: Seconds, far more than anything takes on a machine however busy: who waits for so long hangs.
LONG = 120.0

#: Seconds of a far end's pause that no test waits for: its outcome doesn't hang on the machine.
FOR_EVER = 3600.0


def until(fact: Callable[[], Any], what: str, *, seconds: float = LONG, pause: float = 0.01) -> Any:
    """Wait until the fact is true, and return it.

    `pause` is the seconds between two looks, for those that cost something; `seconds` are for
    what takes a known while by itself.
    """
    ends = time.monotonic() + seconds
    while not (found := fact()):
        assert time.monotonic() < ends, f"waited in vain until {what}"
        time.sleep(pause)
    return found


def join(*threads: threading.Thread) -> None:
    """Wait for the end of threads, which must come."""
    for thread in threads:
        thread.join(LONG)
    assert not _alive(threads), f"{_alive(threads)} did not end"


def _alive(threads: Iterable[threading.Thread]) -> list[threading.Thread]:
    return [thread for thread in threads if thread.is_alive()]


class Noted(threading.Condition):
    """Tells when somebody begins to wait for it, and for how long they meant to: `asked`."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[float | None] = []
        self.waited = threading.Event()

    def wait(self, timeout: float | None = None) -> bool:
        self.asked.append(timeout)
        self.waited.set()
        return super().wait(timeout)
