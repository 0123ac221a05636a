"""The image listing's column: where each image's recompositions stand."""

from collections import defaultdict
from typing import Any

from django.db.models import F
from django.urls import reverse
from wagtail.admin.ui.tables import BaseColumn

from wagtail_smart_resize.editorial import listings
from wagtail_smart_resize.editorial.states import State, Word, load, states, tally

RANKS = {word: rank for rank, word in enumerate(Word)}


class StateColumn(BaseColumn):
    """Shows what `load` found, and nothing for images that it was not asked about."""

    cell_template_name = "wagtail_smart_resize/wagtail_screens/state_cell.html"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.found: dict[Any, list[tuple[Word, int]]] = {}

    def load(self, user: Any, image_ids: list[Any]) -> None:
        """For those of the images with which the user may do anything of ours."""
        recomposed = listings.visible_to(user).filter(
            image_id__in=image_ids, source_hash=F("image__file_hash")
        )
        found: dict[Any, list[State]] = defaultdict(list)
        recomposed = list(load(recomposed))
        for row, state in zip(recomposed, states(recomposed), strict=True):
            found[row.image_id].append(state)
        self.found = {key: _ranked(each) for key, each in found.items()}

    def get_cell_context_data(self, instance: Any, parent_context: Any) -> dict[str, Any]:
        return {
            **super().get_cell_context_data(instance, parent_context),
            "tally": self.found.get(instance.pk, []),
            "url": reverse("smart_resize_admin:image", args=[instance.pk]),
        }


def _ranked(found: list[State]) -> list[tuple[Word, int]]:
    """How many are in each state; the state that outranks the others first."""
    return sorted(tally(found).items(), key=lambda each: RANKS[each[0]])
