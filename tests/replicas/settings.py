"""The tests' settings, with a primary and a replica as in Django's documentation.

The replica is a copy that is made by hand, so a test decides how far it lags.
"""

import os
from pathlib import Path

from support.no_migrations import NoMigrations
from support.settings import *  # noqa: F403

FOLDER = Path(os.environ["REPLICAS_FOLDER"])
DATABASES = {
    name: {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": FOLDER / f"{alias}.sqlite3",
        "OPTIONS": {"timeout": 30},
    }
    for name, alias in (("default", "primary"), ("replica", "replica"))
}
DATABASE_ROUTERS = ["replicas.router.PrimaryReplicaRouter"]
MIGRATION_MODULES = NoMigrations()
