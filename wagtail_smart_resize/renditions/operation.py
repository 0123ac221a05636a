"""The rendition filter: `smartresize-1200x630`, `smartresize-hero`, each with `-c50` if wanted."""

import logging
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.dispatch import receiver
from wagtail.images import get_image_model
from wagtail.images.image_operations import FillOperation, FilterOperation, ImageTransform

from wagtail_smart_resize.core.sizes import Size, Slot, is_preset_name
from wagtail_smart_resize.settings import settings

from . import accessor

logger = logging.getLogger(__name__)


class SmartResizeOperation(FillOperation, FilterOperation):
    """`fill`, until a recomposed picture is live for the shape.

    As a transform it is Wagtail's `fill`, so that sizes and focal points are those of the crop. As
    a filter it puts the live candidate, cut to the size that all transforms gave, in the place of
    the cropped source. It never touches the database, and whatever fails leaves the crop.
    """

    def construct(self, target: str, *extra: str) -> None:
        read = _read(target, extra)
        self.slot, self.recipe, self.version_field = read.slot, read.recipe, read.version_field
        super().construct(*read.fill)
        self.vary_fields = read.vary_fields

    def run(self, subject: Any, *context: Any) -> Any:
        """Wagtail calls it as a transform (transform, image) and a filter (willow, image, env)."""
        if isinstance(subject, ImageTransform):
            return super().run(subject, *context)
        return self.recompose(subject, *context)

    def recompose(self, crop: Any, image: Any, env: dict[str, Any]) -> Any:
        """The live candidate in the size of `crop`, or `crop` itself. Both are Willow images."""
        shown = accessor.pinned(image)
        if shown is None or image.is_svg():
            return crop
        entry = shown.entry(self.slot.shape, self.recipe)
        if entry is None:
            shown.want(image.pk, str(self.slot), self.recipe)
            return crop
        if not entry.file:
            return crop
        from . import provenance

        try:
            recomposed = provenance.bare(shown.cut_out(entry, Size(*crop.get_size())))
        except Exception:
            shown.unreadable(image.pk, entry)
            return crop
        env[provenance.RECOMPOSED] = True
        return recomposed


def ours_among(operations: Iterable[Any]) -> list[SmartResizeOperation]:
    """Those of ours among a filter's operations, in their order."""
    return [each for each in operations if isinstance(each, SmartResizeOperation)]


class _Read(NamedTuple):
    slot: Slot
    recipe: str
    version_field: str
    fill: tuple[str, ...]
    """What Wagtail's `fill` is to read of it."""
    vary_fields: tuple[str, ...]


@lru_cache(maxsize=1024)
def _read(target: str, extra: tuple[str, ...]) -> _Read:
    """Remembered: Wagtail reads its specs anew for every picture of every page."""
    slot, recipe = read_target(target, extra)
    version_field = accessor.vary_field(slot.shape, recipe)
    closeness = [f"c{slot.closeness}"] if slot.closeness else []
    vary_fields = (*FillOperation.vary_fields, version_field)
    if is_preset_name(target):
        vary_fields += (slot_field(slot),)
    return _Read(slot, recipe, version_field, (str(slot.size), *closeness), vary_fields)


def slot_field(slot: Slot) -> str:
    """The name of the image attribute whose text is the slot. It is added to the image model.

    A preset's spec doesn't hold its size. Where the key of its renditions does, a size that is
    changed in the settings finds none of the renditions of the former size.
    """
    name = f"smart_resize_slot_{slot}".replace("-", "_")
    setattr(get_image_model(), name, str(slot))
    return name


@receiver(setting_changed, dispatch_uid="smart_resize_specs")
def _forget_specs(**_kwargs: Any) -> None:
    """Presets, or the image model, may be others now."""
    _read.cache_clear()


def read_target(target: str, extra: tuple[str, ...]) -> tuple[Slot, str]:
    """Read the spec's arguments into a slot and the name of its recipe. Raises ValueError."""
    try:
        return settings.parse_slot("-".join((target, *extra)))
    except ImproperlyConfigured as error:
        # Wagtail makes of a ValueError what templates know how to treat: a bad spec.
        raise ValueError(str(error)) from error
