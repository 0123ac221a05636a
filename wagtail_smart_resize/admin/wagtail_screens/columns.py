"""The image listing's column with the states of each image's recompositions."""

from collections import defaultdict
from typing import Any

from django.db.models import F
from django.urls import reverse
from wagtail.admin.ui.tables import BaseColumn

from wagtail_smart_resize.editorial import listings
from wagtail_smart_resize.editorial.states import (
    State,
    StateName,
    states,
    tally,
    with_state_relations,
)

RANKS = {name: rank for rank, name in enumerate(StateName)}


class StateColumn(BaseColumn):
    """Column that shows the states loaded by `load`, and nothing for other images."""

    cell_template_name = "wagtail_smart_resize/wagtail_screens/state_cell.html"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.found: dict[Any, list[tuple[StateName, int]]] = {}

    def load(self, user: Any, image_ids: list[Any]) -> None:
        """Load the states of those images on which the user has any of the app's permissions."""
        recomposed = listings.visible_to(user).filter(
            image_id__in=image_ids, source_hash=F("image__file_hash")
        )
        found: dict[Any, list[State]] = defaultdict(list)
        rows = list(with_state_relations(recomposed))
        for row, state in zip(rows, states(rows), strict=True):
            found[row.image_id].append(state)
        # The state that outranks the others comes first.
        self.found = {
            key: sorted(tally(each).items(), key=lambda counted: RANKS[counted[0]])
            for key, each in found.items()
        }

    def get_cell_context_data(self, instance: Any, parent_context: Any) -> dict[str, Any]:
        return {
            **super().get_cell_context_data(instance, parent_context),
            "tally": self.found.get(instance.pk, []),
            "url": reverse("smart_resize_admin:image", args=[instance.pk]),
        }
