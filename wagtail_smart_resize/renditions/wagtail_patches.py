"""The three places where Wagtail has no hook for what the filter needs. From `AppConfig.ready`.

Each is a few lines around Wagtail's own code, and changes nothing for specs without our operation.
"""

from typing import Any

from django.utils.functional import cached_property
from wagtail.images.image_operations import FilterOperation
from wagtail.images.models import AbstractImage, AbstractRendition, Filter
from wagtail.images.rect import Rect

from . import focal_point
from .operation import SmartResizeOperation, ours_among


def apply() -> None:
    Filter.filter_operations = property(_ours_first_and_the_label)
    AbstractImage.create_renditions = _create_renditions
    AbstractRendition.focal_point = _focal_point
    _focal_point.__set_name__(AbstractRendition, "focal_point")


# Wagtail runs all of a spec's transforms before all of its filters. Ours replaces what the
# transforms gave, so a filter that stands before it in a spec (a background colour, a site's own
# greyscale) would lose its effect; and an operation doesn't know its neighbours. Nor does it know
# what will be saved: others give new pictures, so the label comes last.

_in_order = Filter.filter_operations.fget


def _ours_first_and_the_label(self: Filter) -> list[FilterOperation]:
    operations = _in_order(self)
    ours = ours_among(operations)
    if not ours:
        return operations
    from .provenance import Label

    others = [each for each in operations if not isinstance(each, SmartResizeOperation)]
    return [*ours, *others, Label("label")]


# Wagtail makes several renditions in the threads of a pool. With prefetched renditions nobody may
# have asked the image yet what is live for it: that must not happen in those threads, which have no
# business with the database, and perhaps at different moments.

_create = AbstractImage.create_renditions


def _create_renditions(self: Any, *filters: Filter) -> dict[Filter, Any]:
    getattr(self, "smart_resize", None)
    return _create(self, *filters)


# Wagtail works the focal point of a rendition out from its spec's transforms, which are the crop's.

_in_the_crop = AbstractRendition.focal_point.func


@cached_property
def _focal_point(self: Any) -> Rect | None:
    return focal_point.focal_point(self, _in_the_crop)
