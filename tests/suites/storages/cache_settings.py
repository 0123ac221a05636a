"""The servers' settings, with the cache for renditions that an environment variable selects."""

import os

from suites.servers.settings import *  # noqa: F403
from suites.servers.settings import WAGTAIL_SMART_RESIZE

ROOT_URLCONF = "suites.storages.cache_urls"

LOCMEM = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
REDIS = {
    "BACKEND": "django.core.cache.backends.redis.RedisCache",
    "LOCATION": os.environ["STORAGES_REDIS"],
    "KEY_PREFIX": os.environ["STORAGES_PREFIX"],
}
CACHES = {
    "default": LOCMEM,
    "renditions": {
        **(REDIS if os.environ["STORAGES_CACHE"] == "Redis" else LOCMEM),
        "TIMEOUT": None,
    },
}

# What is retired is deleted by the second repair.
WAGTAIL_SMART_RESIZE = {**WAGTAIL_SMART_RESIZE, "RESOLUTION": "1K", "KEEP_RETIRED_DAYS": 0}
