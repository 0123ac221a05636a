"""The data of an image's screen: the places in which the site shows the image.

They come from three sources: the recompositions, which templates and people have asked for, the
site's presets, and a size that the editor has typed. Places that share a recomposition are merged.
"""

from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from wagtail_smart_resize.actions import ResizeTarget
from wagtail_smart_resize.core.site_image import SiteImage
from wagtail_smart_resize.core.sizes import same_shape
from wagtail_smart_resize.editorial import places, states
from wagtail_smart_resize.models import Recomposition
from wagtail_smart_resize.renditions import standard_crop
from wagtail_smart_resize.settings import settings

from .context import ImageContext
from .place import Group, Place, stored_candidates
from .price_preview import with_price


class Screen(ImageContext):
    """The data of an image's screen as `user` sees it, looked up once. Read only."""

    def __init__(self, image: SiteImage, user: Any, typed: ResizeTarget | None = None) -> None:
        super().__init__(image, user)
        self.typed = typed

    @cached_property
    def rows(self) -> list[Recomposition]:
        return list(rows_of(self.image))

    @cached_property
    def pages(self) -> places.Pages:
        return places.Pages.for_images([self.image], self.rows)

    @cached_property
    def places(self) -> list[Place]:
        found = list(_places(self.rows, self.typed))
        for place in found:
            place.context = self
        return found

    @property
    def typed_place(self) -> Place | None:
        return next((place for place in self.places if place.typed), None)

    def find(self, what: str) -> Place | None:
        """Return the place that a form names by its `what`, or None."""
        return next((place for place in self.places if place.what == what), None)

    def find_by_key(self, key: str) -> Place | None:
        return next((place for place in self.places if place.key == key), None)

    @property
    def groups(self) -> list[tuple[Group, list[Place]]]:
        """Return the places by group, without groups that have none; the wide ones come first."""
        sorted_places = sorted(self.places, key=lambda place: (not place.typed, -place.loses))
        by_group = [
            (group, [place for place in sorted_places if place.group == group]) for group in Group
        ]
        return [(group, found) for group, found in by_group if found]

    @property
    def worth_while(self) -> list[Place]:
        """Return the places that lose much, and for which the user may ask for a version."""
        return [place for place in self.places if place.group == Group.LOSES_MUCH and place.may_ask]

    @property
    def make_text(self) -> str:
        """Return what the button says that asks for versions of all that is worth while."""
        count = len(self.worth_while)
        text = ngettext(
            "Make an AI version for this place",
            "Make AI versions for these %(count)d places",
            count,
        )
        return with_price(text % {"count": count}, count)

    @property
    def one_text(self) -> str:
        return with_price(_("Make an AI version"), 1)

    @cached_property
    def focal_area(self) -> Any:
        """Return the focal area as a `Rect` in pixels of the image; None without one.

        A focal point without an area is none.
        """
        return standard_crop.focal_area(self.image, self.preview.size)

    @property
    def focal_area_text(self) -> str:
        """Return left, top, width and height of the focal area, for scripts; "" without one."""
        area = self.focal_area
        sides = (area.left, area.top, area.width, area.height) if area else ()
        return " ".join(str(round(side)) for side in sides)

    def next_to_decide(self, after: Place) -> Place | None:
        """Return the next place in which somebody has to decide, beginning after this one."""
        undecided = [each for each in self.places if each.state.awaits_decision and each != after]
        order = [*self.places, *self.places]
        start = order.index(after) if after in order else 0
        return next((each for each in order[start:] if each in undecided), None)

    @property
    def live(self) -> int:
        """Return the number of places in which visitors see, or soon will, an AI version."""
        return sum(bool(place.row and place.row.live_id) for place in self.places)

    @property
    def changing(self) -> int:
        """Return the number of places that can still change by themselves, soon or later."""
        return sum(place.state.is_busy or place.state.is_waiting for place in self.places)


def rows_of(image: SiteImage) -> QuerySet[Recomposition]:
    """Return the recompositions of the image's current file, with their stored candidates."""
    rows = Recomposition.objects.filter(image_id=image.pk, source_hash=image.file_hash)
    complete = states.with_state_relations(rows).prefetch_related(stored_candidates())
    return complete.order_by("pk")


def _places(rows: list[Recomposition], typed: ResizeTarget | None) -> Iterator[Place]:
    """Yield the typed place first, then the presets in the order of the settings, then the rest."""
    presets = [
        Place(ResizeTarget(each.slot, each.recipe_name), [str(each.label)])
        for each in settings.PRESETS.values()
    ]
    ours = [Place(ResizeTarget.for_row(row), [], row) for row in rows]
    found = _merge([*presets, *ours])
    if typed is not None:
        found = _merge([Place(typed, [], typed=True), *found])
    yield from found


def _merge(found: list[Place]) -> list[Place]:
    """Merge places of one recipe within 3 % of one another, but never two that have rows."""
    merged: list[Place] = []
    for place in found:
        same = next((other for other in merged if _is_same(place, other)), None)
        if same is None:
            merged.append(place)
            continue
        same.labels += [label for label in place.labels if label not in same.labels]
        same.typed |= place.typed
        if place.row:
            same.row, same.target = place.row, place.target
    return merged


def _is_same(place: Place, other: Place) -> bool:
    if place.row and other.row:
        return False
    return place.target.recipe == other.target.recipe and same_shape(place.shape, other.shape)
