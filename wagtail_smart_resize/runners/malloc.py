"""What the C library does with the memory of pictures that are no longer needed."""

import ctypes
import os
import platform

#: So large a block is the system's again as soon as it is freed, bytes.
LARGE = 1024 * 1024

_M_MMAP_THRESHOLD = -3  # of malloc.h; see mallopt(3)


def give_back_large_blocks() -> bool:
    """Have this process give large blocks back at once; tell whether it will.

    Of itself the GNU C library learns, from the first large picture that is freed, to keep such
    blocks for the next one, in a heap of each thread's own: a worker grows by several pictures
    that are long gone. Elsewhere, and where the environment says it already, nothing is changed.
    """
    if "MALLOC_MMAP_THRESHOLD_" in os.environ or platform.libc_ver()[0] != "glibc":
        return False
    return bool(ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, LARGE))
