"""Figures for the month: outputs and spend against the limits, failures and what waits longest."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import Count, Q, QuerySet, Sum

from wagtail_smart_resize.core import clock
from wagtail_smart_resize.core.money import Price
from wagtail_smart_resize.models import BudgetPeriod, GatewayRequest, Recomposition
from wagtail_smart_resize.rules.verdict import Reason
from wagtail_smart_resize.settings import settings

from . import asking, failures
from .listings import ListedRecomposition, listed, load_page

Purchase = Recomposition.Purchase

#: Reasons of rows that wait for their turn, time or money. With other reasons nothing will be made.
_QUEUED_REASONS = ("", Reason.BUDGET, Reason.CIRCUIT_OPEN, Reason.NO_KEY)
#: Maximum number of failure reasons shown; the filter offers the rest.
_MAX_REASONS = 5


class Quota(NamedTuple):
    used: int
    limit: int

    @property
    def is_used_up(self) -> bool:
        return self.used >= self.limit


@dataclass(frozen=True)
class FailureCount:
    code: str
    message: Any
    count: int


@dataclass(frozen=True)
class Figures:
    today: Quota
    month: Quota
    spent: list[Price]
    """Cost of the month's requests, in each currency."""
    limit_price: Price | None
    """Cost of the month's limit; None without `PRICE_PER_OUTPUT`."""
    failed: list[FailureCount]
    """Failures by reason, the most frequent first."""
    waiting_count: int
    oldest: ListedRecomposition | None
    """The recomposition that has waited longest, or None."""

    @property
    def failed_count(self) -> int:
        return sum(reason.count for reason in self.failed)

    @property
    def most_failed(self) -> list[FailureCount]:
        return self.failed[:_MAX_REASONS]


def figures_for(mine: QuerySet[Recomposition]) -> Figures:
    """Return the figures: spending of the whole site, failures and waiting rows of `mine`."""
    today, month = BudgetPeriod.spent_on(clock.today())
    waiting = _waiting(mine)
    oldest = listed(load_page(waiting.order_by("wanted_at", "pk")[:1]))
    return Figures(
        today=Quota(today, settings.DAILY_LIMIT),
        month=Quota(month, settings.MONTHLY_LIMIT),
        spent=_spent(),
        limit_price=asking.price_of(settings.MONTHLY_LIMIT),
        failed=_failed(mine),
        waiting_count=waiting.count(),
        oldest=oldest[0] if oldest else None,
    )


def _waiting(mine: QuerySet[Recomposition]) -> QuerySet[Recomposition]:
    wanted = Q(purchase=Purchase.WANTED, waiting_reason__in=_QUEUED_REASONS)
    undecided = Q(decision=Recomposition.Decision.NONE, live=None)
    return mine.filter(Q(purchase=Purchase.REQUESTED) | (wanted & undecided))


def _failed(mine: QuerySet[Recomposition]) -> list[FailureCount]:
    rows = mine.filter(purchase=Purchase.FAILED).values("failure_code")
    counted = rows.annotate(count=Count("pk")).order_by("-count", "failure_code")
    return [
        FailureCount(
            row["failure_code"], failures.describe(row["failure_code"]).message, row["count"]
        )
        for row in counted
    ]


def _spent() -> list[Price]:
    """Return the cost by currency of the requests reserved in this month's budget."""
    today = clock.today()
    first = today.replace(day=1)
    requests = GatewayRequest.objects.filter(reserved_on__range=(first, today))
    sums = requests.exclude(price=None).values("currency").annotate(amount=Sum("price"))
    found = {each["currency"]: each["amount"] for each in sums}
    if settings.PRICE_PER_OUTPUT:
        found.setdefault(settings.PRICE_PER_OUTPUT.currency, Decimal(0))
    return [Price(found[currency], currency) for currency in sorted(found)]
