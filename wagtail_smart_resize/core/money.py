"""Prices."""

from decimal import Decimal
from typing import NamedTuple


class Price(NamedTuple):
    amount: Decimal
    currency: str


def rounded(amount: Decimal) -> Decimal:
    """Return the amount with two decimals; one below 1 with up to four, if it has them."""
    given = Decimal(amount)
    decimals = -int(given.normalize().as_tuple().exponent) if abs(given) < 1 else 2
    return given.quantize(Decimal(1).scaleb(-min(max(decimals, 2), 4)))


def plain_text(price: Price) -> str:
    """Return "0.24 USD", for logs and machines."""
    return f"{rounded(price.amount)} {price.currency}"
