"""The settings of the kill run's site: real servers, with pages that an API tells too."""

from suites.servers.settings import *  # noqa: F403
from suites.servers.settings import WAGTAIL_SMART_RESIZE

ROOT_URLCONF = "suites.crashes.kill_urls"
WAGTAIL_SMART_RESIZE = {**WAGTAIL_SMART_RESIZE, "RESOLUTION": "1K", "RUNNER": "off"}
