"""The requests that this process is answering now, to which its embedded thread gives way."""

import os
import threading
import time

#: Seconds after which a request no longer counts. It may be a stream that never ends, or one whose
#: end the server did not tell of.
MAX_AGE_SECONDS = 10.0


class RequestsUnderWay:
    """When each request began, by the thread that answers it.

    A dictionary without a lock, since each use of it is one step, and a fork may come at any
    moment. A thread whose request has not ended as it should begins the next one all the same: a
    mere number would stay too high for ever.
    """

    def __init__(self) -> None:
        self._began: dict[int, float] = {}

    def begin(self) -> None:
        """Count the request that this thread begins to answer."""
        self._began[threading.get_ident()] = time.monotonic()

    def end(self) -> None:
        """Count this thread's request no longer. It may be called twice, or without a begin."""
        self._began.pop(threading.get_ident(), None)

    def reset(self) -> None:
        """Start over in a forked child, which answers none of its parent's requests."""
        self._began.clear()

    def __bool__(self) -> bool:
        """Return whether anybody waits for an answer; forget the requests that are too old."""
        oldest = time.monotonic() - MAX_AGE_SECONDS
        for thread, began in self._began.copy().items():
            if began >= oldest:
                return True
            self._began.pop(thread, None)
        return False


under_way = RequestsUnderWay()
os.register_at_fork(after_in_child=under_way.reset)
