"""The six patches of Wagtail, where it has no hook for what the filter needs.

Each is a few lines around Wagtail's own code, and changes nothing for specs without this app's
operation. The numbers are those of Wagtail's pull requests that brought the behaviour.
"""

import sys
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from django.utils.functional import cached_property
from wagtail.images import utils
from wagtail.images.image_operations import FilterOperation
from wagtail.images.models import AbstractImage, AbstractRendition, Filter
from wagtail.images.rect import Rect
from wagtail.models import PreviewableMixin

from . import accessor, focal_point, request_tracking
from .operation import SmartResizeOperation, smart_resize_operations
from .published import PublishedEntry, PublishedState


def apply() -> None:
    """Apply the patches. Called from `AppConfig.ready`."""
    Filter.filter_operations = property(_filter_operations)
    Filter.run = _run
    AbstractImage.create_renditions = _create_renditions
    PreviewableMixin.make_preview_request = _make_preview_request
    # Wherever it was imported by name. The API's fields are loaded by few sites.
    for name in ("wagtail.images.utils", "wagtail.images.models", "wagtail.images.api.fields"):
        if name in sys.modules:
            vars(sys.modules[name])["to_svg_safe_spec"] = _to_svg_safe_spec
    AbstractRendition.focal_point = _focal_point
    _focal_point.__set_name__(AbstractRendition, "focal_point")


# Wagtail runs all transforms of a spec before all of its filters (Wagtail 6843). This app's
# operation replaces the result of the transforms, so a filter that precedes it in a spec (a
# background colour, a site's own greyscale) would lose its effect; and an operation doesn't know
# the others in its spec. Nor does it know what will be saved: others return new images, so the
# one that saves comes last.

_wagtail_filter_operations = Filter.filter_operations.fget


def _filter_operations(self: Filter) -> list[FilterOperation]:
    operations = _wagtail_filter_operations(self)
    ours = smart_resize_operations(operations)
    if not ours:
        return operations
    others = [each for each in operations if not isinstance(each, SmartResizeOperation)]
    if isinstance(self, _CropFilter):
        return others
    from .saving import Save

    return [*ours, *others, Save("save")]


# What Wagtail does with the operations' result, such as converting and encoding it, may fail for a
# recomposition where it would not fail for the crop. No operation is called any more then.

_wagtail_run = Filter.run


class _CropFilter(Filter):
    """A filter that shows the crop, whatever is live."""


def _run(self: Filter, image: Any, output: Any, source: Any = None) -> Any:
    try:
        return _wagtail_run(self, image, output, source)
    except Exception:
        shown = accessor.pinned(image)
        used = None if shown is None else _used_candidate(self, image, shown)
        if shown is None or used is None:
            raise
        # Raises while renditions are prepared, so that nothing flips.
        shown.unusable(image.pk, used)
    output.seek(0)
    output.truncate()
    return _CropFilter(self.spec).run(image, output, source)


def _used_candidate(spec: Filter, image: Any, shown: PublishedState) -> PublishedEntry | None:
    """Return the first entry whose candidate a filter puts into this image's rendition."""
    if isinstance(spec, _CropFilter) or image.is_svg():
        return None
    ours = smart_resize_operations(spec.operations)
    found = (each.entry_in(shown) for each in ours)
    return next((entry for entry in found if entry and entry.file), None)


# Wagtail makes several renditions in the threads of a pool (Wagtail 9550). With prefetched
# renditions, nothing may have asked the image yet what is live for it. That must not happen in
# those threads: they must not use the database, and could get different answers at different
# moments. Nor can those threads write what a preview wants.

_wagtail_create_renditions = AbstractImage.create_renditions


def _create_renditions(self: Any, *filters: Filter) -> dict[Filter, Any]:
    shown = getattr(self, "smart_resize", None)
    if shown is not None and shown.preview and not self.is_svg():
        for spec in filters:
            for operation in smart_resize_operations(spec.operations):
                operation.entry_or_want(self, shown)
    return _wagtail_create_renditions(self, *filters)


# Wagtail renders a preview, or a revision, wherever it is asked to, also outside of the admin.
# Whoever renders it, nothing of a draft may be sent anywhere.

_wagtail_make_preview_request = PreviewableMixin.make_preview_request


#: Returns what the user of a request tries in previews. Set when the app is ready, since this
#: package knows no model.
tried_by: Callable[[Any], Mapping[Any, Any]] = lambda request: {}  # noqa: E731


@wraps(_wagtail_make_preview_request)
def _make_preview_request(
    self: Any, original_request: Any = None, *args: Any, **kwargs: Any
) -> Any:
    with request_tracking.as_preview(), request_tracking.trying(tried_by(original_request)):
        return _wagtail_make_preview_request(self, original_request, *args, **kwargs)


# With `preserve-svg` Wagtail keeps those filters of a spec that it knows to do without pixels, by
# their names. On an SVG this app's operation is `fill`.

_wagtail_to_svg_safe_spec = utils.to_svg_safe_spec


@wraps(_wagtail_to_svg_safe_spec)
def _to_svg_safe_spec(filter_specs: str | list[str]) -> str:
    specs = filter_specs.split("|") if isinstance(filter_specs, str) else filter_specs
    as_fill = [f"fill-{each}" if each.startswith("smartresize-") else each for each in specs]
    return str(_wagtail_to_svg_safe_spec(as_fill)).replace("fill-smartresize-", "smartresize-")


# Wagtail derives the focal point of a rendition from its spec's transforms, which are the crop's
# (Wagtail 6843).

_wagtail_focal_point = AbstractRendition.focal_point.func


def _read_focal_point(self: Any) -> Rect | None:
    return focal_point.focal_point(self, _wagtail_focal_point)


_focal_point = cached_property(_read_focal_point)
