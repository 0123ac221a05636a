"""Which runner makes the passes: the tasks backend, a thread of this process, or none here."""

import datetime as dt
import os
import time
from typing import Any

from django.core import mail
from django.core.signals import request_finished
from django.db import connections
from django.utils import timezone

from wagtail_smart_resize.core import database
from wagtail_smart_resize.core.logs import get_logger
from wagtail_smart_resize.core.schema import schema
from wagtail_smart_resize.models import PipelineState, ownership
from wagtail_smart_resize.purchasing import demand
from wagtail_smart_resize.renditions import demand_notes, request_tracking
from wagtail_smart_resize.settings import settings

from . import task_chain
from .embedded_thread import embedded_thread

__all__ = ["connect_runners", "mode", "wake"]

logger = get_logger(__name__)

#: Seconds between two checks, by a process, that the runner has not died.
CHECK_INTERVAL_SECONDS = 20.0


def mode() -> str:
    """Return the effective `RUNNER` of this process: "thread", "tasks" or "off".

    It is "thread", too, where the tasks backend can't defer a task to a later time. "auto" is "off"
    while Django's test environment is set up: no site's test suite may buy a picture. So is all in
    a database that isn't the owner.
    """
    chosen = settings.RUNNER
    if _in_test_suite() or not ownership.is_owner():
        return "off"
    if chosen in {"auto", "tasks"}:
        return "tasks" if task_chain.backend_defers() else "thread"
    return chosen


def _in_test_suite() -> bool:
    return settings.RUNNER == "auto" and hasattr(mail, "outbox")


def wake() -> None:
    """Wake the runner, since there may be something to do.

    Return at once; safe in requests and transactions. A command or shell starts no thread, which
    would die with it, perhaps in the middle of a purchase: the web processes find what is due at
    their next check.
    """
    database.on_commit(_wake)


def _wake(delay: dt.timedelta = dt.timedelta()) -> None:
    """Bring the next pass forward to `delay` from now, and tell the runner."""
    when, chosen = timezone.now() + delay, mode()
    if chosen == "tasks":
        task_chain.start(when)
    elif chosen == "thread":
        PipelineState.bring_pass_forward(when)
        if request_tracking.has_answered():
            embedded_thread.wake()


# The end of a request


class _LastCheck:
    """When this process last checked that a runner is alive, in seconds of the monotonic clock."""

    at: float | None = None

    @classmethod
    def reset(cls) -> None:
        cls.at = None


os.register_at_fork(after_in_child=_LastCheck.reset)


def _on_request_finished(**_kwargs: Any) -> None:
    """Write what templates wanted and wake the runner, after the response."""
    noted, check = bool(demand_notes.notes), _is_check_due()
    if not noted and not check:
        return
    try:
        # A site's tests may count queries: what one of them noted must add none to the next.
        if not _in_test_suite():
            _write_and_wake(noted)
    except Exception:
        logger.exception("Can't write what templates wanted, or wake the pipeline")
    finally:
        # Django's own receiver, `close_old_connections`, ran before this one. A transaction that is
        # still open is a test's.
        for connection in connections.all(initialized_only=True):
            if not connection.in_atomic_block:
                connection.close_if_unusable_or_obsolete()


def _is_check_due() -> bool:
    """Return whether to check the runner: at the process's first request, and then at intervals.

    This only compares in memory.
    """
    now = time.monotonic()
    if _LastCheck.at is not None and now < _LastCheck.at + CHECK_INTERVAL_SECONDS:
        return False
    _LastCheck.at = now
    return True


def _write_and_wake(noted: bool) -> None:
    if not schema.is_current():
        return
    demand.write_noted_demand()
    if noted:
        _wake(demand.GATHERING_TIME)
        return
    chosen = mode()
    if chosen == "tasks":
        task_chain.restart_if_lost()
    elif chosen == "thread":
        embedded_thread.wake()


def connect_runners() -> None:
    """Connect the receiver for the end of requests. Called by `AppConfig.ready`."""
    request_finished.connect(_on_request_finished, dispatch_uid="smart_resize_runners")
