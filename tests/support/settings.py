"""Django settings of the tests. `DATABASE_URL` selects a database other than SQLite."""

import os
import tempfile
from pathlib import Path

import dj_database_url

from .paths import TESTS

WORK_DIR = Path(tempfile.mkdtemp(prefix="smart-resize-tests-"))

SECRET_KEY = "only for tests"
DEBUG = False
USE_TZ = True
TIME_ZONE = "UTC"
ROOT_URLCONF = "testapp.urls"
ALLOWED_HOSTS = ["*"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

DATABASES = {
    "default": dj_database_url.config(default=f"sqlite:///{WORK_DIR / 'db.sqlite3'}"),
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 120,
        # No test needs to survive a power cut.
        "init_command": "PRAGMA synchronous=OFF; PRAGMA journal_mode=WAL;",
    }
    DATABASES["default"]["TEST"] = {"NAME": str(WORK_DIR / "test.sqlite3")}

# The alternative is `yourimages.CustomImage`: it is created in the second migration of an app that
# sorts after ours, so our migrations must find the one that creates it.
IMAGE_MODEL = os.environ.get("IMAGE_MODEL", "wagtailimages.Image")
WAGTAILIMAGES_IMAGE_MODEL = IMAGE_MODEL

INSTALLED_APPS = [
    "wagtail_smart_resize",
    "testapp",
    "yourimages",
    "wagtail.contrib.frontend_cache",
    "wagtail.contrib.settings",
    "wagtail.users",
    "wagtail.snippets",
    "wagtail.documents",
    "wagtail.images",
    "wagtail.search",
    "wagtail.admin",
    "wagtail.sites",
    "wagtail.api.v2",
    "wagtail",
    "modelcluster",
    "rest_framework",
    "taggit",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
]

if DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql":
    # Wagtail's search requires it: a command's checks fail without.
    INSTALLED_APPS.append("django.contrib.postgres")

MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
    {
        "BACKEND": "django.template.backends.jinja2.Jinja2",
        "DIRS": [TESTS / "testapp" / "jinja2"],
        "OPTIONS": {
            "extensions": [
                "wagtail.jinja2tags.core",
                "wagtail.images.jinja2tags.images",
                "wagtail_smart_resize.jinja2tags.smart_resize_tags",
            ],
        },
    },
]

STATIC_URL = "/static/"
MEDIA_ROOT = WORK_DIR / "media"
MEDIA_URL = "/media/"

# A fast hasher: a run creates thousands of users.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

WAGTAIL_SITE_NAME = "Tests"
WAGTAILADMIN_BASE_URL = "https://www.example.org"
WAGTAILSEARCH_BACKENDS = {"default": {"BACKEND": "wagtail.search.backends.database"}}

WAGTAIL_SMART_RESIZE = {
    "API_KEY": "test-key",
    # Most tests' pictures hold nothing to compare. Those of the check turn it on.
    "INTEGRITY": "off",
    "REVIEW": False,
    "RUNNER": "off",
    "PRESETS": {
        "hero": {"size": "1920x600"},
        "portrait": {"size": "400x500", "prompt": "Keep the whole person in the picture."},
    },
}
