"""SQLite: transactions that take the write lock when they begin.

SQLite's transactions are deferred by default: one that reads and then writes fails at once with
"database is locked", whatever the timeout, if another connection has written in between (Django
ticket 29280, Wagtail issue 14361). A page that reads and then stores a rendition would fail like
that when a runner writes meanwhile, and so would a page's save in the admin. A transaction that is
immediate waits for the lock instead.
"""

from django.db import connections, router

from .pipeline_state import PipelineState

#: Seconds that a connection waits for the lock. A request that is one transaction holds the lock
#: for as long as it encodes pictures, and several may wait in a row; Django's default is 5.
TIMEOUT_SECONDS = 60


def use_immediate_transactions() -> None:
    """Set the mode of transactions and the timeout, where the database is SQLite.

    What the site's settings say of either stays. Called by `AppConfig.ready`: connections read
    these options when they are opened.
    """
    connection = connections[router.db_for_write(PipelineState)]
    if connection.vendor == "sqlite":
        # The dict of the settings, which the connections of all threads share.
        options = connection.settings_dict["OPTIONS"]
        options.setdefault("transaction_mode", "IMMEDIATE")
        options.setdefault("timeout", TIMEOUT_SECONDS)
