"""Loggers whose tracebacks do not repeat."""

import logging
import threading
import time
from typing import Any

#: Seconds for which a traceback is not repeated.
REPEAT_AFTER_SECONDS = 600.0
#: Number of causes that are remembered. With more, the oldest may be told again early.
MAX_CAUSES = 200


def get_logger(name: str) -> logging.Logger:
    """Return the logger of that name, which repeats no traceback within `REPEAT_AFTER_SECONDS`."""
    logger = logging.getLogger(name)
    logger.addFilter(repeats)
    return logger


class Repeats(logging.Filter):
    """Drops records whose message and traceback were logged a short while ago, and counts them.

    A storage that is down would otherwise write the same forty lines for each picture of each page.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Forget what was logged."""
        # By cause: when it was last logged, and how many were dropped since.
        self._told: dict[Any, tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if error is None:
            return True
        cause = (record.name, record.msg, type(error), _place(error))
        now = time.monotonic()
        with self._lock:
            at, dropped = self._told.pop(cause, (None, 0))
            if at is not None and now - at < REPEAT_AFTER_SECONDS:
                self._told[cause] = at, dropped + 1
                return False
            self._told[cause] = now, 0
            while len(self._told) > MAX_CAUSES:
                del self._told[next(iter(self._told))]
        if dropped:
            record.msg = f"{record.msg} (and {dropped} times more since it was last logged)"
        return True


def _place(error: BaseException) -> tuple[str, int] | None:
    """Return file and line in which the error was raised."""
    traceback = error.__traceback__
    if traceback is None:
        return None
    while traceback.tb_next:
        traceback = traceback.tb_next
    return traceback.tb_frame.f_code.co_filename, traceback.tb_lineno


repeats = Repeats()
