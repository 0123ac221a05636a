"""The tests' settings for a site that is measured; environment variables select its parts."""

import os
from contextlib import suppress
from pathlib import Path

with suppress(ImportError):
    # Replaces mysqlclient, which needs a C compiler to install.
    import pymysql

    pymysql.install_as_MySQLdb()

from support.no_migrations import NoMigrations
from support.settings import *  # noqa: F403
from support.settings import WAGTAIL_SMART_RESIZE

WORK_DIR = Path(os.environ["BENCH_DIR"])
MEDIA_ROOT = WORK_DIR / "media"
MIGRATION_MODULES = NoMigrations()

_locmem = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "bench"}
CACHES = {"default": _locmem}
if redis := os.environ.get("BENCH_REDIS"):
    CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": redis}
    }

WAGTAIL_SMART_RESIZE = {**WAGTAIL_SMART_RESIZE, "OUTPUT_FORMAT": "jpeg"}
