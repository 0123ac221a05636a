"""The month in figures: outputs and spend against the limits, failures, what waits longest."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import Count, Q, QuerySet, Sum

from wagtail_smart_resize.core import clock
from wagtail_smart_resize.core.money import Price
from wagtail_smart_resize.models import GatewayRequest, Recomposition, Spend
from wagtail_smart_resize.rules.verdict import Reason
from wagtail_smart_resize.settings import settings

from . import actions, failures
from .listings import load_page, tell_states

Purchase = Recomposition.Purchase

#: What waits for its turn, or for time and money. Other reasons mean that nothing is to come.
_ITS_TURN = ("", Reason.BUDGET, Reason.CIRCUIT_OPEN, Reason.NO_KEY)
#: Reasons beyond this many are left to the filter.
_MOST_REASONS = 5


class Quota(NamedTuple):
    used: int
    limit: int

    @property
    def is_used_up(self) -> bool:
        return self.used >= self.limit


class Reasons(NamedTuple):
    code: str
    message: Any
    count: int


@dataclass(frozen=True)
class Figures:
    today: Quota
    month: Quota
    spent: list[Price]
    """What the month's requests cost, in each currency."""
    limit_price: Price | None
    """What the month's limit would cost; None where the site has not said what an output costs."""
    failed: list[Reasons]
    """The most frequent first."""
    waiting_count: int
    oldest: Any
    """The recomposition that has waited longest, or None."""

    @property
    def failed_count(self) -> int:
        return sum(reason.count for reason in self.failed)

    @property
    def most_failed(self) -> list[Reasons]:
        return self.failed[:_MOST_REASONS]


def of(mine: QuerySet) -> Figures:
    """The whole site's spending, and of the user's own rows what failed and what waits."""
    today, month = Spend.used(clock.today())
    waiting = _waiting(mine)
    return Figures(
        today=Quota(today, settings.DAILY_LIMIT),
        month=Quota(month, settings.MONTHLY_LIMIT),
        spent=_spent(),
        limit_price=actions.price_of(settings.MONTHLY_LIMIT),
        failed=_failed(mine),
        waiting_count=waiting.count(),
        oldest=_oldest(waiting),
    )


def _waiting(mine: QuerySet) -> QuerySet:
    wanted = Q(purchase=Purchase.WANTED, waiting_reason__in=_ITS_TURN)
    undecided = Q(decision=Recomposition.Decision.NONE, live=None)
    return mine.filter(Q(purchase=Purchase.REQUESTED) | (wanted & undecided))


def _oldest(waiting: QuerySet) -> Any:
    oldest = load_page(waiting.order_by("wanted_at", "pk")[:1])
    tell_states(oldest)
    return oldest[0] if oldest else None


def _failed(mine: QuerySet) -> list[Reasons]:
    rows = mine.filter(purchase=Purchase.FAILED).values("failure_code")
    counted = rows.annotate(count=Count("pk")).order_by("-count", "failure_code")
    return [
        Reasons(row["failure_code"], failures.describe(row["failure_code"]).message, row["count"])
        for row in counted
    ]


def _spent() -> list[Price]:
    """Of the requests whose outputs the month's budget holds, by currency."""
    today = clock.today()
    first = today.replace(day=1)
    requests = GatewayRequest.objects.filter(reserved_on__range=(first, today))
    sums = requests.exclude(price=None).values("currency").annotate(amount=Sum("price"))
    found = {each["currency"]: each["amount"] for each in sums}
    if settings.PRICE_PER_OUTPUT:
        found.setdefault(settings.PRICE_PER_OUTPUT.currency, Decimal(0))
    return [Price(found[currency], currency) for currency in sorted(found)]
