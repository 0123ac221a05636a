"""The system checks: each with what calls for it, and the twin that is left in peace.

No test here is marked for the database: a check that asked it would fail them.
"""

import os
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.conf import settings as django_settings
from django.core.checks import Error, Warning, run_checks
from django.core.management import call_command
from django.db import connections
from django.test import override_settings
from django.urls import path
from support.paths import PAGES, TESTS
from support.waiting import TIMEOUT_SECONDS

from wagtail_smart_resize import checks, compat

urlpatterns = [path("admin/", lambda request: None)]
"""A site's URLs that leave ours out."""

SITE = {"API_KEY": "test-key", "REVIEW": False, "RUNNER": "off"}


def tasks(backend):
    """TASKS with a backend of that name, from whichever implementation this version has."""
    package = compat.DummyBackend.__module__.rpartition(".")[0]
    return {"default": {"BACKEND": f"{package}.{backend}"}}


DUMMY = tasks("dummy.DummyBackend")
IMMEDIATE = tasks("immediate.ImmediateBackend")


class DeferringBackend(compat.DummyBackend.__mro__[1]):
    """A backend that can run tasks later, as those of production do."""

    supports_defer = True

    def enqueue(self, task, args, kwargs):
        raise AssertionError("a check enqueues nothing")


DEFERRING = {"default": {"BACKEND": f"{__name__}.DeferringBackend"}}


def found(django=None, **values):
    """The messages of a site with these keys beside the usual ones, and these Django settings."""
    with override_settings(WAGTAIL_SMART_RESIZE={**SITE, **values}, **(django or {})):
        return checks.check_site(None)


def ids(messages):
    return [message.id.removeprefix("wagtail_smart_resize.") for message in messages]


def test_site_with_nothing_wrong_is_left_in_peace():
    assert found() == []


def test_checks_are_run_by_django():
    with override_settings(WAGTAIL_SMART_RESIZE={**SITE, "RUNNER": "cron"}):
        assert "E001" in ids(run_checks(tags=["smart_resize"]))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"DAILY_LIMIT": None}, "a number that is never reached"),
        ({"MONTHLY_LIMIT": None}, "a number that is never reached"),
        ({"CANDIDATE_STORAGE": "private"}, 'STORAGES has no "private". Write one of "default"'),
    ],
)
def test_a_value_that_can_t_be_used_says_what_to_write(values, words):
    (message,) = found(**values)
    assert words in message.msg


def test_check_command_prints_message_and_hint():
    output = StringIO()
    with override_settings(WAGTAIL_SMART_RESIZE={"RUNNER": "off"}):
        call_command("check", "--tag", "smart_resize", stdout=output, stderr=output)

    assert "(wagtail_smart_resize.W001)" in output.getvalue()
    assert "HINT: Set WAGTAIL_SMART_RESIZE" in output.getvalue()


def test_checks_ask_the_database_nothing():
    with pytest.raises(RuntimeError, match="Database access not allowed"):
        connections["default"].ensure_connection()

    assert ids(found(API_KEY="", RUNNER="auto", django={"TASKS": DUMMY})) == ["W001", "W005"]


