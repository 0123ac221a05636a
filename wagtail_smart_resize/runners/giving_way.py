"""How the pipeline's threads in a web process give way to its requests: they rank lower, and wait.

A worker process has nobody to give way to.
"""

import contextlib
import os
import sys
import threading
import time

from wagtail_smart_resize.core import answering

#: By how much the threads' niceness exceeds that of the process.
NICENESS = 10
#: Maximum number of seconds for which a step waits, so that a busy site gets its pictures, too.
MAX_SECONDS = 0.5
#: Seconds between two looks whether the requests have been answered.
LOOK_SECONDS = 0.01


def lower_priority() -> None:
    """Let the system prefer other threads to this one, and to those that this one starts.

    Only Linux has priorities of threads: elsewhere it would be the priority of the process. There a
    greenlet, which has no thread of its own, must not change that of the process either.
    """
    thread = threading.get_native_id()
    if sys.platform != "linux" or thread == os.getpid():
        return
    with contextlib.suppress(OSError, OverflowError):
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + NICENESS)


def wait_for_requests(stopped: threading.Event) -> None:
    """Wait until this process answers no request, it is to stop, or `MAX_SECONDS` have passed."""
    ends = time.monotonic() + MAX_SECONDS
    while answering.under_way and time.monotonic() < ends and not stopped.wait(LOOK_SECONDS):
        pass
