"""What Wagtail's own image screens show of ours: the edit page, the listing and the chooser.

These screens have no hook, so some of their class attributes are wrapped, once, when Wagtail loads
our hooks: that goes well with other packages which do the same, and with a site's
subclasses, which inherit it. `EXTEND_IMAGE_VIEWS` is read whenever one of them is used.

What goes wrong in ours is logged, and never keeps Wagtail's screen from being shown. Where Wagtail
has moved what is wrapped, that attachment is missing: a system check tells so.
"""

import logging
from collections.abc import Callable, Iterator
from functools import wraps
from importlib import import_module
from inspect import isfunction
from typing import Any, NamedTuple

from django.utils.functional import cached_property
from django.utils.html import format_html
from wagtail.admin.staticfiles import versioned_static

from wagtail_smart_resize.models.savepoints import harmless
from wagtail_smart_resize.settings import settings

logger = logging.getLogger(__name__)

VIEWS = "wagtail.images.views.images"
WIDGETS = "wagtail.images.widgets"
CHOOSER_TEMPLATE = "wagtail_smart_resize/wagtail_screens/image_chooser.html"
EXTENDED_TEMPLATE = "wagtailimages/widgets/image_chooser.html"

#: The attachment points that this Wagtail doesn't have: "wagtail.images.widgets.SomeClass.name".
missing: list[str] = []


class Moved(LookupError):
    """Wagtail has no such thing there, or has made something else of it."""


# How it is attached


class Point(NamedTuple):
    """A `cached_property` or a method of one of Wagtail's views, whose value is extended by the
    function of `attachments` that `extend` names: its module is loaded by the first screen."""

    view: str
    name: str
    extend: str

    def __str__(self) -> str:
        return f"{VIEWS}.{self.view}.{self.name}"

    def attach(self) -> None:
        view = _find(VIEWS, self.view)
        original = getattr(view, self.name, None)
        if isinstance(original, cached_property):
            wrapped: Any = cached_property(self._wrapped(original.func))
            wrapped.__set_name__(view, self.name)
        elif isfunction(original):
            wrapped = self._wrapped(original)
        else:
            raise Moved(str(self))
        setattr(view, self.name, wrapped)

    def _wrapped(self, original: Any) -> Any:
        @wraps(original)
        def wrapper(view: Any, *args: Any, **kwargs: Any) -> Any:
            return self._extended(view, original(view, *args, **kwargs))

        return wrapper

    def _extended(self, view: Any, value: Any) -> Any:
        try:
            if not settings.EXTEND_IMAGE_VIEWS:
                return value
            from . import additions

            extend: Callable[[Any, Any], Any] = getattr(additions, self.extend)
            with harmless():
                return extend(view, value)
        except Exception:
            logger.exception("%s is shown without what smart resize adds to it", self)
            return value


POINTS = (
    Point("EditView", "header_more_buttons", "add_edit_button"),
    Point("EditView", "get_side_panels", "add_side_panel"),
    Point("IndexView", "header_more_buttons", "add_report_button"),
    Point("IndexView", "columns", "add_column"),
    Point("IndexView", "decorate_paginated_queryset", "load_states"),
)


def attach() -> None:
    """Attach all of it. To be called once in a process."""
    missing[:] = _attached()
    for point in missing:
        logger.warning("Nothing was attached to %s: this Wagtail has moved it", point)


def _attached() -> Iterator[str]:
    """Attaches, and gives what can't be."""
    for attach_one in (*(point.attach for point in POINTS), _attach_chooser):
        try:
            attach_one()
        except Moved as moved:
            yield str(moved)


def _attach_chooser() -> None:
    """The template decides when it is rendered; one that the site has chosen stays."""
    chooser = _find(WIDGETS, "AdminImageChooser")
    template = getattr(chooser, "template_name", None) or "wagtail"
    if template == EXTENDED_TEMPLATE:
        chooser.template_name = CHOOSER_TEMPLATE
    elif template.startswith("wagtail") and template != CHOOSER_TEMPLATE:
        raise Moved(f"{WIDGETS}.AdminImageChooser.template_name")


def _find(module: str, name: str) -> Any:
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise Moved(f"{module}.{name}") from error


# What Wagtail's screens load


def css() -> str:
    """The states' tags, and the places where Wagtail's screens show them."""
    if not settings.EXTEND_IMAGE_VIEWS:
        return ""
    names = ("smart-resize", "attachments")
    return "".join(_tag('<link rel="stylesheet" href="{}">', f"css/{name}.css") for name in names)


def chooser_js() -> str:
    if not settings.EXTEND_IMAGE_VIEWS:
        return ""
    return _tag('<script src="{}"></script>', "js/chooser-link.js")


def _tag(tag: str, name: str) -> str:
    return format_html(tag, versioned_static(f"wagtail_smart_resize/{name}"))
