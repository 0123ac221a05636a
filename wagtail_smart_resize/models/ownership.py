"""Which database may have pictures bought, published and deleted, where several share the files.

A copy of a site's database for tests knows the same files. What its runner retires and deletes
there, the site itself would miss.
"""

from django.db import connections

from wagtail_smart_resize.core import database
from wagtail_smart_resize.settings import DICT_NAME, settings

NOT_OWNER = (
    f'{DICT_NAME}["OWNER_DATABASE"] names another database than this one, {{name}}: here nothing '
    "is bought, published or deleted."
)


def database_name() -> str:
    """Return how the setting names the app's database: "db.example.org/site", or SQLite's path."""
    of_site = connections[database.alias()].settings_dict
    host, name = str(of_site.get("HOST") or ""), str(of_site["NAME"])
    return f"{host}/{name}" if host else name


def is_owner() -> bool:
    """Return whether the app may do its work here: unless `OWNER_DATABASE` names another one."""
    return settings.OWNER_DATABASE in ("", database_name())


def problem() -> str:
    """Return why nothing is done here, or ""."""
    return "" if is_owner() else NOT_OWNER.format(name=database_name())
