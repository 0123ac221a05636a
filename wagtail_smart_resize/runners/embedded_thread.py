"""The embedded thread: the pipeline's passes in a web process, with nothing to install or start."""

import atexit
import logging
import os
import threading

from . import loop

logger = logging.getLogger(__name__)

#: How long the end of the process waits for what is under way, seconds. A submission that is cut
#: off may have been bought, and nobody could tell.
GRACE = 5.0


class EmbeddedThread:
    """One daemon thread of this process, started when it is first needed."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """In a forked child the parent's thread does not run."""
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._loop = loop.Loop(alone=True)

    @property
    def is_alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def wake(self) -> None:
        """Let it look for work; start it if it does not run."""
        with self._lock:
            if not self.is_alive:
                self._loop = loop.Loop(alone=True)
                self._thread = threading.Thread(
                    target=self._loop.run, name="smart-resize", daemon=True
                )
                self._thread.start()
        self._loop.wake()

    def stop(self, seconds: float = 10.0) -> bool:
        """Let it end after the step under way; tell whether it did within so many seconds."""
        if self._thread is None:
            return True
        self._loop.stop()
        self._thread.join(seconds)
        return not self.is_alive

    def leave(self) -> None:
        """The process ends."""
        if not self.stop(GRACE):
            logger.warning("The process ends in the middle of a step of the pipeline")


thread = EmbeddedThread()
os.register_at_fork(after_in_child=thread.reset)
atexit.register(thread.leave)
