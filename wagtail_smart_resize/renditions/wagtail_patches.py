"""The three patches of Wagtail, where it has no hook for what the filter needs.

Each is a few lines around Wagtail's own code, and changes nothing for specs without this app's
operation. The numbers are those of Wagtail's pull requests that brought the behaviour.
"""

from typing import Any

from django.utils.functional import cached_property
from wagtail.images.image_operations import FilterOperation
from wagtail.images.models import AbstractImage, AbstractRendition, Filter
from wagtail.images.rect import Rect

from . import focal_point
from .operation import SmartResizeOperation, smart_resize_operations


def apply() -> None:
    """Apply the patches. Called from `AppConfig.ready`."""
    Filter.filter_operations = property(_filter_operations)
    AbstractImage.create_renditions = _create_renditions
    AbstractRendition.focal_point = _focal_point
    _focal_point.__set_name__(AbstractRendition, "focal_point")


# Wagtail runs all transforms of a spec before all of its filters (Wagtail 6843). This app's
# operation replaces the result of the transforms, so a filter that precedes it in a spec (a
# background colour, a site's own greyscale) would lose its effect; and an operation doesn't know
# the others in its spec. Nor does it know what will be saved: others return new images, so the
# label comes last.

_wagtail_filter_operations = Filter.filter_operations.fget


def _filter_operations(self: Filter) -> list[FilterOperation]:
    operations = _wagtail_filter_operations(self)
    ours = smart_resize_operations(operations)
    if not ours:
        return operations
    from .provenance import Label

    others = [each for each in operations if not isinstance(each, SmartResizeOperation)]
    return [*ours, *others, Label("label")]


# Wagtail makes several renditions in the threads of a pool (Wagtail 9550). With prefetched
# renditions, nothing may have asked the image yet what is live for it. That must not happen in
# those threads: they must not use the database, and could get different answers at different
# moments.

_wagtail_create_renditions = AbstractImage.create_renditions


def _create_renditions(self: Any, *filters: Filter) -> dict[Filter, Any]:
    getattr(self, "smart_resize", None)
    return _wagtail_create_renditions(self, *filters)


# Wagtail derives the focal point of a rendition from its spec's transforms, which are the crop's
# (Wagtail 6843).

_wagtail_focal_point = AbstractRendition.focal_point.func


def _read_focal_point(self: Any) -> Rect | None:
    return focal_point.focal_point(self, _wagtail_focal_point)


_focal_point = cached_property(_read_focal_point)
