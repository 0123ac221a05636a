"""Repairs what a lost process left undone, by what the database tables say.

A run reads every table of the app in bounded memory and requests nothing of the gateway. What it
makes due (purchases, flips, purges) is done by the next passes. Any number of runs may overlap:
each change of a row's state is conditional on the state that it leaves.
"""

import datetime as dt

from django.db.models import Q
from django.utils import timezone

from wagtail_smart_resize.models import PipelineState, ownership
from wagtail_smart_resize.purchasing import demand

from .report import Report

__all__ = ["Report", "next_repair_at", "run", "run_if_due"]

REPAIR_INTERVAL = dt.timedelta(hours=1)


def next_repair_at(state: PipelineState) -> dt.datetime:
    """Return when a runner next repairs: at once if the last time was in what is the future now."""
    now = timezone.now()
    if state.last_repair_at is None or state.last_repair_at > now:
        return now
    return state.last_repair_at + REPAIR_INTERVAL


def run_if_due(state: PipelineState) -> bool:
    """Repair, if no runner has within `REPAIR_INTERVAL`; return whether this one did."""
    now = timezone.now()
    due = Q(last_repair_at=None) | Q(last_repair_at__lte=now - REPAIR_INTERVAL)
    ahead = Q(last_repair_at__gt=now)
    if PipelineState.objects.filter(due | ahead, pk=state.pk).update(last_repair_at=now):
        state.last_repair_at = now
        run()
        return True
    state.refresh_from_db(fields=["last_repair_at"])
    return False


def run(*, dry_run: bool = False) -> Report:
    """Repair all that needs it, or only count it in a dry run; return what was found.

    A database that isn't the owner is left as it is.
    """
    report = Report(dry_run)
    if not ownership.is_owner():
        return report
    if not dry_run:
        demand.write_noted_demand()
    # Imported here, since every web process imports this module to know when a repair is due.
    from .steps import STEPS

    for step in STEPS:
        report.take(step)
    return report