@pytest.mark.parametrize(
    ("values", "django", "expected"),
    [
        ({"API_KEY": ""}, {}, ["W001"]),
        ({"API_KEY": None}, {}, ["W001"]),
        ({"BASE_URL": "http://gateway.example/v1"}, {}, ["E002"]),
        ({"BASE_URL": "http://192.168.0.5/v1"}, {}, ["E002"]),
        ({"BASE_URL": "http://127.0.0.1:8899/smart-resize/v1"}, {}, []),
        ({"BASE_URL": "http://localhost:8899/smart-resize/v1"}, {}, []),
        ({"BASE_URL": "http://[::1]:8899/smart-resize/v1"}, {}, []),
        ({"BASE_URL": "https://gateway.pixazo.ai/smart-resize"}, {}, ["W013"]),
        ({"BASE_URL": "https://gateway.pixazo.ai"}, {}, ["W013"]),
        ({"BASE_URL": "https://gateway.pixazo.ai/smart-resize/v1/"}, {}, []),
        (
            {"BASE_URL": "https://gateway.pixazo.ai/smart-resize/v1/smart-resize-request"},
            {},
            ["W013"],
        ),
        ({"BASE_URL": "https://mine.example/v1/smart-resize-request-result"}, {}, ["W013"]),
        ({"BASE_URL": "https://mine.example/anything"}, {}, []),
        ({"BASE_URL": "gateway.pixazo.ai/smart-resize/v1"}, {}, ["E001"]),
        ({"CANDIDATES": 3}, {}, ["W014"]),
        ({"CANDIDATES": 3, "REVIEW": True}, {}, []),
        ({"CANDIDATES": 3, "AUTO_GENERATE": False}, {}, []),
        ({"DAILY_LIMIT": 50, "MONTHLY_LIMIT": 49}, {}, ["W015"]),
        ({"DAILY_LIMIT": 50, "MONTHLY_LIMIT": 50}, {}, []),
        ({}, {"WAGTAILADMIN_BASE_URL": "http://example.com"}, ["W003"]),
        (
            {"BASE_URL": "http://127.0.0.1:8899/smart-resize/v1"},
            {"WAGTAILADMIN_BASE_URL": "http://example.com"},
            [],
        ),
        ({"SOURCE_BASE_URL": "https://a.test.org"}, {"WAGTAILADMIN_BASE_URL": None}, []),
        ({"CANDIDATE_STORAGE": "private"}, {}, ["E001"]),
        ({"DAILY_LIMIT": None}, {}, ["E001"]),
        ({}, {"ROOT_URLCONF": __name__}, ["W002"]),
        ({}, {"ROOT_URLCONF": "testapp.urls"}, []),
        ({}, {"WAGTAILADMIN_BASE_URL": None}, ["E003"]),
        ({}, {"WAGTAILADMIN_BASE_URL": "www.example.org"}, ["E003"]),
        ({"API_KEY": ""}, {"WAGTAILADMIN_BASE_URL": None}, ["W001"]),
        ({"SOURCE_BASE_URL": "https://example.org"}, {"WAGTAILADMIN_BASE_URL": None}, []),
        ({}, {"WAGTAILADMIN_BASE_URL": "http://localhost:8000"}, ["W003"]),
        ({}, {"WAGTAILADMIN_BASE_URL": "http://127.0.0.1:8000"}, ["W003"]),
        ({}, {"WAGTAILADMIN_BASE_URL": "http://10.1.2.3"}, ["W003"]),
        ({}, {"WAGTAILADMIN_BASE_URL": "http://[::1]:8000"}, ["W003"]),
        ({}, {"WAGTAILADMIN_BASE_URL": "http://site.localhost"}, ["W003"]),
        ({}, {"WAGTAILADMIN_BASE_URL": "https://93.184.216.34"}, []),
        ({"SOURCE_BASE_URL": "http://site.local"}, {}, ["W003"]),
        (
            {"BASE_URL": "http://localhost:8899/smart-resize/v1"},
            {"WAGTAILADMIN_BASE_URL": "http://localhost:8000"},
            [],
        ),
        ({"PRESETS": {"banner": {"size": "1600x200"}}}, {}, ["W007"]),
        ({"PRESETS": {"banner": {"size": "1600x200"}}, "MIN_KEPT": 0.2}, {}, []),
        ({"PRESETS": {"wide": {"size": "2100x900"}}}, {}, []),
    ],
)
def test_site_is_told_what_is_wrong_with_its_settings(values, django, expected):
    assert ids(found(django, **values)) == expected


@pytest.mark.parametrize(
    ("runner", "backends", "expected"),
    [
        ("auto", DUMMY, ["W005"]),
        ("tasks", DUMMY, ["W005"]),
        ("thread", DUMMY, []),
        ("off", DUMMY, []),
        ("tasks", IMMEDIATE, ["W006"]),
        ("auto", IMMEDIATE, []),  # the thread does the work
        ("tasks", DEFERRING, []),
        ("auto", DEFERRING, []),
        ("auto", {"default": {"BACKEND": "nowhere.Backend"}}, ["E004"]),
        ("auto", {"other": IMMEDIATE["default"]}, ["E004"]),
        ("tasks", {**IMMEDIATE, "smart_resize": DEFERRING["default"]}, []),
        ("tasks", {**DEFERRING, "smart_resize": DUMMY["default"]}, ["W005"]),
    ],
)
def test_site_is_told_of_a_tasks_backend_that_can_not_run_the_pipeline(runner, backends, expected):
    assert ids(found({"TASKS": backends}, RUNNER=runner)) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"API_KEY": "test-key"}, ["W004"]),
        ({"API_KEY": "test-key", "REVIEW": True}, []),
        ({"API_KEY": "test-key", "REVIEW": False}, []),
        ({"API_KEY": ""}, ["W001"]),
    ],
)
def test_site_with_a_key_is_asked_to_decide_about_review(values, expected):
    with override_settings(WAGTAIL_SMART_RESIZE={"RUNNER": "off", **values}):
        assert ids(checks.check_site(None)) == expected


def test_site_without_the_dict_is_told_that_nothing_is_bought():
    with override_settings(WAGTAIL_SMART_RESIZE=None, TASKS=IMMEDIATE):
        del django_settings.WAGTAIL_SMART_RESIZE
        assert ids(checks.check_site(None)) == ["W001"]


OPENCV_4 = SimpleNamespace(CascadeClassifier=object)
OPENCV_5 = SimpleNamespace()


