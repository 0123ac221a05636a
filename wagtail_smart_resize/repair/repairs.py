"""Repairs what a lost process left undone, by what the database tables say.

A run reads what may have changed since the last one, and a part of all else, so that it takes the
same time whatever the tables hold; or it reads all. It holds the records of some images at a time,
and requests nothing of the gateway. What it makes due (purchases, flips, purges) is done by the
next passes. Any number of runs may overlap: each change of a row's state is conditional on the
state that it leaves.
"""

import datetime as dt
from collections.abc import Callable

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


def run_if_due(state: PipelineState, go_on: Callable[[], bool] = lambda: True) -> bool:
    """Repair, if no runner has within `REPAIR_INTERVAL`; return whether this one did.

    `go_on` is that of `run`; what a run that was ended has left is due at once.
    """
    now = timezone.now()
    due = Q(last_repair_at=None) | Q(last_repair_at__lte=now - REPAIR_INTERVAL)
    ahead = Q(last_repair_at__gt=now)
    if PipelineState.objects.filter(due | ahead, pk=state.pk).update(last_repair_at=now):
        state.last_repair_at = now
        run(go_on=go_on)
        if not go_on():
            state.update_if(where={"last_repair_at": now}, last_repair_at=None)
        return True
    state.refresh_from_db(fields=["last_repair_at"])
    return False


def run(
    *,
    dry_run: bool = False,
    whole: bool = False,
    go_on: Callable[[], bool] = lambda: True,
    show: Callable[[int, int], object] | None = None,
) -> Report:
    """Repair all that needs it, or only count it in a dry run; return what was found.

    `whole`: read all images, from the begin or from where such a run was ended; otherwise what may
    have changed, and a part of the rest. `go_on` is asked between two chunks of images, and `show`
    told how many images were read, and of how many. A database that isn't the owner is left as it
    is.
    """
    report = Report(dry_run)
    if not ownership.is_owner():
        return report
    if not dry_run:
        demand.write_noted_demand()
    # Imported here, since every web process imports this module to know when a repair is due.
    from .looks import Look

    Look(report, go_on).make(whole=whole, show=show)
    return report
