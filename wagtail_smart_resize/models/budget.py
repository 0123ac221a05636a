"""The budget: outputs reserved or bought, by day and month."""

import datetime as dt

from django.db import models
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from wagtail_smart_resize.core import database

from .base import ConditionalUpdateModel


class BudgetPeriod(ConditionalUpdateModel):
    """Outputs reserved or bought in a UTC day ("2026-11-22") or month ("2026-11")."""

    period = models.CharField(max_length=10, unique=True)
    outputs = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name = _("budget period")
        verbose_name_plural = _("budget periods")
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.period}: {self.outputs}"

    @staticmethod
    def periods(day: dt.date) -> tuple[str, str]:
        """Return the names of the day's period and of its month's."""
        return day.isoformat(), f"{day:%Y-%m}"

    @classmethod
    def spent_on(cls, day: dt.date) -> tuple[int, int]:
        """Return the outputs of that day and of its month."""
        periods = cls.periods(day)
        found = dict(cls.objects.filter(period__in=periods).values_list("period", "outputs"))
        return found.get(periods[0], 0), found.get(periods[1], 0)

    # The month's row is always locked before a day's. Otherwise a request that moves from one day
    # to the next in one transaction could deadlock with another.

    @classmethod
    def ensure_rows(cls, day: dt.date) -> None:
        """Create the rows of a day and its month, before the transaction that counts in them.

        Several long transactions that insert the same row would deadlock.
        """
        periods = cls.periods(day)
        if cls.objects.filter(period__in=periods).count() < len(periods):
            for period in periods:
                cls.objects.get_or_create(period=period)

    @classmethod
    def lock(cls, day: dt.date) -> tuple[int, int]:
        """Lock the rows of a day and its month; return their outputs, as `spent_on` does."""
        today, month = cls.periods(day)
        # The month's name is the beginning of the day's, and sorts before it.
        rows = cls.objects.select_for_update().filter(period__in=(today, month))
        found = dict(rows.order_by("period").values_list("period", "outputs"))
        return found.get(today, 0), found.get(month, 0)

    @classmethod
    def add(cls, outputs: int, day: dt.date) -> None:
        """Count outputs that the limits allow, by what `lock` has returned."""
        for period in reversed(cls.periods(day)):
            cls.objects.filter(period=period).update(outputs=F("outputs") + outputs)

    @classmethod
    def reserve(cls, outputs: int, day: dt.date, daily: int, monthly: int) -> bool:
        """Reserve `outputs` if the limits `daily` and `monthly` allow it; return whether they do.

        Call this inside a transaction and roll it back if this returns False: the month may have
        been counted before the day refused.
        """
        today, month = cls.periods(day)
        return cls._add(month, outputs, monthly) and cls._add(today, outputs, daily)

    @classmethod
    def _add(cls, period: str, outputs: int, limit: int) -> bool:
        fitting = cls.objects.filter(period=period, outputs__lte=limit - outputs)
        if fitting.update(outputs=F("outputs") + outputs):
            return True
        _row, is_new = cls.objects.get_or_create(period=period)
        return is_new and bool(fitting.update(outputs=F("outputs") + outputs))

    @classmethod
    def give_back(cls, outputs: int, day: dt.date) -> None:
        """Give back outputs that were provably not bought."""
        with database.atomic():
            for period in reversed(cls.periods(day)):
                held = cls.objects.filter(period=period, outputs__gte=outputs)
                held.update(outputs=F("outputs") - outputs)
