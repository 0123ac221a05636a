"""Where an image is used and who may see it, from Wagtail's reference index and collections."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import or_
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.db.models import Q, QuerySet
from wagtail.models import (
    Collection,
    CollectionViewRestriction,
    DraftStateMixin,
    ReferenceIndex,
)

from wagtail_smart_resize.compat import get_page_model
from wagtail_smart_resize.core.database import primary
from wagtail_smart_resize.core.site_image import SiteImage

from .verdict import Usage

MAX_DEPTH = 3
"""Maximum number of references followed: an image in a snippet in a snippet in a page."""

Key = tuple[int, str]
"""An object in the reference index: the content type id of its base model, and its key as text."""


def pages_using(*images: SiteImage) -> QuerySet[Any]:
    """Return the live pages that show any of the images, directly or through snippets.

    Pages that find it by a query of their own, such as listings, are not in the index.
    """
    return _live_pages({pk for uses in _trace(images).values() for pk in uses.pages})


def pages_by_image(images: Sequence[SiteImage]) -> dict[Any, list[Any]]:
    """Return the live pages that show each of the images, by its key, the newest first.

    In as many queries as for one image. The pages are of Wagtail's base class.
    """
    traced = _trace(images)
    keys = {pk for uses in traced.values() for pk in uses.pages}
    pages = list(_live_pages(keys).order_by("-last_published_at", "-pk")) if keys else []
    return {
        key: [page for page in pages if str(page.pk) in uses.pages] for key, uses in traced.items()
    }


def usage_of(image: SiteImage) -> Usage:
    """Return what is known of the pages that show the image."""
    return usages_of([image])[image.pk]


def usages_of(images: Sequence[SiteImage]) -> dict[Any, Usage]:
    """Return the usage of many images by their keys, in as many queries as for one."""
    traced = _trace(images)
    pages = {pk for uses in traced.values() for pk in uses.pages}
    live = {str(pk) for pk in _live_pages(pages).values_list("pk", flat=True)}
    return {key: uses.as_usage(live) for key, uses in traced.items()}


def is_private(image: SiteImage) -> bool:
    """Return whether the image's collection, or one above it, has view restrictions."""
    return bool(primary(image.collection.get_view_restrictions()).exists())


def private_collection_ids() -> set[int]:
    """Return the ids of the collections whose images are private, in two queries."""
    restrictions = primary(CollectionViewRestriction.objects)
    paths = restrictions.values_list("collection__path", flat=True)
    below = [Q(path__startswith=path) for path in set(paths)]
    if not below:
        return set()
    private = primary(Collection.objects).filter(reduce(or_, below))
    return set(private.values_list("pk", flat=True))


@dataclass
class _Uses:
    """What a breadth-first search along the references to one image has found."""

    level: set[Key]
    """Objects from which the search continues."""
    seen: set[Key] = field(default_factory=set)
    pages: set[str] = field(default_factory=set)
    """Keys of pages, live or not."""
    elsewhere: bool = False
    """Whether something without a page shows the image: a setting, a snippet found by a query."""
    withdrawn: bool = False
    """Whether an unpublished snippet shows the image."""

    def __post_init__(self) -> None:
        self.start = set(self.level)

    def follow(self, sources: dict[Key, set[Key]], page_type: int) -> set[Key]:
        """Follow one level. Return the objects that aren't pages; the caller removes drafts."""
        self.elsewhere |= any(key not in sources for key in self.level - self.start)
        self.seen |= self.level
        found = {key for at in self.level for key in sources.get(at, ())} - self.seen
        self.seen |= found
        self.pages |= {pk for type_id, pk in found if type_id == page_type}
        return {key for key in found if key[0] != page_type}

    def as_usage(self, live: set[str]) -> Usage:
        """Return the usage, given the keys of the pages that are live."""
        if self.pages & live:
            return Usage.PUBLISHED
        if self.elsewhere:
            return Usage.UNKNOWN
        return Usage.UNPUBLISHED if self.pages or self.withdrawn else Usage.NONE


def _trace(images: Sequence[SiteImage]) -> dict[Any, _Uses]:
    """Follow the references to images, but not those to pages: a link shows no image."""
    traced = {image.pk: _Uses({(_type_id(type(image)), str(image.pk))}) for image in images}
    page_type = _type_id(get_page_model())
    for _depth in range(MAX_DEPTH):
        sources = _references_to({key for uses in traced.values() for key in uses.level})
        others = {key: uses.follow(sources, page_type) for key, uses in traced.items()}
        kept = _without_drafts({key for found in others.values() for key in found})
        for key, uses in traced.items():
            uses.level = others[key] & kept
            uses.withdrawn |= uses.level != others[key]
    for uses in traced.values():
        uses.elsewhere |= bool(uses.level)
    return traced


def _type_id(model: type[Any]) -> int:
    """Return the id of the content type that the index uses for a model: its first table's."""
    base = [model, *model._meta.get_parent_list()][-1]
    return ContentType.objects.get_for_model(base, for_concrete_model=False).pk


def _references_to(keys: set[Key]) -> dict[Key, set[Key]]:
    """Return what refers to each of the objects; those without references are left out."""
    sources: defaultdict[Key, set[Key]] = defaultdict(set)
    if not keys:
        return sources
    by_type = _by_type(keys).items()
    targets = [Q(to_content_type=type_id, to_object_id__in=pks) for type_id, pks in by_type]
    rows = (
        primary(ReferenceIndex.objects)
        .filter(reduce(or_, targets))
        .values_list("to_content_type_id", "to_object_id", "base_content_type_id", "object_id")
    )
    for to_type, to_pk, from_type, from_pk in rows.distinct():
        sources[to_type, to_pk].add((from_type, from_pk))
    return sources


def _without_drafts(keys: set[Key]) -> set[Key]:
    """Return the objects without those that can be published and are not."""
    kept = set(keys)
    for type_id, pks in _by_type(keys).items():
        model = ContentType.objects.get_for_id(type_id).model_class()
        if model and issubclass(model, DraftStateMixin):
            drafts = primary(model._default_manager).filter(pk__in=pks, live=False)
            kept -= {(type_id, str(pk)) for pk in drafts.values_list("pk", flat=True)}
    return kept


def _by_type(keys: set[Key]) -> dict[int, set[str]]:
    grouped: defaultdict[int, set[str]] = defaultdict(set)
    for type_id, pk in keys:
        grouped[type_id].add(pk)
    return grouped


def _live_pages(pks: set[str]) -> QuerySet[Any]:
    return primary(get_page_model()._default_manager).filter(pk__in=pks, live=True)
