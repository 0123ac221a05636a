"""All that an image's screen shows, and the shapes of the image.

These come from three places: what templates and people have asked for (the recompositions), the
site's presets, and a size that the editor has typed. Shapes that share a recomposition are one.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from django.db.models import Prefetch, QuerySet
from django.utils.functional import cached_property

from wagtail_smart_resize.core.sizes import same_shape
from wagtail_smart_resize.editorial import states
from wagtail_smart_resize.editorial.actions import Wish
from wagtail_smart_resize.models import Candidate, Recomposition
from wagtail_smart_resize.settings import settings

from .context import ImageContext
from .shape import Shape


class Screen(ImageContext):
    """All that an image's screen shows, asked for once. `user` sees it; nothing is changed."""

    def __init__(self, image: Any, user: Any, typed: Wish | None = None) -> None:
        super().__init__(image, user)
        self.typed = typed

    @cached_property
    def shapes(self) -> list[Shape]:
        shapes = list(_shapes(list(rows_of(self.image)), self.typed))
        for shape in shapes:
            shape.context = self
        return shapes

    @property
    def typed_shape(self) -> Shape | None:
        return next((shape for shape in self.shapes if shape.typed), None)

    def find(self, what: str) -> Shape | None:
        """The shape that a form named."""
        return next((shape for shape in self.shapes if shape.what == what), None)

    @property
    def under_way(self) -> int:
        return sum(shape.state.is_busy for shape in self.shapes)


def rows_of(image: Any) -> QuerySet:
    """The recompositions of the image's present file, with their stored candidates."""
    stored = Candidate.objects.filter(stored=True).select_related("request", "request__asked_by")
    rows = Recomposition.objects.filter(image_id=image.pk, source_hash=image.file_hash)
    candidates = Prefetch("candidates", stored, to_attr="ready_candidates")
    return states.load(rows).prefetch_related(candidates).order_by("pk")


def _shapes(rows: list[Recomposition], typed: Wish | None) -> Iterator[Shape]:
    """The typed one first, then the presets as the settings name them, then the rest."""
    presets = [Shape(Wish(each.slot, each.recipe_name), [str(each.label)]) for each in _presets()]
    ours = [Shape(Wish.of(row), [], row) for row in rows]
    shapes = _merged([*presets, *ours])
    if typed is not None:
        shapes = _merged([Shape(typed, [], typed=True), *shapes])
    yield from shapes


def _presets() -> Iterable[Any]:
    return settings.PRESETS.values()


def _merged(shapes: list[Shape]) -> list[Shape]:
    """Those within 3 % of one another, and of one recipe, as one. Each row stays its own."""
    merged: list[Shape] = []
    for shape in shapes:
        same = next((other for other in merged if _is_same(shape, other)), None)
        if same is None:
            merged.append(shape)
            continue
        same.labels += [label for label in shape.labels if label not in same.labels]
        same.typed |= shape.typed
        if shape.row:
            same.row, same.wish = shape.row, shape.wish
    return merged


def _is_same(shape: Shape, other: Shape) -> bool:
    if shape.row and other.row:
        return False
    return shape.wish.recipe == other.wish.recipe and same_shape(shape.shape, other.shape)
