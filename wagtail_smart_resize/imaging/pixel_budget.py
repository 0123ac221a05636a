"""Limit on the pixels that this process's pipeline threads hold decoded at once. Pure.

A decoded picture takes at least four bytes for each pixel, and some decoders take two to four times
that for a moment. Pictures of 2K are processed side by side, those of 4K one after the other.
"""

import contextlib
import threading
from collections.abc import Iterator

MAX_PIXELS_AT_ONCE = 20_000_000


class PixelBudget:
    """Number of pixels that several threads share.

    A thread that asks for more than the whole budget waits until it is alone. A thread that holds
    pixels must not ask for more: two that did could deadlock.
    """

    def __init__(self, most: int = MAX_PIXELS_AT_ONCE) -> None:
        self._most = most
        self._held = 0
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def hold(self, count: int) -> Iterator[None]:
        """Wait until `count` more pixels may be decoded, and hold them during the block."""
        with self._changed:
            self._changed.wait_for(lambda: not self._held or self._held + count <= self._most)
            self._held += count
        try:
            yield
        finally:
            with self._changed:
                self._held -= count
                self._changed.notify_all()


budget = PixelBudget()
