"""How many pixels the pipeline's threads have decoded at once, in this process. Pure.

Decoded, a picture takes at least four bytes for each pixel, and some decoders take four times that
for a moment. Those of 2K are worked on side by side, those of 4K one after the other.
"""

import contextlib
import threading
from collections.abc import Iterator

MOST = 20_000_000


class Budget:
    """Pixels that several threads hold a part of. One that asks for more than all waits until it
    is alone. Who holds some must not ask for more: two that did could wait for each other."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._held = 0
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def hold(self, count: int) -> Iterator[None]:
        """Wait until so many may be decoded as well."""
        with self._changed:
            self._changed.wait_for(lambda: not self._held or self._held + count <= self._most)
            self._held += count
        try:
            yield
        finally:
            with self._changed:
                self._held -= count
                self._changed.notify_all()


budget = Budget()
