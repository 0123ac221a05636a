"""What a press of Generate would buy, in words, before it is pressed."""

from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from wagtail_smart_resize.core.formatting import price_text
from wagtail_smart_resize.editorial import actions
from wagtail_smart_resize.rules import assess

from .forms import MOST_CANDIDATES


@dataclass(frozen=True)
class Offer:
    """The sentences for each number of pictures, keyed by that number as text, for the browser."""

    left: int
    """Outputs that the budget allows now."""
    sentences: dict[str, str]
    buttons: dict[str, str]
    anyway: dict[str, str]

    @classmethod
    def now(cls) -> "Offer":
        left, counts = assess.budget_left(), range(1, MOST_CANDIDATES + 1)
        return cls(
            left,
            {str(count): _sentence(count, left) for count in counts},
            {str(count): _button(count) for count in counts},
            {str(count): _anyway(count) for count in counts},
        )


def _sentence(count: int, left: int) -> str:
    return f"{_bought(count)} {_budget(count, left)}"


def _bought(count: int) -> str:
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


def _budget(count: int, left: int) -> str:
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


def _button(count: int) -> str:
    text = ngettext("Generate %(count)d picture", "Generate %(count)d pictures", count)
    return text % {"count": count}


def _anyway(count: int) -> str:
    text = ngettext(
        "Generate %(count)d picture anyway", "Generate %(count)d pictures anyway", count
    )
    return text % {"count": count}


def chosen(texts: dict[str, str], count: int) -> str:
    """The text for a number, and for what is none the first."""
    return texts.get(str(count)) or next(iter(texts.values()), _("Generate"))
