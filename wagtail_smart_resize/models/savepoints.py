"""Savepoints for the app's queries within requests of other code."""

import contextlib
from typing import Any

from django.db import connections, router, transaction

from . import Recomposition


def savepoint_if_atomic() -> contextlib.AbstractContextManager[Any]:
    """Return a savepoint if a transaction is open, so that a failing query does not abort it.

    Otherwise return a context manager that does nothing.
    """
    alias = router.db_for_read(Recomposition)
    if connections[alias].in_atomic_block:
        return transaction.atomic(using=alias)
    return contextlib.nullcontext()
