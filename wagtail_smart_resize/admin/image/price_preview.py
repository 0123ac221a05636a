"""Sentences that say what is bought, before a button is pressed."""

from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from wagtail_smart_resize import actions
from wagtail_smart_resize.core.formatting import price_text
from wagtail_smart_resize.rules import assess

from .forms import MAX_CANDIDATES


@dataclass(frozen=True)
class PricePreview:
    """Texts for each number of versions, keyed by the number as a string, for the browser."""

    sentences: dict[str, str]
    buttons: dict[str, str]

    @classmethod
    def now(cls, places: int = 1) -> "PricePreview":
        """Return the texts for so many places, the budget and the price of the moment."""
        left, counts = assess.budget_left(), range(1, MAX_CANDIDATES + 1)
        return cls(
            {str(count): _budget_text(count * places, left) for count in counts},
            {str(count): make_text(count * places) for count in counts},
        )


def make_text(count: int) -> str:
    """Return what a button that buys so many versions says: "Make 2 AI versions · 0.24 USD"."""
    text = ngettext("Make %(count)d AI version", "Make %(count)d AI versions", count)
    return with_price(text % {"count": count}, count)


def with_price(text: str, outputs: int) -> str:
    """Return the text with the price of so many versions, if the site has set one."""
    price = actions.price_of(outputs)
    return f"{text} · {price_text(price)}" if price else text


def _budget_text(count: int, left: int) -> str:
    if count > left:
        return _("That is too much: %(left)s left in the budget.") % {"left": _amount(left)}
    return _("%(left)s left in the budget.") % {"left": _amount(left)}


def _amount(outputs: int) -> str:
    price = actions.price_of(outputs)
    if price:
        return price_text(price)
    text = ngettext("%(count)d AI version", "%(count)d AI versions", outputs)
    return text % {"count": outputs}


def chosen_preview(texts: dict[str, str], count: int) -> str:
    """Return the text for `count`, or else the first."""
    return texts.get(str(count)) or next(iter(texts.values()), "")