@pytest.mark.parametrize(
    ("opencv", "is_on", "expected"),
    [
        (OPENCV_5, True, ["W016"]),
        (OPENCV_5, False, []),
        (OPENCV_5, None, []),
        (OPENCV_4, True, []),
        (None, True, []),  # as if it were not installed
    ],
)
def test_site_is_told_where_wagtails_feature_detection_fails(monkeypatch, opencv, is_on, expected):
    monkeypatch.setitem(sys.modules, "cv2", opencv)
    django = {} if is_on is None else {"WAGTAILIMAGES_FEATURE_DETECTION_ENABLED": is_on}

    assert ids(found(django)) == expected


def test_each_setting_that_can_not_be_used_is_an_error_of_its_own():
    messages = found(RUNNER="cron", PRESETS={"hero": {"size": "wide"}}, APIKEY="x")

    assert ids(messages) == ["E001"] * 3
    assert 'no key "APIKEY". Did you mean "API_KEY"?' in messages[0].msg
    assert 'WAGTAIL_SMART_RESIZE["PRESETS"]["hero"]["size"]: "wide" is not' in messages[1].msg
    assert 'WAGTAIL_SMART_RESIZE["RUNNER"]: write one of' in messages[2].msg


def test_missing_include_is_named_as_the_line_to_add():
    (message,) = found({"ROOT_URLCONF": __name__})

    assert 'path("smart-resize/", include("wagtail_smart_resize.urls"))' in message.hint
    assert __name__ in message.hint


def test_preset_of_a_hopeless_shape_is_named_with_what_it_keeps():
    (message,) = found(PRESETS={"hero": {"size": "1920x900"}, "banner": {"size": "1600x200"}})

    assert 'The preset "banner" (1600x200) is never recomposed' in message.msg
    assert "keeps 29%" in message.hint


@pytest.mark.parametrize(
    ("vendor", "options", "expected"),
    [
        ("sqlite", {}, []),
        ("sqlite", {"transaction_mode": None}, ["W008"]),
        ("sqlite", {"transaction_mode": "DEFERRED"}, ["W008"]),
        ("sqlite", {"transaction_mode": "immediate"}, []),
        ("sqlite", {"transaction_mode": "EXCLUSIVE"}, []),
        ("postgresql", {}, []),
    ],
)
def test_sqlite_with_deferred_transactions_is_told_of(monkeypatch, vendor, options, expected):
    connection = connections["default"]
    monkeypatch.setattr(connection, "vendor", vendor)
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", options)

    assert ids(found()) == expected


@pytest.mark.parametrize(
    ("vendor", "options", "atomic", "expected"),
    [
        ("postgresql", {"isolation_level": 3}, True, ["W012"]),  # psycopg's REPEATABLE READ
        ("postgresql", {"isolation_level": 4}, True, ["W012"]),
        ("postgresql", {"isolation_level": 2}, True, []),
        ("postgresql", {"isolation_level": 3}, False, []),
        ("postgresql", {}, True, []),
        (
            "postgresql",
            {"options": "-c default_transaction_isolation=serializable"},
            True,
            ["W012"],
        ),
        (
            "postgresql",
            {"options": r"-c default_transaction_isolation=repeatable\ read"},
            True,
            ["W012"],
        ),
        ("mysql", {"isolation_level": "repeatable read"}, True, ["W012"]),
        ("mysql", {"isolation_level": "REPEATABLE-READ"}, True, ["W012"]),
        ("mysql", {"isolation_level": "read committed"}, True, []),
        ("mysql", {"isolation_level": None}, True, []),
        ("sqlite", {}, True, []),
    ],
)
def test_isolation_that_ends_requests_is_told_of(monkeypatch, vendor, options, atomic, expected):
    pytest.importorskip("psycopg")
    connection = connections["default"]
    monkeypatch.setattr(connection, "vendor", vendor)
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", options)
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", atomic)

    assert ids(found()) == expected


def test_a_site_has_them_without_importing_them():
    """This process has: another one tells what an installed app brings."""
    code = "import django; django.setup(); from django.core import checks; "
    code += "print(checks.registry.registry.tag_exists('smart_resize'))"
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        stdout=subprocess.PIPE,
        check=True,
        timeout=TIMEOUT_SECONDS,
    )
    assert ended.stdout.strip() == b"True"


def test_every_message_says_what_to_do():
    wrong = {"WAGTAILADMIN_BASE_URL": None, "ROOT_URLCONF": __name__, "TASKS": DUMMY}
    messages = found(wrong, RUNNER="auto", BASE_URL="http://gateway.example")

    assert ids(messages) == ["E002", "W002", "E003", "W005"]
    assert all(message.hint and message.hint.endswith(".") for message in messages)
    assert all(isinstance(message, Error | Warning) for message in messages)


def test_docs_list_every_check():
    source = Path(checks.__file__).read_text()
    docs = PAGES["codes"].read_text()

    assert set(re.findall(r'id="(wagtail_smart_resize\.[EW]\d+)"', source)) == set(
        re.findall(r"^\| `(wagtail_smart_resize\.[EW]\d+)` \| \S", docs, flags=re.MULTILINE)
    )
