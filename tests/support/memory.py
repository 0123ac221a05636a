"""The memory that Python takes within a block."""

import contextlib
import tracemalloc
from collections.abc import Iterator


class Peak:
    """The most bytes that were taken at once; known when the block has ended."""

    most_bytes = 0


@contextlib.contextmanager
def traced_memory() -> Iterator[Peak]:
    """Trace what is allocated in the block."""
    peak = Peak()
    tracemalloc.start()
    try:
        yield peak
        peak.most_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
