"""Prices."""

from decimal import Decimal
from typing import NamedTuple


class Price(NamedTuple):
    amount: Decimal
    currency: str
