"""Finds rows whose image was moved to another collection by code that sends no signal."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from wagtail_smart_resize.models import image_collection

from .reading import keys_of
from .report import Finding, Repair


def find_moved(image_ids: list[Any]) -> Iterator[Finding]:
    """Yield the rows that don't know the present collection of their image."""
    rows = image_collection.outdated()
    if ids := keys_of(rows.filter(image_id__in=image_ids)):
        found = rows.filter(pk__in=ids)
        yield Finding(Repair.MOVED, len(ids), partial(image_collection.follow, found))
