"""The rendition filter: `smartresize-1200x630` or `smartresize-hero`, optionally with `-c50`."""

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.dispatch import receiver
from django.utils import translation
from wagtail.images import get_image_model
from wagtail.images.image_operations import FillOperation, FilterOperation

from wagtail_smart_resize.core.site_image import SiteImage
from wagtail_smart_resize.core.sizes import Size, SizeTooLarge, Slot, is_preset_name
from wagtail_smart_resize.settings import settings

from . import accessor
from .published import PublishedEntry, PublishedState


class SmartResizeOperation(FillOperation, FilterOperation):
    """Wagtail's `fill`, until a recomposition is live for the shape.

    As a transform it is `fill`, so that sizes and focal points are those of the crop. As a filter
    it replaces the cropped source with the live candidate, cut to the size that all transforms
    gave. It never touches the database, and any failure leaves the crop.
    """

    def construct(self, target: str, *extra: str) -> None:
        self.slot, self.recipe = parse_target(target, extra)
        self.version_field = accessor.vary_field(self.slot.shape, self.recipe)
        closeness = [f"c{self.slot.closeness}"] if self.slot.closeness else []
        super().construct(str(self.slot.size), *closeness)
        self.vary_fields = (*FillOperation.vary_fields, self.version_field)
        self.burned = ""
        if is_preset_name(target):
            self.vary_fields += (slot_field(self.slot),)
            if settings.PRESETS[target].burn_label:
                self.burned = burned_text()
                self.vary_fields += (burned_field(self.burned),)

    def run(self, subject: Any, *context: Any) -> Any:
        """Run as transform (transform, image) or filter (willow, image, env): Wagtail does both.

        They are told apart by what comes along: a transform may be of any class.
        """
        if len(context) == 1:
            return super().run(subject, *context)
        return self.recompose(subject, *context)

    def recompose(self, crop: Any, image: SiteImage, env: dict[str, Any]) -> Any:
        """Return the live candidate in the size of `crop`, or `crop`. Both are Willow images."""
        shown = accessor.pinned(image)
        if shown is None or image.is_svg():
            return crop
        entry = self.entry_or_want(image, shown)
        if entry is None or not entry.file:
            return crop
        from . import provenance, saving

        try:
            recomposed = provenance.bare(shown.cut_out(entry, Size(*crop.get_size())))
        except Exception:
            shown.unusable(image.pk, entry)
            return crop
        env[saving.RECOMPOSED] = entry.source_type or provenance.EDITED
        env[saving.BURNED] = self.burned
        return recomposed

    def entry_in(self, shown: PublishedState) -> PublishedEntry | None:
        """Return what serves this operation's shape and recipe there, or None."""
        return shown.entry(self.slot.shape, self.recipe)

    def entry_or_want(self, image: SiteImage, shown: PublishedState) -> PublishedEntry | None:
        """Return what serves the operation; where nothing does, note that it is wanted."""
        entry = self.entry_in(shown)
        if entry is None:
            shown.want(image, str(self.slot), self.recipe)
        return entry


def smart_resize_operations(operations: Iterable[Any]) -> list[SmartResizeOperation]:
    """Return this app's operations among a filter's, in their order."""
    return [each for each in operations if isinstance(each, SmartResizeOperation)]


@lru_cache(maxsize=1024)
def operation_for(method: str, *arguments: str) -> FillOperation:
    """Return the operation that Wagtail asks for by the parts of a spec.

    Wagtail asks again for every picture of every page. An operation of ours never changes, so all
    pictures share one. For a size that is too large to be recomposed it is Wagtail's own `fill`.
    """
    try:
        Slot.parse("-".join(arguments))
    except SizeTooLarge:
        return FillOperation(method, *arguments)
    except ValueError:
        pass  # It is a preset's name, or `construct` says what is wrong.
    return SmartResizeOperation(method, *arguments)


def slot_field(slot: Slot) -> str:
    """Return the name of the image attribute whose text is the slot; add it to the image model.

    A preset's spec doesn't contain its size. Since the key of its renditions does, a preset whose
    size is changed in the settings finds none of the renditions of the former size.
    """
    name = f"smart_resize_slot_{slot}".replace("-", "_")
    setattr(get_image_model(), name, str(slot))
    return name


def burned_text() -> str:
    """Return LABEL_TEXT in the site's own language: a file is the same for all visitors."""
    with translation.override(django_settings.LANGUAGE_CODE):
        return str(settings.LABEL_TEXT)


def burned_field(text: str) -> str:
    """Return the name of the image attribute with the text that is drawn into renditions.

    It is part of their key, so that another text, or none, leads to other renditions.
    """
    name = f"smart_resize_burned_{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    setattr(get_image_model(), name, text)
    return name


@receiver(setting_changed, dispatch_uid="smart_resize_operations")
def _forget_operations(**_kwargs: Any) -> None:
    """Clear the cache: presets, or the image model, may have changed."""
    operation_for.cache_clear()


def parse_target(target: str, extra: tuple[str, ...]) -> tuple[Slot, str]:
    """Return the slot and its recipe's name for the spec's arguments. Raises ValueError."""
    try:
        return settings.parse_slot("-".join((target, *extra)))
    except ImproperlyConfigured as error:
        # Wagtail turns a ValueError into InvalidFilterSpecError, which templates handle.
        raise ValueError(str(error)) from error
