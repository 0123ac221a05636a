"""The embedded thread: the pipeline's passes in a web process, with nothing to install or start."""

import atexit
import os
import threading

from wagtail_smart_resize.core.logs import get_logger
from wagtail_smart_resize.purchasing.under_way import posts

from . import giving_way, loop

logger = get_logger(__name__)

#: Seconds that the end of the process waits for the step under way.
SHUTDOWN_SECONDS = 5.0
#: Seconds that it waits further for the answer to a submission, which may have been bought, and
#: nobody could tell. With the other seconds it is less than what servers give a process to end.
ANSWER_SECONDS = 20.0


class EmbeddedThread:
    """A daemon thread of this process, started when it is first needed."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start over in a forked child, where the parent's thread does not run."""
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._loop = _new_loop()

    @property
    def is_alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def wake(self) -> None:
        """Have the thread look for work, and start it if it does not run."""
        with self._lock:
            if not self.is_alive:
                self._loop = _new_loop()
                self._thread = threading.Thread(
                    target=self._run, args=(self._loop,), name="smart-resize", daemon=True
                )
                self._thread.start()
        self._loop.wake()

    def _run(self, made: loop.Loop) -> None:
        giving_way.lower_priority()
        made.run()

    def stop(self, seconds: float = 10.0) -> bool:
        """End the thread after the step under way; return whether it ended within `seconds`."""
        if self._thread is None:
            return True
        self._loop.stop()
        self._thread.join(seconds)
        return not self.is_alive

    def leave(self) -> None:
        """Stop the thread at the end of the process.

        Wait for `SHUTDOWN_SECONDS` at most, and for `ANSWER_SECONDS` more if a request is being
        sent.
        """
        if self.stop(SHUTDOWN_SECONDS):
            return
        if not posts.wait(ANSWER_SECONDS):
            logger.error("The process ends while a request is being sent: it counts as unknown")
        elif not self.stop(SHUTDOWN_SECONDS):
            logger.warning("The process ends in the middle of a step of the pipeline")


def _new_loop() -> loop.Loop:
    return loop.Loop(alone=True, give_way=giving_way.wait_for_requests)


embedded_thread = EmbeddedThread()
os.register_at_fork(after_in_child=embedded_thread.reset)
atexit.register(embedded_thread.leave)
