"""How the C library treats the memory of pictures that are no longer needed."""

import ctypes
import os
import platform

#: Number of bytes from which a block is returned to the system as soon as it is freed.
LARGE = 1024 * 1024

_M_MMAP_THRESHOLD = -3  # of malloc.h; see mallopt(3)


def give_back_large_blocks() -> bool:
    """Have this process return large blocks to the system at once; return whether it will.

    By default the GNU C library learns, from the first large picture that is freed, to keep such
    blocks for the next one, in a heap for each thread: a worker grows by several pictures that were
    freed long ago. Nothing is changed on other C libraries, or where MALLOC_MMAP_THRESHOLD_ is set.
    """
    if "MALLOC_MMAP_THRESHOLD_" in os.environ or platform.libc_ver()[0] != "glibc":
        return False
    return bool(ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, LARGE))
