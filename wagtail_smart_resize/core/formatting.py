"""Amounts, durations, sizes and moments as the reader's language writes them."""

import datetime as dt
from decimal import Decimal

from django.utils.formats import date_format, number_format
from django.utils.timezone import is_aware, localtime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from .money import Price
from .sizes import Size


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


def written(size: Size) -> str:
    """A size as people write it. Belongs in `<bdi dir="ltr">`: else it turns around in Arabic."""
    return f"{size.width}×{size.height}"


def moment_text(moment: dt.datetime) -> str:
    """Date and time as the reader writes them; without a zone where the site has none."""
    here = localtime(moment) if is_aware(moment) else moment
    return date_format(here, "SHORT_DATETIME_FORMAT")
