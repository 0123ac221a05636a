"""The tests' settings for the processes of a race; `DATABASE_URL` selects the database."""

import os
from contextlib import suppress
from pathlib import Path

with suppress(ImportError):
    # Replaces mysqlclient, which needs a C compiler to install.
    import pymysql

    pymysql.install_as_MySQLdb()

from support.no_migrations import NoMigrations
from support.settings import *  # noqa: F403
from support.settings import INSTALLED_APPS, WAGTAIL_SMART_RESIZE, WAGTAILSEARCH_BACKENDS

WORK_DIR = Path(os.environ["RACES_DIR"])
MEDIA_ROOT = WORK_DIR / "media"
INSTALLED_APPS = [*INSTALLED_APPS, "suites.races"]


MIGRATION_MODULES = NoMigrations()

WAGTAILFRONTENDCACHE = {"default": {"BACKEND": "testapp.frontend_cache.RecordingBackend"}}

WAGTAILSEARCH_BACKENDS = {"default": {**WAGTAILSEARCH_BACKENDS["default"], "AUTO_UPDATE": False}}

WAGTAIL_SMART_RESIZE = {
    **WAGTAIL_SMART_RESIZE,
    "API_KEY": "sandbox-key",
    "BASE_URL": os.environ["RACES_GATEWAY"],
    "SOURCE_BASE_URL": os.environ["RACES_SOURCE"],
    "RESOLUTION": "1K",
    "OUTPUT_FORMAT": "jpeg",
    "POLL_INTERVAL": 0.4,
    "MAX_IN_FLIGHT": 60,
    # A recipe of its own, whose first four submissions the gateway answers with an error.
    "PRESETS": {"portrait": {"size": "96x120", "prompt": "sandbox:500@submit:4 Whole persons."}},
}
