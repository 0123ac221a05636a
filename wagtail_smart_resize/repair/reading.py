"""Reading whole tables in bounded memory, and the records of many images in a few queries."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from wagtail_smart_resize.core import database
from wagtail_smart_resize.core.site_image import SiteImage
from wagtail_smart_resize.models import ImageVersion, Recomposition
from wagtail_smart_resize.publishing import publication
from wagtail_smart_resize.renditions import accessor, published


def chunks(queryset: QuerySet[Any], field: str = "pk", size: int = 200) -> Iterator[list[Any]]:
    """Yield the distinct values of a field in their order, as lists of at most `size`.

    Each list is a query of its own that continues after the last value. No cursor stays open while
    rows are changed or deleted, and no client library reads the whole table at once, as MariaDB's
    does for `iterator()`.
    """
    ordered = queryset.order_by(field).values_list(field, flat=True).distinct()
    values = list(ordered[:size])
    while values:
        yield values
        values = list(ordered.filter(**{f"{field}__gt": values[-1]})[:size])


def keys_of(rows: QuerySet[Any]) -> list[Any]:
    """Return the keys of these rows in their order, for rows that are few."""
    return list(rows.order_by("pk").values_list("pk", flat=True))


@dataclass
class ImageRecords:
    """An image, its version, and its recompositions for its present file."""

    image: SiteImage
    version: ImageVersion | None
    rows: list[Recomposition]

    def show(self) -> Any:
        """Pin what is live to the image, so that its keys are those on pages; return the image."""
        known = self.version if self.image.file_hash else None
        entries = publication.published_entries(known, self.image) if known else ()
        accessor.pin(self.image, published.PublishedState(entries, self.image.file_hash))
        return self.image


def read_images(ids: Iterable[Any]) -> list[ImageRecords]:
    """Return the records of those ids that are images of the site's model, in three queries."""
    ids = list(ids)
    images = database.site_images().in_bulk(ids)
    versions = ImageVersion.objects.in_bulk(ids)
    rows = defaultdict(list)
    current = Recomposition.objects.current().filter(image_id__in=ids)
    for row in current.select_related("live"):
        rows[row.image_id].append(row)
    return [ImageRecords(images[pk], versions.get(pk), rows[pk]) for pk in ids if pk in images]
