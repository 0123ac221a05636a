"""Command that does the work in a process of its own, until Ctrl-C or SIGTERM."""

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from wagtail_smart_resize.models import ownership
from wagtail_smart_resize.runners import loop

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Command(BaseCommand):
    help = (
        "Buys, fetches and publishes recompositions as they become due, in the foreground. Any "
        "number of workers may run, on any number of machines."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        if problem := ownership.problem():
            raise CommandError(problem)
        work = loop.Loop(alone=False)
        before = {number: signal.getsignal(number) for number in SIGNALS}
        for number in SIGNALS:
            signal.signal(number, lambda *_: _stop(work, before))
        self._print(
            "The worker is running. Ctrl-C or SIGTERM ends it when what is under way is done."
        )
        try:
            work.run()
        finally:
            _restore(before)
        self._print("The worker has stopped.")

    def _print(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


def _stop(work: loop.Loop, before: dict[signal.Signals, Any]) -> None:
    """End the loop at the first signal; restore the handlers, so that a second ends the process."""
    _restore(before)
    # In a thread of its own: the signal may have come while this thread held the loop's locks.
    threading.Thread(target=work.stop).start()


def _restore(before: dict[signal.Signals, Any]) -> None:
    for number, handler in before.items():
        signal.signal(number, handler)
