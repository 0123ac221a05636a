"""The settings of a real server or worker process that gets killed."""

from servers.settings import *  # noqa: F403
from servers.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "crashes.apps.Crashes"]
