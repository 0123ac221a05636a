"""Queries of ours in the midst of somebody else's request."""

import contextlib
from typing import Any

from django.db import connections, router, transaction

from . import Recomposition


def harmless() -> contextlib.AbstractContextManager[Any]:
    """Queries of ours that fail must not abort the request's transaction, if it has one."""
    alias = router.db_for_read(Recomposition)
    if connections[alias].in_atomic_block:
        return transaction.atomic(using=alias)
    return contextlib.nullcontext()
