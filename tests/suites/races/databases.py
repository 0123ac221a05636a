"""Creates a fresh database for each race, on each kind of server that a site may have."""

import contextlib
import os
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from suites.servers.harness import mysql_options

POSTGRESQL = os.environ.get("RACES_POSTGRESQL", "postgres://postgres@127.0.0.1:5432/postgres")
MARIADB = os.environ.get("RACES_MARIADB", "mysql://root@127.0.0.1:3306/")


@contextlib.contextmanager
def sqlite(directory: Path) -> Iterator[str]:
    yield f"sqlite:///{directory}/db.sqlite3"


@contextlib.contextmanager
def postgresql(directory: Path) -> Iterator[str]:
    psycopg = pytest.importorskip("psycopg", reason="PostgreSQL: psycopg is not installed")
    try:
        connection = psycopg.connect(POSTGRESQL, autocommit=True, connect_timeout=5)
    except psycopg.OperationalError as error:
        pytest.skip(f"no PostgreSQL at {POSTGRESQL}, or RACES_POSTGRESQL: {error}")
    with contextlib.closing(connection):
        drop = "DROP DATABASE {} WITH (FORCE)"
        with _temporary_database(connection.execute, "CREATE DATABASE {}", drop) as name:
            # No test needs to survive a power cut.
            connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
            yield re.sub(r"/[^/]*$", f"/{name}", POSTGRESQL)


@contextlib.contextmanager
def mariadb(directory: Path) -> Iterator[str]:
    pymysql = pytest.importorskip("pymysql", reason="MariaDB: PyMySQL is not installed")
    try:
        connection = pymysql.connect(**mysql_options(MARIADB), connect_timeout=5)
    except pymysql.OperationalError as error:
        pytest.skip(f"no MariaDB at {MARIADB}, or RACES_MARIADB: {error}")
    with contextlib.closing(connection):
        create = "CREATE DATABASE {} CHARACTER SET utf8mb4"
        with _temporary_database(connection.cursor().execute, create, "DROP DATABASE {}") as name:
            yield re.sub(r"/[^/]*$", f"/{name}", MARIADB)


@contextlib.contextmanager
def _temporary_database(execute: Callable[[str], Any], create: str, drop: str) -> Iterator[str]:
    name = f"smart_resize_races_{secrets.token_hex(4)}"
    execute(create.format(name))
    try:
        yield name
    finally:
        execute(drop.format(name))


DATABASES = {"SQLite": sqlite, "PostgreSQL": postgresql, "MariaDB": mariadb}
