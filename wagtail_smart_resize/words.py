"""Amounts and durations as the reader's language writes them."""

import datetime as dt
from decimal import Decimal

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from .validators import Price


def price_text(price: Price) -> str:
    """Two decimals, or as many as a small price needs: "0.24 USD", "0.0125 USD"."""
    amount = Decimal(price.amount).normalize()
    decimals = max(2, -int(amount.as_tuple().exponent))
    rounded = amount.quantize(Decimal(1).scaleb(-min(decimals, 4)))
    return f"{number_format(rounded)} {price.currency}"


def duration_text(duration: dt.timedelta) -> str:
    """In seconds up to two minutes, then in minutes and seconds."""
    seconds = max(1, round(duration.total_seconds()))
    if seconds < 120:
        return ngettext("%(count)d second", "%(count)d seconds", seconds) % {"count": seconds}
    minutes, seconds = divmod(seconds, 60)
    return _("%(minutes)d min %(seconds)d s") % {"minutes": minutes, "seconds": seconds}
