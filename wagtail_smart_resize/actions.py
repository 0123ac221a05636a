"""What a site's own code can do with recompositions, as the admin does it: docs/python.md."""

from .editorial.actions import (
    Refused,
    Wish,
    Wording,
    ask,
    choose,
    leave,
    look_again,
    opt_in,
    opt_out,
    price_of,
    retry,
    use_crop,
    verdict_for,
)

__all__ = [
    "Refused",
    "Wish",
    "Wording",
    "ask",
    "choose",
    "leave",
    "look_again",
    "opt_in",
    "opt_out",
    "price_of",
    "retry",
    "use_crop",
    "verdict_for",
]
