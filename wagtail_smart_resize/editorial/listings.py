"""Queries for the report and the review queue, made for many rows at once."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import F, Prefetch, Q, QuerySet
from wagtail.images import get_image_model
from wagtail.images.shortcuts import get_rendition_or_not_found

from wagtail_smart_resize.core.formatting import size_text
from wagtail_smart_resize.core.sizes import Size, Slot, same_shape
from wagtail_smart_resize.models import Candidate, Recomposition
from wagtail_smart_resize.models.recomposition import RecompositionQuerySet
from wagtail_smart_resize.settings import settings

from . import integrity, permissions, places, row_permissions, states

ANY = Q()
EVERY_RIGHT = (permissions.SMART_RESIZE, permissions.APPROVE)


def visible_to(user: Any) -> RecompositionQuerySet:
    """Return the recompositions of images on which the user has any of the app's permissions."""
    return Recomposition.objects.filter(row_permissions.conditions_for(user, EVERY_RIGHT).both)


def waiting_for(
    user: Any, most: int, condition: Q = ANY, first: Any = None
) -> QuerySet[Recomposition]:
    """Return up to `most` rows that await a decision which the user may make, the oldest first.

    `condition`: a further one on the rows. `first`: an expression to order by before that.

    Pictures of a replaced file are left out. For that, rows are compared with the images' files in
    batches until there are enough: no database's planner knows how few of them differ, so a single
    query would compare all that waits. So it is with rows of an image that was just moved.
    """
    allowed = row_permissions.conditions_for(user, (permissions.right_to_choose(),))
    waiting = Recomposition.objects.awaiting_review()
    rows = waiting.filter(condition, allowed.narrow, replaced_at=None)
    order = (*([first] if first else ()), "awaiting_review_since", "pk")
    keys = rows.order_by(*order).values_list("pk", flat=True)
    checked: list[Any] = []
    while True:
        part = list(keys[len(checked) : len(checked) + most])
        checked += part
        known = Recomposition.objects.filter(allowed.exact, pk__in=checked)
        current = known.filter(source_hash=F("image__file_hash")).order_by(*order)
        found = list(current.values_list("pk", flat=True)[:most])
        if len(part) < most or len(found) == most:
            # Whoever counts and slices them needs the images no more.
            return Recomposition.objects.filter(pk__in=found).order_by(*order)


def with_relations(rows: QuerySet[Recomposition]) -> QuerySet[Recomposition]:
    """Return the rows joined with what `states.state_of` needs, images, collections and users."""
    people = [f"{name}__wagtail_userprofile" for name in ("request__asked_by", "asked_by")]
    related = states.with_state_relations(rows).select_related(
        "image", "image__collection", *people, "decided_by__wagtail_userprofile"
    )
    return related.prefetch_related(Prefetch("candidates", stored_candidates()))


def stored_candidates() -> QuerySet[Candidate]:
    """Return what is stored, with who asked for it."""
    bought_with = ("request__asked_by", "derived_from__request__asked_by")
    return Candidate.objects.filter(stored=True).select_related(*bought_with)


def load_page(page: QuerySet[Recomposition]) -> list[Recomposition]:
    """Return the rows of a page with their relations, loaded by primary key.

    A database may, by its own estimate, make the joins for every row that the page is sliced from.
    """
    keys = list(page.values_list("pk", flat=True))
    loaded = with_relations(Recomposition.objects.all()).in_bulk(keys)
    return [loaded[key] for key in keys if key in loaded]


@dataclass(frozen=True)
class ListedRecomposition:
    """A recomposition as lists show it."""

    row: Recomposition
    state: states.State

    @property
    def shown(self) -> Candidate | None:
        """Return the version that is live, or else the newest; None if there is none."""
        newest = max(self.row.candidates.all(), key=lambda each: each.pk, default=None)
        return self.row.live or newest

    @property
    def verdict(self) -> integrity.Verdict | None:
        """Return what came of the check of that version."""
        return integrity.Verdict.of(self.shown) if self.shown else None

    @property
    def found(self) -> list[str]:
        """Return what the check found, in sentences."""
        report = self.shown.checked if self.shown else None
        return integrity.sentences(report) if report else []

    @property
    def names(self) -> list[str]:
        return names_of(self.row)

    @property
    def sizes(self) -> list[str]:
        return sizes_of(self.row)

    @property
    def size(self) -> Size:
        """The size at which the crop is shown."""
        return largest_slot(self.row).size


def listed(rows: Iterable[Recomposition]) -> list[ListedRecomposition]:
    """Return the rows from `with_relations` or `load_page` with their states, in their order."""
    rows = list(rows)
    return list(map(ListedRecomposition, rows, states.states(rows)))


def renditions(specs: Iterable[tuple[Any, str]]) -> dict[tuple[Any, str], Any]:
    """Return renditions by image id and filter spec.

    Those that exist are fetched together. Missing ones are created, and images that don't exist are
    left out.
    """
    specs = set(specs)
    images = get_image_model()._default_manager.filter(pk__in={key for key, _spec in specs})
    found = images.prefetch_renditions(*{spec for _key, spec in specs}).in_bulk()
    return {
        (key, spec): get_rendition_or_not_found(found[key], spec)
        for key, spec in specs
        if key in found
    }


# Shapes


def presets_of(row: Recomposition) -> list[str]:
    """Return the labels of the presets that the row's picture serves."""
    return [
        str(preset.label)
        for preset in settings.PRESETS.values()
        if preset.recipe_name == row.recipe and same_shape(preset.slot.shape, row.shape)
    ]


def names_of(row: Recomposition) -> list[str]:
    """Return what the row's place is called: its presets, else the types of its pages."""
    return presets_of(row) or places.page_types(row)


def slots_of(row: Recomposition) -> list[Slot]:
    """Return the slots that have asked for the row's picture, the largest first."""
    return sorted(
        row.parsed_slots, key=lambda slot: (-slot.size.width, -slot.size.height, slot.closeness)
    )


def largest_slot(row: Recomposition) -> Slot:
    """Return the slot whose crop is shown; if none is recorded, one of the row's shape."""
    slots = slots_of(row)
    return slots[0] if slots else Slot.of_shape(row.shape)


def sizes_of(row: Recomposition) -> list[str]:
    """Return the distinct sizes of the row's slots as text, such as "1200×630"."""
    return list(dict.fromkeys(size_text(slot.size) for slot in slots_of(row)))
