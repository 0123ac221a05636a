"""Creates a PostgreSQL database for the soak, and reads the server's figures about it."""

import contextlib
import os
import re
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

POSTGRESQL = os.environ.get("SOAK_POSTGRESQL", "postgres://postgres@127.0.0.1:5432/postgres")


@contextlib.contextmanager
def temporary_database() -> Iterator[str]:
    """Yield the URL of a fresh database and drop it afterwards; skip where there is no server."""
    psycopg = pytest.importorskip("psycopg", reason="PostgreSQL: psycopg is not installed")
    try:
        connection = psycopg.connect(POSTGRESQL, autocommit=True, connect_timeout=5)
    except psycopg.OperationalError as error:
        pytest.skip(f"no PostgreSQL at {POSTGRESQL}, or SOAK_POSTGRESQL: {error}")
    name = f"smart_resize_soak_{secrets.token_hex(4)}"
    with contextlib.closing(connection):
        connection.execute(f"CREATE DATABASE {name}")
        try:
            yield re.sub(r"/[^/]*$", f"/{name}", POSTGRESQL)
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


#: The number of other sessions; of those idle in a transaction; and the oldest of these, in
#: seconds.
ACTIVITY = """
    SELECT count(*),
        count(*) FILTER (WHERE state LIKE 'idle in transaction%'),
        coalesce(extract(epoch FROM max(clock_timestamp() - state_change)
            FILTER (WHERE state LIKE 'idle in transaction%')), 0)::float
    FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
        AND backend_type = 'client backend'
"""

#: The app's unfinished work. An image is due until its last decision can't be undone any more.
UNDONE = """
    SELECT
        (SELECT count(*) FROM wagtail_smart_resize_gatewayrequest
            WHERE status NOT IN ('done', 'failed', 'unknown')),
        (SELECT count(*) FROM wagtail_smart_resize_recomposition
            WHERE purchase = 'wanted' AND waiting_reason IN ('', 'circuit_open')),
        (SELECT count(*) FROM wagtail_smart_resize_imageversion
            WHERE publish_due_at IS NOT NULL OR purge_due_at IS NOT NULL)
"""

#: The counter's own value is a time: how often it was changed, PostgreSQL knows.
FLIPS = """
    SELECT n_tup_upd FROM pg_stat_user_tables
    WHERE relname = 'wagtail_smart_resize_publicationcounter'
"""


class Server:
    """Queries the database from outside the site, on a connection of its own."""

    def __init__(self, url: str) -> None:
        import psycopg

        self._connection = psycopg.connect(url, autocommit=True)

    def close(self) -> None:
        self._connection.close()

    def row(self, statement: str) -> tuple[Any, ...]:
        row = self._connection.execute(statement).fetchone()
        assert row is not None
        return row

    def flips(self) -> int:
        return int(self.row(FLIPS)[0])

    def undone(self) -> int:
        return sum(self.row(UNDONE))
