"""The tests' settings, with this app's image model and an empty database in memory."""

from support.no_migrations import NoMigrations
from support.settings import *  # noqa: F403
from support.settings import INSTALLED_APPS, WAGTAIL_SMART_RESIZE

INSTALLED_APPS = [*INSTALLED_APPS, "uuidimages"]
WAGTAILIMAGES_IMAGE_MODEL = IMAGE_MODEL = "uuidimages.UUIDImage"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
MIGRATION_MODULES = NoMigrations()
WAGTAIL_SMART_RESIZE = {**WAGTAIL_SMART_RESIZE, "REVIEW": True, "API_KEY": "key"}
