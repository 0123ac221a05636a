"""The settings of the kill run's site: real servers, with pages that an API tells too."""

from suites.servers.settings import *  # noqa: F403
from suites.servers.settings import INSTALLED_APPS, WAGTAIL_SMART_RESIZE

# Wagtail's search requires it of a site on PostgreSQL: commands fail without.
INSTALLED_APPS = [*INSTALLED_APPS, "django.contrib.postgres"]
ROOT_URLCONF = "suites.crashes.kill_urls"
WAGTAIL_SMART_RESIZE = {**WAGTAIL_SMART_RESIZE, "RESOLUTION": "1K", "RUNNER": "off"}
