"""Settings of a real server or worker process that gets killed."""

from suites.servers.settings import *  # noqa: F403
from suites.servers.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "suites.crashes.apps.Crashes"]
