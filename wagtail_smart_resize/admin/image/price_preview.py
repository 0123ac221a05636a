"""Sentences that say what Generate would buy, before it is pressed."""

from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from wagtail_smart_resize.core.formatting import price_text
from wagtail_smart_resize.editorial import actions
from wagtail_smart_resize.rules import assess

from .forms import MAX_CANDIDATES


@dataclass(frozen=True)
class PricePreview:
    """Texts for each number of pictures, keyed by the number as a string, for the browser."""

    left: int
    """Outputs that the budget allows now."""
    sentences: dict[str, str]
    buttons: dict[str, str]
    anyway: dict[str, str]

    @classmethod
    def now(cls) -> "PricePreview":
        """Return the texts for the budget and price of the moment."""
        left, counts = assess.budget_left(), range(1, MAX_CANDIDATES + 1)
        return cls(
            left,
            {str(count): _sentence(count, left) for count in counts},
            {str(count): _button_text(count) for count in counts},
            {str(count): _override_text(count) for count in counts},
        )


def _sentence(count: int, left: int) -> str:
    return f"{_price_text(count)} {_budget_text(count, left)}"


def _price_text(count: int) -> str:
    price = actions.price_of(count)
    if price is None:
        text = ngettext("%(count)d picture is bought.", "%(count)d pictures are bought.", count)
        return text % {"count": count}
    text = ngettext(
        "%(count)d picture is bought, for %(price)s.",
        "%(count)d pictures are bought, for %(price)s.",
        count,
    )
    return text % {"count": count, "price": price_text(price)}


def _budget_text(count: int, left: int) -> str:
    if count > left:
        text = ngettext(
            "That is too much: the budget allows only %(left)d more now.",
            "That is too much: the budget allows only %(left)d more now.",
            left,
        )
        return text % {"left": left}
    text = ngettext(
        "After that, the budget allows %(left)d more now.",
        "After that, the budget allows %(left)d more now.",
        left - count,
    )
    return text % {"left": left - count}


def _button_text(count: int) -> str:
    text = ngettext("Generate %(count)d picture", "Generate %(count)d pictures", count)
    return text % {"count": count}


def _override_text(count: int) -> str:
    text = ngettext(
        "Generate %(count)d picture anyway", "Generate %(count)d pictures anyway", count
    )
    return text % {"count": count}


def chosen_preview(texts: dict[str, str], count: int) -> str:
    """Return the text for `count`, or else the first."""
    return texts.get(str(count)) or next(iter(texts.values()), _("Generate"))
