"""A clock for a race: any day and any midnight, the same for all of its processes.

Start it before importing anything from Django or Wagtail: models keep a reference to the function
that tells the time.
"""

import datetime as dt
import time

from django.utils import timezone


class RaceClock:
    """Runs on from the moment that was set, in forked processes as well."""

    def __init__(self, moment: str) -> None:
        self.set(moment)

    def set(self, moment: str) -> None:
        self._moment = dt.datetime.fromisoformat(moment)
        self._set_at = time.monotonic()

    def next_day(self) -> None:
        self._moment += dt.timedelta(days=1)

    def now(self) -> dt.datetime:
        return self._moment + dt.timedelta(seconds=time.monotonic() - self._set_at)


def start(moment: str) -> RaceClock:
    """Set the time to this moment, in ISO 8601 with its zone."""
    clock = RaceClock(moment)
    timezone.now = clock.now
    return clock
