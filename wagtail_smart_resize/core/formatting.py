"""Prices, durations, sizes and datetimes, formatted for the active language."""

import datetime as dt
from typing import TypeAlias

from django.utils.formats import date_format, number_format
from django.utils.functional import Promise
from django.utils.timezone import is_aware, localtime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from .money import Price, rounded
from .sizes import Size

#: A text for users, translated at once or when it is shown.
Text: TypeAlias = Promise | str


def price_text(price: Price) -> str:
    """Return "0.24 USD" or "0.0125 USD": two decimals, or up to four for a small price."""
    return f"{number_format(rounded(price.amount))} {price.currency}"


def duration_text(duration: dt.timedelta) -> str:
    """Return whole seconds (at least one) up to two minutes, then minutes and seconds."""
    seconds = max(1, round(duration.total_seconds()))
    if seconds < 120:
        return ngettext("%(count)d second", "%(count)d seconds", seconds) % {"count": seconds}
    minutes, seconds = divmod(seconds, 60)
    return _("%(minutes)d min %(seconds)d s") % {"minutes": minutes, "seconds": seconds}


def size_text(size: Size) -> str:
    """Return "1200×630". Put it in `<bdi dir="ltr">`: otherwise Arabic pages reverse it."""
    return f"{size.width}×{size.height}"


def datetime_text(moment: dt.datetime) -> str:
    """Return date and time in the language's short format; a naive datetime is not converted."""
    here = localtime(moment) if is_aware(moment) else moment
    return date_format(here, "SHORT_DATETIME_FORMAT")
