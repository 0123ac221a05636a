"""The data of an image's screen: the image's shapes.

They come from three sources: the recompositions, which templates and people have asked for, the
site's presets, and a size that the editor has typed. Shapes that share a recomposition are merged.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from django.db.models import Prefetch, QuerySet
from django.utils.functional import cached_property

from wagtail_smart_resize.core.site_image import SiteImage
from wagtail_smart_resize.core.sizes import same_shape
from wagtail_smart_resize.editorial import states
from wagtail_smart_resize.editorial.actions import ResizeTarget
from wagtail_smart_resize.models import Candidate, Recomposition
from wagtail_smart_resize.settings import settings

from .context import ImageContext
from .shape import Shape


class Screen(ImageContext):
    """The data of an image's screen as `user` sees it, looked up once. Read only."""

    def __init__(self, image: SiteImage, user: Any, typed: ResizeTarget | None = None) -> None:
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
        """Return the shape that a form names by its `what`, or None."""
        return next((shape for shape in self.shapes if shape.what == what), None)

    @property
    def under_way(self) -> int:
        """Return the number of shapes that will soon change by themselves."""
        return sum(shape.state.is_busy for shape in self.shapes)


def rows_of(image: SiteImage) -> QuerySet[Recomposition]:
    """Return the recompositions of the image's current file, with their stored candidates."""
    stored = Candidate.objects.filter(stored=True).select_related("request", "request__asked_by")
    rows = Recomposition.objects.filter(image_id=image.pk, source_hash=image.file_hash)
    complete = states.with_state_relations(rows).prefetch_related(Prefetch("candidates", stored))
    return complete.order_by("pk")


def _shapes(rows: list[Recomposition], typed: ResizeTarget | None) -> Iterator[Shape]:
    """Yield the typed shape first, then the presets in the order of the settings, then the rest."""
    presets = [
        Shape(ResizeTarget(each.slot, each.recipe_name), [str(each.label)]) for each in _presets()
    ]
    ours = [Shape(ResizeTarget.for_row(row), [], row) for row in rows]
    shapes = _merge([*presets, *ours])
    if typed is not None:
        shapes = _merge([Shape(typed, [], typed=True), *shapes])
    yield from shapes


def _presets() -> Iterable[Any]:
    return settings.PRESETS.values()


def _merge(shapes: list[Shape]) -> list[Shape]:
    """Merge shapes of one recipe within 3 % of one another, but never two that have rows."""
    merged: list[Shape] = []
    for shape in shapes:
        same = next((other for other in merged if _is_same(shape, other)), None)
        if same is None:
            merged.append(shape)
            continue
        same.labels += [label for label in shape.labels if label not in same.labels]
        same.typed |= shape.typed
        if shape.row:
            same.row, same.target = shape.row, shape.target
    return merged


def _is_same(shape: Shape, other: Shape) -> bool:
    if shape.row and other.row:
        return False
    return shape.target.recipe == other.target.recipe and same_shape(shape.shape, other.shape)
