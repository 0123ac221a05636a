"""Counts the requests that this process is sending: one that is cut off may have been bought.

A module of its own, since every web process imports it, and the gateway's client is imported only
where something is sent.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Posts:
    """The number of POSTs whose answers are not stored yet."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._count = 0

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """Count the block as a POST under way."""
        self._add(1)
        try:
            yield
        finally:
            self._add(-1)

    def _add(self, number: int) -> None:
        with self._changed:
            self._count += number
            self._changed.notify_all()

    def wait(self, seconds: float) -> bool:
        """Wait until none is under way, for `seconds` at most; return whether none is."""
        with self._changed:
            return self._changed.wait_for(lambda: self._count == 0, seconds)


posts = Posts()
