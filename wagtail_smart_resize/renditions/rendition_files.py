"""Making and deleting renditions so that no process that is killed leaves a file of nobody."""

import secrets
from typing import Any

from django.db import IntegrityError, transaction
from wagtail.images.models import Filter

from wagtail_smart_resize.core import storage_errors


def make(image: Any, spec: Filter) -> None:
    """Make a rendition before pages ask for it; nothing comes of it where somebody was faster.

    Wagtail writes the file first, then the row that names it. Here the row comes first, under a
    key that nobody looks for, then the file, and then the key under which pages find it. What is
    left of a process that is killed is a rendition off its key, which the repair retires.
    Raises StorageTrouble if it can't be stored.
    """
    content = image.generate_rendition_file(spec)
    row = _hidden_row(image, spec, content)
    shown = False
    try:
        length = row.file.field.max_length
        with storage_errors.calls():
            row.file.name = row.file.storage.save(row.file.name, content, max_length=length)
        shown = _show(row, spec.get_cache_key(image))
    finally:
        if not shown:
            delete(row)


def _hidden_row(image: Any, spec: Filter, content: Any) -> Any:
    """The row as it is while its file is being written; no other row has a file of that name."""
    key = secrets.token_hex(6)
    fields = {"filter_spec": spec.spec, "focal_point_key": key}
    measured = image.get_rendition_model()(image=image, file=content, **fields)
    field = measured.file.field
    stem, _dot, rest = content.name.partition(".")
    name = field.generate_filename(measured, f"{stem}.{key}.{rest}")
    with storage_errors.calls():
        name = measured.file.storage.get_available_name(name, max_length=field.max_length)
    return image.renditions.create(
        file=name, width=measured.width, height=measured.height, **fields
    )


def _show(row: Any, key: str) -> bool:
    """Let pages find it; False where another has that key by now, or the image was deleted."""
    stored = type(row)._base_manager.filter(pk=row.pk)
    try:
        with transaction.atomic():
            return bool(stored.update(file=row.file.name, focal_point_key=key))
    except IntegrityError:
        return False


def delete(rendition: Any) -> None:
    """Delete the file, then the row, of what no page finds any more.

    In Wagtail's order a process that is killed leaves the file. Raises StorageTrouble: then the
    row stays, unless it was Wagtail, which deletes the file once more after the row.
    """
    with storage_errors.calls():
        rendition.file.storage.delete(rendition.file.name)
        rendition.delete()
