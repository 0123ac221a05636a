"""The places in which a site shows an image: one for each shape, named by its use.

A place is named by the labels of its presets, else by the types of the pages that have asked for
it, else by its size. Its pages are those that are known to have asked, and those of the same types
that use the image by Wagtail's reference index. Pages that find an image by a query of their own,
such as listings, are known only if they were the first to ask.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.utils.text import capfirst

from wagtail_smart_resize.compat import get_page_model
from wagtail_smart_resize.core.database import primary
from wagtail_smart_resize.models import Recomposition
from wagtail_smart_resize.rules import usage


@dataclass(frozen=True)
class Pages:
    """What is known of the pages that show some images, looked up in a few queries for all."""

    by_image: dict[Any, list[Any]]
    """Live pages by the image's key, by the reference index."""
    by_key: dict[int, Any]
    """Live pages that have asked for a shape themselves."""

    @classmethod
    def for_images(cls, images: Sequence[Any], rows: Iterable[Recomposition]) -> "Pages":
        """Return the pages of the images; `rows` are their recompositions."""
        by_image = usage.pages_by_image(images)
        known = {page.pk: page for pages in by_image.values() for page in pages}
        asked = {key for row in rows for key, _model in row.shown_on} - set(known)
        if asked:
            pages = primary(get_page_model()._default_manager).filter(pk__in=asked, live=True)
            known |= {page.pk: page for page in pages}
        return cls(by_image, known)

    def of(self, image_id: Any, row: Recomposition | None) -> list[Any]:
        """Return the pages known to show the image in the row's shape."""
        if row is None or not row.shown_on:
            return []
        asked = [self.by_key[key] for key, _model in row.shown_on if key in self.by_key]
        models = {model for _key, model in row.shown_on}
        others = [page for page in self.by_image.get(image_id, ()) if _label(page) in models]
        return list(dict.fromkeys([*asked, *others]))


def note_page(page: Any, rows: Iterable[Recomposition]) -> None:
    """Note that the page shows these rows, where that is not known."""
    mine = [page.pk, page._meta.label_lower]
    for row in rows:
        if mine not in row.shown_on:
            row.update_if(where={}, shown_on=row.shown_on_with([mine]))


def page_types(row: Recomposition) -> list[str]:
    """Return the names of the types of pages that have asked for the row, such as "Article"."""
    labels = dict.fromkeys(model for _key, model in row.shown_on)
    return list(filter(None, map(_type_name, labels)))


def _label(page: Any) -> str:
    model = ContentType.objects.get_for_id(page.content_type_id).model_class()
    return model._meta.label_lower if model else ""


def _type_name(label: str) -> str:
    """Return the name of a type of pages; "" for one that the site has no more."""
    try:
        return str(capfirst(apps.get_model(label)._meta.verbose_name))
    except (LookupError, ValueError):
        return ""
