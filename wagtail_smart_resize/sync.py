"""Repairs what a lost process left undone, by what the tables say."""

import datetime as dt

from . import moments
from .models import PipelineState

INTERVAL = dt.timedelta(hours=1)


def next_due(state: PipelineState) -> dt.datetime | None:
    """When a runner repairs again."""
    return state.last_sync + INTERVAL if state.last_sync else moments.now()


def run_if_due(state: PipelineState) -> None:
    """Repair, if nobody has within the last hour."""
    now = moments.now()
    due = next_due(state)
    if due is not None and due <= now:
        state.move(where={"last_sync": state.last_sync}, last_sync=now)
