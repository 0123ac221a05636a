"""What becomes of the app's rows when an image or a user is deleted.

Django asks all tables that refer to a row, also those of an app that is not migrated yet, and then
nothing could be deleted.
"""

from typing import Any

from django.db.models.deletion import CASCADE, SET_NULL

from wagtail_smart_resize.core.schema import schema


def cascade_if_migrated(collector: Any, field: Any, sub_objs: Any, using: str) -> None:
    """Delete the rows too, as `CASCADE` does."""
    if schema.is_still_current():
        CASCADE(collector, field, sub_objs, using)


def set_null_if_migrated(collector: Any, field: Any, sub_objs: Any, using: str) -> None:
    """Keep the rows without the reference, as `SET_NULL` does."""
    if schema.is_still_current():
        SET_NULL(collector, field, sub_objs, using)


# Django reads the rows before it calls these, but for this attribute, which its own have.
cascade_if_migrated.lazy_sub_objs = True  # type: ignore[attr-defined]
set_null_if_migrated.lazy_sub_objs = True  # type: ignore[attr-defined]
