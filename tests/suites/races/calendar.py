"""The race's own calendar: any day and any midnight, the same for all processes of a race.

Start it before anything of Django's or Wagtail's is imported: models keep the function that tells
the time.
"""

import datetime as dt
import time

from django.utils import timezone


class Calendar:
    """Time goes on from the moment that was set; processes that are forked go on with it."""

    def __init__(self, moment: str) -> None:
        self.set(moment)

    def set(self, moment: str) -> None:
        self._moment = dt.datetime.fromisoformat(moment)
        self._set_at = time.monotonic()

    def next_day(self) -> None:
        self._moment += dt.timedelta(days=1)

    def now(self) -> dt.datetime:
        return self._moment + dt.timedelta(seconds=time.monotonic() - self._set_at)


def start(moment: str) -> Calendar:
    """Let the time be this moment, in ISO 8601 with its zone."""
    calendar = Calendar(moment)
    timezone.now = calendar.now
    return calendar
