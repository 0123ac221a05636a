"""Moments: now, today as the budget counts it, and how long to wait after trouble."""

import datetime as dt
import random

from django.conf import settings
from django.utils import timezone


def now() -> dt.datetime:
    return timezone.now()


def today() -> dt.date:
    """The UTC day: the budget's."""
    return now().astimezone(dt.UTC).date()


def tomorrow() -> dt.datetime:
    """When the budget's next day begins; without a zone where the site has `USE_TZ` off."""
    begins = dt.datetime.combine(today() + dt.timedelta(days=1), dt.time(), dt.UTC)
    if settings.USE_TZ:
        return begins
    return timezone.make_naive(begins, timezone.get_default_timezone())


def backoff(troubles: int, *, first: float = 10.0, most: float = 3600.0) -> dt.timedelta:
    """How long to wait after so many troubles in a row: doubling, with jitter, seconds."""
    seconds = min(most, first * 2 ** min(max(troubles - 1, 0), 20))
    return dt.timedelta(seconds=seconds * random.uniform(0.75, 1.25))
