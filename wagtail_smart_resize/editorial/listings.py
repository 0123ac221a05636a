"""What the report and the review queue show of recompositions, fetched for many rows at once."""

from collections.abc import Iterable
from typing import Any

from django.db.models import F, QuerySet
from wagtail.images import get_image_model
from wagtail.images.shortcuts import get_rendition_or_not_found

from wagtail_smart_resize.core.formatting import written
from wagtail_smart_resize.core.sizes import Size, Slot, same_shape
from wagtail_smart_resize.models import Recomposition
from wagtail_smart_resize.settings import settings

from . import permissions, states

EVERY_RIGHT = (permissions.SMART_RESIZE, permissions.APPROVE)


def visible_to(user: Any) -> QuerySet:
    """Every recomposition of the images with which the user may do anything of ours."""
    return _of(permissions.images_for(user, EVERY_RIGHT), Recomposition.objects.all())


def waiting_for(user: Any, most: int) -> QuerySet:
    """What awaits review and the user may approve, the oldest first, `most` of it; pictures of a
    replaced file are none.

    Compared with the images' files in parts, until there are enough: no database knows how few of
    them differ, and all that waits would be compared.
    """
    images = permissions.images_for(user, (permissions.APPROVE,))
    rows = _of(images, Recomposition.objects.awaiting_review()).filter(replaced_at=None)
    keys = rows.order_by("review_since", "pk").values_list("pk", flat=True)
    looked_at: list[Any] = []
    while True:
        part = list(keys[len(looked_at) : len(looked_at) + most])
        looked_at += part
        known = Recomposition.objects.filter(pk__in=looked_at)
        current = known.filter(source_hash=F("image__file_hash")).order_by("review_since", "pk")
        if len(part) < most or current.count() >= most:
            return current[:most]


def _of(images: QuerySet, rows: QuerySet) -> QuerySet:
    return rows if permissions.are_all(images) else rows.filter(image__in=images.values("pk"))


def load(rows: QuerySet) -> QuerySet:
    """The rows with their images and people."""
    people = [f"{name}__wagtail_userprofile" for name in ("request__asked_by", "asked_by")]
    return states.load(rows).select_related(
        "image", "image__collection", *people, "decided_by__wagtail_userprofile"
    )


def load_page(page: QuerySet) -> list[Recomposition]:
    """The rows of a page, loaded by their keys: a database that joins all that a row is shown
    with does so, by its own estimate, for every row that the page is cut from."""
    keys = list(page.values_list("pk", flat=True))
    loaded = load(Recomposition.objects.all()).in_bulk(keys)
    return [loaded[key] for key in keys if key in loaded]


def tell_states(rows: Iterable[Recomposition]) -> None:
    """Give each row its `state`."""
    rows = list(rows)
    for row, state in zip(rows, states.states(rows), strict=True):
        row.state = state


def renditions(specs: Iterable[tuple[Any, str]]) -> dict[tuple[Any, str], Any]:
    """Renditions by image's key and filter spec: one look-up for all that exist already."""
    specs = set(specs)
    images = get_image_model()._default_manager.filter(pk__in={key for key, _spec in specs})
    found = images.prefetch_renditions(*{spec for _key, spec in specs}).in_bulk()
    return {
        (key, spec): get_rendition_or_not_found(found[key], spec)
        for key, spec in specs
        if key in found
    }


# Shapes in words


def presets_of(row: Recomposition) -> list[str]:
    """What the presets are called that the row's picture serves."""
    return [
        str(preset.label)
        for preset in settings.PRESETS.values()
        if preset.recipe_name == row.recipe and same_shape(preset.slot.shape, row.shape)
    ]


def slots_of(row: Recomposition) -> list[Slot]:
    """The slots that have asked for it, the largest first."""
    slots = [Slot.parse(text) for text in row.slots]
    return sorted(slots, key=lambda slot: (-slot.size.width, -slot.size.height, slot.closeness))


def largest_slot(row: Recomposition) -> Slot:
    """The one whose crop is shown; where none is recorded, one of the row's shape."""
    slots = slots_of(row)
    return slots[0] if slots else Slot(Size(1000, max(1, round(1000 / row.shape))))


def sizes_of(row: Recomposition) -> list[str]:
    """Their sizes for people, each once: "1200×630"."""
    return list(dict.fromkeys(written(slot.size) for slot in slots_of(row)))
