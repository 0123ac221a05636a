"""Who makes the pipeline's passes: the tasks backend, a thread of this process, or nobody here."""

import logging
import os
import time
from typing import Any

from django.core import mail
from django.core.signals import request_finished
from django.db import connections, transaction

from wagtail_smart_resize.purchasing import demand
from wagtail_smart_resize.renditions import demand_notes, request_tracking
from wagtail_smart_resize.settings import settings

from . import sqlite, task_chain
from .embedded_thread import thread

__all__ = ["connect", "mode", "thread", "wake"]

logger = logging.getLogger(__name__)

#: How often, in seconds, a process makes sure that whoever worked has not died.
CHECK_INTERVAL = 20.0


def mode() -> str:
    """ "thread", "tasks" or "off": what `RUNNER` comes to here.

    The thread, too, where the tasks backend can't run a tick at a later time. "auto" is nothing
    while Django's test environment is set up: no site's test suite may buy a picture.
    """
    chosen = settings.RUNNER
    if _in_test_suite():
        return "off"
    if chosen in {"auto", "tasks"}:
        return "tasks" if task_chain.backend_defers() else "thread"
    return chosen


def _in_test_suite() -> bool:
    return settings.RUNNER == "auto" and hasattr(mail, "outbox")


def wake() -> None:
    """There may be something to do. Returns at once; safe in requests and transactions.

    A command or a shell starts no thread, which would die with it, perhaps in the middle of a
    purchase: the web processes find what is due at their next check.
    """
    chosen = mode()
    if chosen == "tasks":
        transaction.on_commit(task_chain.start, using=sqlite.alias(), robust=True)
    elif chosen == "thread" and request_tracking.requests.any_yet:
        transaction.on_commit(thread.wake, using=sqlite.alias(), robust=True)


# The end of a request


class _Checked:
    """When this process last made sure that somebody runs the pipeline (monotonic seconds)."""

    at: float | None = None

    @classmethod
    def reset(cls) -> None:
        cls.at = None


os.register_at_fork(after_in_child=_Checked.reset)


def _on_request_finished(**_kwargs: Any) -> None:
    """After the response: write what templates wanted, wake who works on it."""
    noted, check = bool(demand_notes.notes), _check_is_due()
    if not noted and not check:
        return
    try:
        # A site's tests count their queries: what one of them noted is nothing to the next.
        if not _in_test_suite():
            _write_and_wake(noted)
    except Exception:
        logger.exception("Can't write what templates wanted, or wake the pipeline")
    finally:
        # Django's own receiver ran before this one. A transaction that is still open is a test's.
        for connection in connections.all(initialized_only=True):
            if not connection.in_atomic_block:
                connection.close_if_unusable_or_obsolete()


def _check_is_due() -> bool:
    """At the process's first request, and from time to time: a comparison in memory."""
    now = time.monotonic()
    if _Checked.at is not None and now < _Checked.at + CHECK_INTERVAL:
        return False
    _Checked.at = now
    return True


def _write_and_wake(noted: bool) -> None:
    chosen = mode()
    # On SQLite the thread writes, when no page is being answered.
    if not (chosen == "thread" and sqlite.is_sqlite()):
        demand.write()
    if chosen == "thread":
        thread.wake()
    elif chosen == "tasks":
        task_chain.start() if noted else task_chain.start_if_due()


def connect() -> None:
    """Listen to the ends of requests. From `AppConfig.ready`."""
    request_finished.connect(_on_request_finished, dispatch_uid="smart_resize_runners")
