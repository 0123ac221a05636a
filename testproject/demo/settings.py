"""Settings of the demo site: on loopback, for one person, with DEBUG on. Not for the web.

`demo.py` says in the environment where the site, its data and the sandbox are.
"""

import os
from pathlib import Path

PROJECT_DIR = Path(__file__).resolve().parent
VAR_DIR = Path(os.environ.get("SMART_RESIZE_DEMO_VAR", PROJECT_DIR.parent / "var"))
SITE_URL = os.environ.get("SMART_RESIZE_DEMO_URL", "http://127.0.0.1:8000")
SANDBOX_URL = os.environ.get("SMART_RESIZE_SANDBOX_URL", "http://127.0.0.1:8899/smart-resize/v1")

SECRET_KEY = "the demo site has no secrets"
DEBUG = True
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "[::1]"]
ROOT_URLCONF = "demo.urls"
WSGI_APPLICATION = "demo.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en-gb"
USE_TZ = True
TIME_ZONE = "UTC"

INSTALLED_APPS = [
    "demo",
    "wagtail_smart_resize",
    "wagtail.api.v2",
    "wagtail.embeds",
    "wagtail.sites",
    "wagtail.users",
    "wagtail.snippets",
    "wagtail.documents",
    "wagtail.images",
    "wagtail.search",
    "wagtail.admin",
    "wagtail",
    "modelcluster",
    "rest_framework",
    "taggit",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
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
        "APP_DIRS": True,
        "OPTIONS": {
            "environment": "demo.jinja.environment",
            "extensions": [
                "wagtail.jinja2tags.core",
                "wagtail.images.jinja2tags.images",
                "wagtail_smart_resize.jinja2tags.smart_resize_tags",
            ],
        },
    },
]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": VAR_DIR / "db.sqlite3",
        # A request that reads, encodes a picture and then writes would be refused if another had
        # written in between; so each transaction takes SQLite's write lock at its beginning.
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20},
    }
}

STATIC_URL = "/static/"
MEDIA_URL = "/media/"
MEDIA_ROOT = VAR_DIR / "media"

WAGTAIL_SITE_NAME = "Far Field"
WAGTAILADMIN_BASE_URL = SITE_URL
WAGTAILSEARCH_BACKENDS = {"default": {"BACKEND": "wagtail.search.backends.database"}}

WAGTAIL_SMART_RESIZE = {
    "API_KEY": "sandbox-key",
    "BASE_URL": SANDBOX_URL,
    "SOURCE_BASE_URL": SITE_URL,
    "REVIEW": False,
    # With the extra installed and nothing said here, what does not pass waits for a person.
    "INTEGRITY": os.environ.get("SMART_RESIZE_DEMO_INTEGRITY"),
    "RUNNER": os.environ.get("SMART_RESIZE_DEMO_RUNNER", "auto"),
    "PRESETS": {
        "hero": {"size": "1920x600", "label": "Article hero"},
        "portrait": {
            "size": "320x400",
            "label": "Portrait",
            "prompt": "Keep the main subject whole.",
        },
        # By these words the sandbox spoils its results, so that the check stops them.
        "mirrored": {"size": "1200x630", "label": "Mirrored", "prompt": "sandbox:mirrored"},
        "unfaithful": {"size": "1200x630", "label": "Unfaithful", "prompt": "sandbox:unfaithful"},
        "garbled": {"size": "1200x630", "label": "Garbled", "prompt": "sandbox:garbled"},
        "own_pixels": {
            "size": "1200x630",
            "label": "Own pixels",
            "prompt": "sandbox:garbled",
            "keep_pixels": "subject",
        },
    },
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "loggers": {"wagtail_smart_resize": {"handlers": ["console"], "level": "INFO"}},
}
