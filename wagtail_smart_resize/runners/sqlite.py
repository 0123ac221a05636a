"""On SQLite: writing while no page is being answered.

Without IMMEDIATE transactions, SQLite refuses a page at once that has read in a transaction and
then wants to write, if anybody has written, or is writing, in between. No time-out helps.
"""

import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from django.db import connections, router

from wagtail_smart_resize.models import PipelineState
from wagtail_smart_resize.renditions import request_tracking

#: The longest that a write waits for the requests under way, seconds.
PATIENCE = 5.0
WRITES = ("BEGIN", "INSERT", "UPDATE", "DELETE", "REPLACE")


def alias() -> str:
    """The database of our tables."""
    return router.db_for_write(PipelineState)


def is_sqlite() -> bool:
    return connections[alias()].vendor == "sqlite"


def is_due() -> bool:
    """Whether our writes can make pages of this process fail."""
    options = connections[alias()].settings_dict["OPTIONS"]
    mode = str(options.get("transaction_mode") or "").upper()
    return is_sqlite() and mode not in {"IMMEDIATE", "EXCLUSIVE"}


def polite() -> AbstractContextManager[Any]:
    """Let this thread's writes wait until this process answers no request."""
    return connections[alias()].execute_wrapper(_write_politely) if is_due() else nullcontext()


def _write_politely(
    execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]
) -> Any:
    # A transaction of ours that has begun must end soon: it waits for nobody.
    if context["connection"].in_atomic_block or not sql.startswith(WRITES):
        return execute(sql, params, many, context)
    write = _Write(context["connection"])
    request_tracking.requests.begin_writing(write.is_under_way, PATIENCE)
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
        """Asked by other threads: their requests wait to begin."""
        return self.executing or self._in_transaction()

    def _in_transaction(self) -> bool:
        sqlite = self._connection.connection
        try:
            return bool(sqlite and sqlite.in_transaction)
        except sqlite3.ProgrammingError:  # closed
            return False
