"""An end in good order for commands that may be sending a request when they are told to end."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

AT_ONCE = b"Ended at once: what was being sent may have been bought, and counts as unknown.\n"
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Ending:
    """Whether the command was told to end, and by which signal."""

    def __init__(self) -> None:
        self.told = threading.Event()
        self.signal: int | None = None

    @property
    def exit_status(self) -> int:
        """Return the status that a shell expects of a process that a signal has ended."""
        return 128 + (self.signal or 0)


@contextmanager
def ends_in_good_order(
    tell: Callable[[str], object], stop: Callable[[], object] = lambda: None
) -> Iterator[Ending]:
    """Have the first Ctrl-C or SIGTERM set `told` and call `stop`, and a second end the process.

    A request that is cut off while it is sent may have been bought, and nobody could tell: so the
    first signal only asks. `tell` is called with what the person at the terminal should know, then
    `stop`, in a thread of their own: the signal may come while this one holds a lock.
    Nothing is done outside of the main thread, where Python knows no signals.
    """
    ending = Ending()
    if threading.current_thread() is not threading.main_thread():
        yield ending
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def handle(number: int, _frame: Any) -> None:
        if ending.told.is_set():
            # Streams may be in use by what was interrupted.
            os.write(2, AT_ONCE)
            raise SystemExit(128 + number)
        ending.signal = number
        ending.told.set()
        threading.Thread(target=end).start()

    def end() -> None:
        tell(
            "Ending when what is under way is done: an answer of the service may take 70 seconds. "
            "A second Ctrl-C ends at once; then nobody knows whether what is being sent is bought."
        )
        stop()

    for number in SIGNALS:
        signal.signal(number, handle)
    try:
        yield ending
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
