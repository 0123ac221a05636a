"""The budget's day, and the backoff after errors."""

import datetime as dt
import random

from django.conf import settings
from django.utils import timezone


def today() -> dt.date:
    """Return the current UTC date, which is the budget's day."""
    return timezone.now().astimezone(dt.UTC).date()


def tomorrow() -> dt.datetime:
    """Return when the budget's next day begins.

    The datetime is naive, in the site's default time zone, where `USE_TZ` is off.
    """
    begins = dt.datetime.combine(today() + dt.timedelta(days=1), dt.time(), dt.UTC)
    if settings.USE_TZ:
        return begins
    return timezone.make_naive(begins, timezone.get_default_timezone())


def backoff(consecutive_errors: int, *, first: float = 10.0, most: float = 3600.0) -> dt.timedelta:
    """Return how long to wait after so many consecutive errors.

    The delay starts at `first` seconds and doubles with each error, up to `most` seconds. Jitter of
    up to 25 % either way is applied after that limit.
    """
    seconds = min(most, first * 2 ** min(max(consecutive_errors - 1, 0), 20))
    return dt.timedelta(seconds=seconds * random.uniform(0.75, 1.25))
