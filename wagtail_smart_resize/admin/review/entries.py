"""The entries of the review queue: places that await a decision, with what can be shown there."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from django.utils.functional import SimpleLazyObject
from wagtail.admin.utils import get_user_display_name

from wagtail_smart_resize.actions import ResizeTarget
from wagtail_smart_resize.admin.image.context import ImageContext, open_pages
from wagtail_smart_resize.admin.image.place import Choice, Place
from wagtail_smart_resize.editorial import listings, places, states
from wagtail_smart_resize.models import Recomposition


class EntryContext(ImageContext):
    """The facts of an image, of which the queue looks up some for many images at once."""

    def __init__(
        self, image: Any, user: Any, pages: places.Pages, version: Any, open_pages: Any
    ) -> None:
        super().__init__(image, user)
        self.pages = pages
        self.version = version
        self.open_pages = open_pages


@dataclass(frozen=True)
class Entry:
    """An entry of the queue."""

    place: Place
    context: EntryContext
    selected: Choice | None = None
    """The version that is to be approved."""

    @property
    def row(self) -> Recomposition:
        row = self.place.row
        assert row is not None
        return row

    @property
    def image(self) -> Any:
        return self.context.image

    @property
    def pages(self) -> list[Any]:
        return self.place.pages

    @property
    def versions(self) -> list[Choice]:
        """Return the versions to decide on: the new ones, or all where there are none."""
        return self.place.new_versions or self.place.versions

    @property
    def has_spots(self) -> bool:
        """Return whether parts of any of these versions are framed, since they differ."""
        return any(each.compared and each.compared.spots for each in self.versions)

    @property
    def asked_by_name(self) -> str:
        return get_user_display_name(self.place.state.by) if self.place.state.by else ""

    def with_version(self, keys: Collection[Any]) -> "Entry":
        """Return the entry with that of its versions that has one of these ids selected."""
        found = (each for each in self.versions if each.candidate and each.candidate.pk in keys)
        return replace(self, selected=next(found, None))


def entries_of(rows: list[Recomposition], user: Any) -> list[Entry]:
    """Return the entries of rows from `listings.load_page`, in a fixed number of queries."""
    images = {row.image_id: row.image for row in rows}
    pages = places.Pages.for_images(list(images.values()), rows)
    versions = states.published_versions(images)
    seen = SimpleLazyObject(lambda: open_pages(user, pages))
    contexts = {
        key: EntryContext(image, user, pages, versions.get(key), seen)
        for key, image in images.items()
    }
    return [_entry(row, contexts[row.image_id]) for row in rows]


def _entry(row: Recomposition, context: EntryContext) -> Entry:
    place = Place(ResizeTarget.for_row(row), listings.presets_of(row), row)
    place.context = context
    return Entry(place, context)
