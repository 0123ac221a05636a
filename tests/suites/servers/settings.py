"""The tests' settings for a real server process; environment variables say what differs."""

import os
from pathlib import Path

import dj_database_url
from support.settings import *  # noqa: F403
from support.settings import INSTALLED_APPS, WAGTAIL_SMART_RESIZE

from . import connection_log

WORK_DIR = Path(os.environ["SERVERS_DIR"])
MEDIA_ROOT = WORK_DIR / "media"
ROOT_URLCONF = "suites.servers.urls"

DATABASES = {"default": dj_database_url.parse(os.environ["SERVERS_DATABASE"])}
DATABASES["default"]["ATOMIC_REQUESTS"] = os.environ.get("SERVERS_ATOMIC") == "1"
# Where it is empty, settings are as `wagtail start` leaves them.
mode = os.environ.get("SERVERS_TRANSACTION_MODE", "IMMEDIATE")
if mode and DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {"transaction_mode": mode, "timeout": 20}

WAGTAIL_SMART_RESIZE = {
    **WAGTAIL_SMART_RESIZE,
    "API_KEY": os.environ.get("SERVERS_KEY", "sandbox-key"),
    "BASE_URL": os.environ["SERVERS_GATEWAY"],
    "SOURCE_BASE_URL": os.environ["SERVERS_URL"],
    "RUNNER": os.environ.get("SERVERS_RUNNER", "auto"),
    "POLL_INTERVAL": 0.5,
    "DAILY_LIMIT": int(os.environ.get("SERVERS_DAILY_LIMIT", "10000")),
    "MONTHLY_LIMIT": 10_000,
}

if os.environ.get("SERVERS_TASKS") == "database":
    INSTALLED_APPS = [*INSTALLED_APPS, "django_tasks_db"]
    TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
}

connection_log.install(WORK_DIR / "connections.log")
