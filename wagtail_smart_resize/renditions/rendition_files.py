"""Make and delete renditions so that a killed process leaves no file without a row."""

import secrets
from typing import Any

import willow
from django.db import IntegrityError
from PIL import Image, UnidentifiedImageError
from wagtail.images.models import Filter

from wagtail_smart_resize.core import database, storage_errors
from wagtail_smart_resize.core.site_image import SiteImage


def make_rendition(image: SiteImage, spec: Filter) -> None:
    """Make a rendition before pages ask for it; discard it where another process was faster.

    Wagtail writes the file first, then the row that names it. Here the row comes first, under a key
    that nothing looks up, then the file, and then the key under which pages find it. A killed
    process leaves at most a rendition under the wrong key, which the repair retires.

    Raises StorageError if it can't be stored.
    """
    content = image.generate_rendition_file(spec)
    row = _hidden_row(image, spec, content)
    shown = False
    try:
        length = row.file.field.max_length
        with storage_errors.translate_storage_errors():
            row.file.name = row.file.storage.save(row.file.name, content, max_length=length)
        shown = _show(row, spec.get_cache_key(image))
    finally:
        if not shown:
            delete_rendition(row)


def _hidden_row(image: SiteImage, spec: Filter, content: Any) -> Any:
    """Create the row to exist while its file is written, under a file name of no other row."""
    key = secrets.token_hex(6)
    fields = {"filter_spec": spec.spec, "focal_point_key": key}
    width, height = _size_of(content)
    row = image.get_rendition_model()(image=image, width=width, height=height, **fields)
    field = row.file.field
    stem, _dot, rest = content.name.partition(".")
    name = field.generate_filename(row, f"{stem}.{key}.{rest}")
    with storage_errors.translate_storage_errors():
        name = row.file.storage.get_available_name(name, max_length=field.max_length)
    return image.renditions.create(file=name, width=width, height=height, **fields)


def _size_of(content: Any) -> tuple[int, int]:
    """Return width and height in pixels by the file's header: Wagtail would decode the picture."""
    try:
        size = Image.open(content.file).size
    except UnidentifiedImageError:
        # An SVG, whose size Willow knows.
        size = willow.Image.open(content.file).get_size()
    content.seek(0)
    return size


def _show(row: Any, key: str) -> bool:
    """Let pages find the row. Return False if its key is taken by now, or the image deleted."""
    stored = type(row)._base_manager.filter(pk=row.pk)
    try:
        with database.atomic():
            return bool(stored.update(file=row.file.name, focal_point_key=key))
    except IntegrityError:
        return False


def delete_rendition(rendition: Any) -> None:
    """Delete the file, then the row, of a rendition that no page finds any more.

    In Wagtail's order, a killed process would leave the file. Raises StorageError: the row stays
    then, unless Wagtail raised it, which deletes the file once more after the row.
    """
    with storage_errors.translate_storage_errors():
        rendition.file.storage.delete(rendition.file.name)
        rendition.delete()
