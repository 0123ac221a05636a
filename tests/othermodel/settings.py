"""The tests' settings, with files that outlive the process."""

import os
from pathlib import Path

from support.no_migrations import NoMigrations
from support.settings import *  # noqa: F403

ROOT_URLCONF = "suites.servers.urls"
MEDIA_ROOT = Path(os.environ["OTHERMODEL_FOLDER"]) / "media"

# On PostgreSQL the tables are those of the migrations.
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):  # noqa: F405
    MIGRATION_MODULES = NoMigrations()
