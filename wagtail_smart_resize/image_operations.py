"""The rendition filter: `smartresize-1200x630`, `smartresize-hero`, each with `-c50` if wanted."""

import logging
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from wagtail.images.image_operations import FillOperation, FilterOperation, ImageTransform
from wagtail.images.rect import Rect

from . import live
from .settings import settings
from .shapes import Size, Slot, cut

logger = logging.getLogger(__name__)


class SmartResizeOperation(FillOperation, FilterOperation):
    """`fill`, until a recomposed picture is live for the shape.

    As a transform it is Wagtail's `fill`, so that sizes and focal points are those of the crop. As
    a filter it puts the live candidate, cut to the size that all transforms gave, in the place of
    the cropped source. It never touches the database, and whatever fails leaves the crop.
    """

    def construct(self, target: str, *extra: str) -> None:
        self.slot, self.recipe = read_target(target, extra)
        closeness = [f"c{self.slot.closeness}"] if self.slot.closeness else []
        super().construct(str(self.slot.size), *closeness)
        own = live.vary_field(self.slot.shape, self.recipe)
        self.vary_fields = (*FillOperation.vary_fields, own)

    def run(self, subject: Any, *context: Any) -> Any:
        """Wagtail calls it as a transform (transform, image) and a filter (willow, image, env)."""
        if isinstance(subject, ImageTransform):
            return super().run(subject, *context)
        return self.recompose(subject, context[0])

    def recompose(self, crop: Any, image: Any) -> Any:
        """The live candidate in the size of `crop`, or `crop` itself. Both are Willow images."""
        shown = live.pinned(image)
        if shown is None or image.is_svg():
            return crop
        entry = shown.entry(self.slot.shape, self.recipe)
        if entry is None:
            shown.want(image.pk, str(self.slot), self.recipe)
            return crop
        return self._cut(crop, image, shown, entry) if entry.file else crop

    @staticmethod
    def _cut(crop: Any, image: Any, shown: live.Live, entry: live.Entry) -> Any:
        try:
            return cut_out(shown.open(entry), Size(*crop.get_size()))
        except Exception:
            shown.unreadable(image.pk, entry)
            return crop


def read_target(target: str, extra: tuple[str, ...]) -> tuple[Slot, str]:
    """Read the spec's arguments into a slot and the name of its recipe. Raises ValueError."""
    try:
        return settings.parse_slot("-".join((target, *extra)))
    except ImproperlyConfigured as error:
        # Wagtail makes of a ValueError what templates know how to treat: a bad spec.
        raise ValueError(str(error)) from error


def cut_out(candidate: Any, wanted: Size) -> Any:
    """Cut a Willow image to the shape of `wanted`, from its middle, and down to that size."""
    box, size = cut(Size(*candidate.get_size()), wanted)
    return candidate.crop(Rect(*box)).resize(tuple(size))
