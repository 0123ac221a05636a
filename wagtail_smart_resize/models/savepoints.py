"""Savepoints for the app's queries within requests of other code."""

import contextlib
from typing import Any

from django.db import connections

from wagtail_smart_resize.core import database


def savepoint_if_atomic() -> contextlib.AbstractContextManager[Any]:
    """Return a savepoint if a transaction is open, so that a failing query does not abort it.

    Otherwise return a context manager that does nothing.
    """
    if connections[database.alias()].in_atomic_block:
        return database.atomic()
    return contextlib.nullcontext()
