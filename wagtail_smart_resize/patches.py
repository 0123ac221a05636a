"""The two places where Wagtail has no hook for what the filter needs. From `AppConfig.ready`.

Each is a few lines around Wagtail's own code, and changes nothing for specs without our operation.
"""

from typing import Any

from wagtail.images.image_operations import FilterOperation
from wagtail.images.models import AbstractImage, Filter

from .image_operations import SmartResizeOperation


def apply() -> None:
    Filter.filter_operations = property(_ours_first)
    AbstractImage.create_renditions = _create_renditions


# Wagtail runs all of a spec's transforms before all of its filters. Ours replaces what the
# transforms gave, so a filter that stands before it in a spec (a background colour, a site's own
# greyscale) would lose its effect; and an operation doesn't know its neighbours.

_in_order = Filter.filter_operations.fget


def _ours_first(self: Filter) -> list[FilterOperation]:
    return sorted(_in_order(self), key=lambda each: not isinstance(each, SmartResizeOperation))


# Wagtail makes several renditions in the threads of a pool. With prefetched renditions nobody may
# have asked the image yet what is live for it: that must not happen in those threads, which have no
# business with the database, and perhaps at different moments.

_create = AbstractImage.create_renditions


def _create_renditions(self: Any, *filters: Filter) -> dict[Filter, Any]:
    getattr(self, "smart_resize", None)
    return _create(self, *filters)
