"""Repairs what a lost process left undone, by what the tables say.

It reads every table of ours in bounded memory and asks nothing of the gateway. What it makes due
(purchases, flips, purges) is done by the next passes. Any number of runs may overlap: what changes
a row's state is conditional on the state that it leaves.
"""

import datetime as dt

from django.db.models import Q

from wagtail_smart_resize.core import clock
from wagtail_smart_resize.models import PipelineState
from wagtail_smart_resize.purchasing import demand

from .report import Report

__all__ = ["Report", "next_due", "run", "run_if_due"]

INTERVAL = dt.timedelta(hours=1)


def next_due(state: PipelineState) -> dt.datetime:
    """When a runner repairs again."""
    return state.last_sync + INTERVAL if state.last_sync else clock.now()


def run_if_due(state: PipelineState) -> bool:
    """Repair, if nobody has within the last hour; tell whether this runner did."""
    now = clock.now()
    due = Q(last_sync=None) | Q(last_sync__lte=now - INTERVAL)
    if PipelineState.objects.filter(due, pk=state.pk).update(last_sync=now):
        state.last_sync = now
        run()
        return True
    state.refresh_from_db(fields=["last_sync"])
    return False


def run(*, dry_run: bool = False) -> Report:
    """Repair all that there is to repair, or only count it."""
    report = Report(dry_run)
    if not dry_run:
        demand.write()
    # Only here, since every web process imports this module to know when a repair is due.
    from .steps import STEPS

    for step in STEPS:
        report.take(step)
    return report
