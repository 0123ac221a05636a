"""The tests' settings for a site under load; environment variables say where it is."""

import os
from pathlib import Path

from support.no_migrations import NoMigrations
from support.settings import *  # noqa: F403
from support.settings import DATABASES, INSTALLED_APPS, MIDDLEWARE, WAGTAIL_SMART_RESIZE

from .load_profile import PACE, POLL_SECONDS

WORK_DIR = Path(os.environ["SOAK_DIR"])
MEDIA_ROOT = WORK_DIR / "media"
ROOT_URLCONF = "suites.soak.urls"
INSTALLED_APPS = [*INSTALLED_APPS, "suites.soak.apps.SoakConfig"]
MIDDLEWARE = ["suites.soak.timing.ServerTiming", *MIDDLEWARE]


MIGRATION_MODULES = NoMigrations()

# Connections stay open, so that a leaked one shows.
DATABASES = {
    "default": {**DATABASES["default"], "CONN_MAX_AGE": 3600, "CONN_HEALTH_CHECKS": True},
}

WAGTAILFRONTENDCACHE = {"default": {"BACKEND": "suites.soak.frontend_cache.NullBackend"}}

WAGTAIL_SMART_RESIZE = {
    **WAGTAIL_SMART_RESIZE,
    "API_KEY": "sandbox-key",
    "BASE_URL": os.environ["SOAK_GATEWAY"],
    "SOURCE_BASE_URL": os.environ["SOAK_URL"],
    "RUNNER": "thread",
    "REVIEW": True,
    # So that editors have something to choose from.
    "CANDIDATES": 2,
    "RESOLUTION": "1K",
    "OUTPUT_FORMAT": "jpeg",
    "POLL_INTERVAL": POLL_SECONDS / PACE,
    "DAILY_LIMIT": 100_000,
    "MONTHLY_LIMIT": 100_000,
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
}
