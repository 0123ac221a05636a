"""SQLite without any options: transactions wait for one another, and none is refused."""

import threading

import pytest
from django.db import transaction
from django.db.utils import ConnectionHandler
from support.waiting import TIMEOUT_SECONDS, join

from wagtail_smart_resize.models import sqlite

pytestmark = pytest.mark.any_version


@pytest.fixture
def database(tmp_path, monkeypatch, django_db_blocker):
    """Make a database of its own, with the options that a site's settings name."""

    def make(**options):
        settings = {"ENGINE": "django.db.backends.sqlite3", "NAME": tmp_path / "site.sqlite3"}
        handler = ConnectionHandler({"default": {**settings, "OPTIONS": options}})
        monkeypatch.setattr(sqlite, "connections", handler)
        monkeypatch.setattr("django.db.transaction.connections", handler, raising=False)
        monkeypatch.setattr(transaction, "get_connection", lambda using=None: handler["default"])
        sqlite.use_immediate_transactions()
        return handler

    with django_db_blocker.unblock():
        yield make


def test_transactions_are_immediate_and_patient_where_the_site_says_nothing(database):
    assert database().settings["default"]["OPTIONS"] == {
        "transaction_mode": "IMMEDIATE",
        "timeout": sqlite.TIMEOUT_SECONDS,
    }


def test_what_the_site_says_stays(database):
    chosen = {"transaction_mode": "DEFERRED", "timeout": 7}
    assert database(**chosen).settings["default"]["OPTIONS"] == chosen


def test_another_database_is_left_alone(monkeypatch):
    settings = {"ENGINE": "django.db.backends.dummy", "NAME": "", "OPTIONS": {}}
    handler = ConnectionHandler({"default": settings})
    monkeypatch.setattr(sqlite, "connections", handler)
    sqlite.use_immediate_transactions()
    assert handler.settings["default"]["OPTIONS"] == {}


def test_a_page_that_reads_and_then_writes_is_not_refused_when_a_runner_writes(database):
    """A deferred transaction would be: at once, and whatever the timeout."""
    handler = database()
    with handler["default"].cursor() as cursor:
        cursor.execute("CREATE TABLE sheep (name)")
    has_read, errors = threading.Event(), []

    def execute(sql):
        with handler["default"].cursor() as cursor:
            cursor.execute(sql)

    def run():
        try:
            has_read.wait(TIMEOUT_SECONDS)
            execute("INSERT INTO sheep VALUES ('of the runner')")
        except Exception as error:
            errors.append(error)
        finally:
            handler["default"].close()

    runner = threading.Thread(target=run)
    runner.start()
    with transaction.atomic():
        execute("SELECT name FROM sheep")
        has_read.set()
        # It writes if it can; here it waits for the end of the transaction.
        runner.join(0.5)
        execute("INSERT INTO sheep VALUES ('of the page')")
    join(runner)
    with handler["default"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM sheep")
        assert cursor.fetchone() == (2,)
    assert errors == []
    handler.close_all()
