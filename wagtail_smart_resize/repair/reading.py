"""Reading whole tables in bounded memory, and what concerns many images in a few queries."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import F, QuerySet
from wagtail.images import get_image_model

from wagtail_smart_resize.models import ImageVersion, Recomposition
from wagtail_smart_resize.publishing import publication
from wagtail_smart_resize.renditions import accessor, published


def chunks(queryset: QuerySet, field: str = "pk", size: int = 200) -> Iterator[list[Any]]:
    """The different values of a field, in their order, so many at a time.

    Each chunk is a query of its own that goes on where the last one ended. No cursor stays open
    while rows are changed or deleted, and no client library reads the whole table at once, as
    MariaDB's does for `iterator()`.
    """
    ordered = queryset.order_by(field).values_list(field, flat=True).distinct()
    values = list(ordered[:size])
    while values:
        yield values
        values = list(ordered.filter(**{f"{field}__gt": values[-1]})[:size])


@dataclass
class Seen:
    """An image, its version, and its recompositions for the present file."""

    image: Any
    version: ImageVersion | None
    rows: list[Recomposition]

    def show(self) -> Any:
        """The image with what is live now pinned to it: its keys are those of a page's images."""
        known = self.version if self.image.file_hash else None
        entries = publication.current(known, self.image) if known else ()
        accessor.pin(self.image, published.Live(entries, self.image.file_hash))
        return self.image


def see(ids: Iterable[Any]) -> list[Seen]:
    """Those of the images that are of the site's model, in three queries."""
    ids = list(ids)
    images = get_image_model()._default_manager.in_bulk(ids)
    versions = ImageVersion.objects.in_bulk(ids)
    rows = defaultdict(list)
    current = Recomposition.objects.filter(image_id__in=ids, source_hash=F("image__file_hash"))
    for row in current.select_related("live"):
        rows[row.image_id].append(row)
    return [Seen(images[pk], versions.get(pk), rows[pk]) for pk in ids if pk in images]
