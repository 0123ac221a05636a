"""The settings of Wagtail's own tests, with this app installed."""

from wagtail.test.settings import *  # noqa: F403
from wagtail.test.settings import INSTALLED_APPS

INSTALLED_APPS = ["wagtail_smart_resize", *INSTALLED_APPS]
WAGTAIL_SMART_RESIZE = {"API_KEY": "key", "REVIEW": False}
SILENCED_SYSTEM_CHECKS = ["wagtail_smart_resize.W002", "wagtail_smart_resize.W003"]
