"""Whether the app's tables are there, as this release and the site's image model need them.

Pages, and Wagtail's own screens, ask before anything of ours is read for them: an app that is
installed and not migrated yet must not take a site down. Nor must one whose tables still refer to a
former image model: what is written for new images would fail when the transaction ends.
"""

import contextlib
import os
import pkgutil
import threading
import time
from importlib import import_module
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import DatabaseError, connections, transaction
from django.db.migrations.recorder import MigrationRecorder

from .database import LABEL, alias
from .logs import get_logger

logger = get_logger(__name__)

REMEDY = "The tables of wagtail_smart_resize are missing, or of an older release: run `migrate`."
OTHER_MODEL = (
    "The tables of wagtail_smart_resize refer to the images in {former}, but those of "
    "WAGTAILIMAGES_IMAGE_MODEL are in {present}: run `smart_resize_image_model`."
)


class Schema:
    """What this process knows of the app's tables."""

    #: Seconds between two looks at the database while tables are missing.
    LOOK_INTERVAL_SECONDS = 10.0
    #: Seconds between two looks whether tables that were there still are.
    DOUBT_INTERVAL_SECONDS = 1.0
    #: Seconds between two lines in the log.
    LOG_INTERVAL_SECONDS = 600.0

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._lock = threading.Lock()
        self._is_current = False
        self._next_look = self._next_line = self._next_doubt = 0.0
        self._problem = REMEDY

    def is_current(self) -> bool:
        """Return whether the tables are as they must be; tell the log now and then if not.

        Once they are, this looks no more: a process makes three queries in its life.
        """
        return self._is_current or self._look()

    def is_still_current(self) -> bool:
        """Return whether the tables are there, though they were before: people may leave the app.

        For what is rare and fails without them, and for what has failed. A look that fails itself
        changes nothing.
        """
        with self._lock:
            now = time.monotonic()
            if self._is_current and now >= self._next_doubt:
                self._next_doubt = now + self.DOUBT_INTERVAL_SECONDS
                with contextlib.suppress(DatabaseError), transaction.atomic(using=alias()):
                    self._ask()
        return self.is_current()

    def _look(self) -> bool:
        with self._lock:
            now = time.monotonic()
            if not self._is_current and now >= self._next_look:
                self._next_look = now + self.LOOK_INTERVAL_SECONDS
                self._ask()
            if not self._is_current and now >= self._next_line:
                self._next_line = now + self.LOG_INTERVAL_SECONDS
                logger.error(self._problem)
        return self._is_current

    def migrated(self, **_kwargs: Any) -> None:
        """Look at once, since this process has migrated, forwards or backwards."""
        self._ask()

    def _ask(self) -> None:
        self._problem = problem_of(alias())
        self._is_current = not self._problem


def problem_of(using: str) -> str:
    """Return what is wrong with the app's tables in a database and the remedy; "" if nothing is."""
    if missing_from(using):
        return REMEDY
    former = former_image_table(using)
    return OTHER_MODEL.format(former=former, present=_image_table()) if former else ""


def remedy_of(using: str) -> str:
    """Return the command that mends what `problem_of` finds."""
    return "migrate" if missing_from(using) else "smart_resize_image_model"


def former_image_table(using: str) -> str:
    """Return the table of another image model than the site's to which ours refer; "" if none.

    `WAGTAILIMAGES_IMAGE_MODEL` was changed after the tables had been made. A database without
    foreign keys gives "".
    """
    connection = connections[using]
    rows = apps.get_model(LABEL, "Recomposition")
    with connection.cursor() as cursor:
        relations = connection.introspection.get_relations(cursor, rows._meta.db_table)
    refers_to = relations.get(rows._meta.get_field("image").column)
    # A database may fold the names of tables.
    if refers_to is None or refers_to[1].casefold() == _image_table().casefold():
        return ""
    return str(refers_to[1])


def _image_table() -> str:
    field: Any = apps.get_model(LABEL, "Recomposition")._meta.get_field("image")
    return str(field.related_model._meta.db_table)


def missing_from(using: str) -> set[str]:
    """Return the names of migrations not applied to a database; tables where it has none."""
    connection = connections[using]
    try:
        module = settings.MIGRATION_MODULES[LABEL]
    except KeyError:
        module = f"{LABEL}.migrations"
    if module is None:
        tables = {model._meta.db_table for model in apps.get_app_config(LABEL).get_models()}
        return tables - set(connection.introspection.table_names())
    files = pkgutil.iter_modules(import_module(module).__path__)
    names = {file.name for file in files if not file.name.startswith("_")}
    recorder = MigrationRecorder(connection)
    if not recorder.has_table():
        return names
    return names.difference(recorder.migration_qs.filter(app=LABEL).values_list("name", flat=True))


schema = Schema()
os.register_at_fork(after_in_child=schema.reset)
