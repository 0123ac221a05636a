"""The settings of a server process, and then those that the documentation names for a backend."""

import os
from contextlib import suppress
from pathlib import Path

with suppress(ImportError):
    # Replaces mysqlclient, which needs a C compiler to install.
    import pymysql

    pymysql.install_as_MySQLdb()

from suites.servers.settings import *  # noqa: F403
from suites.servers.settings import DATABASES, INSTALLED_APPS, WAGTAIL_SMART_RESIZE

WAGTAIL_SMART_RESIZE = {**WAGTAIL_SMART_RESIZE, "RESOLUTION": "1K"}

if DATABASES["default"]["ENGINE"].endswith("postgresql"):
    # Wagtail's search requires it there.
    INSTALLED_APPS = [*INSTALLED_APPS, "django.contrib.postgres"]

_documented: dict = {}
exec(Path(os.environ["ENGINES_DOCUMENTED"]).read_text(), _documented)
_more = _documented.pop("INSTALLED_APPS", [])
INSTALLED_APPS = [*INSTALLED_APPS, *(app for app in _more if app not in INSTALLED_APPS)]
globals().update({name: value for name, value in _documented.items() if name.isupper()})
