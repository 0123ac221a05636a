"""The tests' settings for processes that get killed; environment variables name their site."""

import os
from pathlib import Path

from support.settings import *  # noqa: F403
from support.settings import DATABASES, WAGTAIL_SMART_RESIZE

WORK_DIR = Path(os.environ["CRASHES_DIR"])
SITE = WORK_DIR / "site"
MEDIA_ROOT = SITE / "media"
ROOT_URLCONF = "suites.servers.urls"

DATABASES = {"default": {**DATABASES["default"], "NAME": str(SITE / "db.sqlite3")}}

CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
WAGTAILFRONTENDCACHE = {"default": {"BACKEND": "testapp.frontend_cache.RecordingBackend"}}

WAGTAIL_SMART_RESIZE = {
    **WAGTAIL_SMART_RESIZE,
    "API_KEY": "sandbox-key",
    "BASE_URL": os.environ["CRASHES_GATEWAY"],
    "SOURCE_BASE_URL": os.environ["CRASHES_SOURCE"],
    "RESOLUTION": "1K",
    "OUTPUT_FORMAT": "jpeg",
}
