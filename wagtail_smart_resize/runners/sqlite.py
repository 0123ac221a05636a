"""Writing to SQLite only while this process answers no request.

Without IMMEDIATE transactions, SQLite fails a page at once that has read in a transaction and then
wants to write, if another connection has written, or is writing, in between. No timeout helps.
"""

import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from django.db import connections, router

from wagtail_smart_resize.models import PipelineState
from wagtail_smart_resize.renditions import request_tracking

#: Maximum number of seconds that a write waits for the requests under way.
GATE_TIMEOUT_SECONDS = 5.0
WRITES = ("BEGIN", "INSERT", "UPDATE", "DELETE", "REPLACE")


def alias() -> str:
    """Return the alias of the database with this app's tables."""
    return router.db_for_write(PipelineState)


def is_sqlite() -> bool:
    return connections[alias()].vendor == "sqlite"


def needs_gate() -> bool:
    """Return whether writes of this app can make pages of this process fail."""
    options = connections[alias()].settings_dict["OPTIONS"]
    mode = str(options.get("transaction_mode") or "").upper()
    return is_sqlite() and mode not in {"IMMEDIATE", "EXCLUSIVE"}


def write_gate() -> AbstractContextManager[Any]:
    """Return a context manager that has this thread's writes wait while requests are answered."""
    return connections[alias()].execute_wrapper(_execute_gated) if needs_gate() else nullcontext()


def _execute_gated(
    execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]
) -> Any:
    # A transaction that this thread has begun must end soon, so its statements don't wait.
    if context["connection"].in_atomic_block or not sql.startswith(WRITES):
        return execute(sql, params, many, context)
    write = _Write(context["connection"])
    request_tracking.request_tracker.begin_writing(write.is_under_way, GATE_TIMEOUT_SECONDS)
    try:
        return execute(sql, params, many, context)
    finally:
        write.executing = False


class _Write:
    """One statement, or all from its BEGIN to the end of the transaction."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.executing = True

    def is_under_way(self) -> bool:
        """Return whether the write goes on; called by other threads, whose requests wait for it."""
        return self.executing or self._in_transaction()

    def _in_transaction(self) -> bool:
        sqlite = self._connection.connection
        try:
            return bool(sqlite and sqlite.in_transaction)
        except sqlite3.ProgrammingError:  # closed
            return False
