"""Attach the app to Wagtail's image edit page, listing, chooser and URL generator.

Wagtail has no hooks for these screens, so some of their class attributes are wrapped once, when
Wagtail loads the app's hooks. Wrapping is compatible with other packages that do the same, and a
site's subclasses inherit it. `EXTEND_IMAGE_VIEWS` is read on every use.

Errors in the additions are logged and never keep Wagtail's screen from being shown. Where Wagtail
has moved an attribute, that attachment is missing and a system check reports it.
"""

from collections.abc import Callable, Iterator
from functools import wraps
from importlib import import_module
from inspect import isfunction
from typing import Any, NamedTuple

from django.utils.functional import cached_property
from django.utils.html import format_html
from wagtail.admin.staticfiles import versioned_static

from wagtail_smart_resize.core.logs import get_logger
from wagtail_smart_resize.core.schema import schema
from wagtail_smart_resize.settings import settings

logger = get_logger(__name__)

VIEWS = "wagtail.images.views.images"
WIDGETS = "wagtail.images.widgets"
CHOOSER_TEMPLATE = "wagtail_smart_resize/wagtail_screens/image_chooser.html"
EXTENDED_TEMPLATE = "wagtailimages/widgets/image_chooser.html"

#: Attachment points that this Wagtail lacks, such as "wagtail.images.widgets.SomeClass.name".
missing: list[str] = []


class Moved(LookupError):
    """Wagtail lacks the attribute, or it is of another kind than expected."""


# Attaching


class Point(NamedTuple):
    """A `cached_property` or method of a Wagtail view, and what extends its value.

    `extend` names a function of `additions`, which is imported when a screen first needs it.
    """

    view: str
    name: str
    extend: str

    def __str__(self) -> str:
        return f"{VIEWS}.{self.view}.{self.name}"

    def attach(self) -> None:
        """Wrap the attribute. Raises Moved if it is not there or of another kind."""
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
            return extended(view, original(view, *args, **kwargs), self.extend, if_=is_on)

        return wrapper


POINTS = (
    Point("EditView", "header_more_buttons", "add_edit_button"),
    Point("EditView", "get_side_panels", "add_side_panel"),
    Point("IndexView", "header_more_buttons", "add_report_button"),
    Point("IndexView", "columns", "add_column"),
    Point("IndexView", "decorate_paginated_queryset", "load_states"),
    Point("URLGeneratorView", "get_filter_spec", "add_filter_spec"),
)


def extended(view: Any, value: Any, by: str, *, if_: Callable[[], bool]) -> Any:
    """Return what the function of `additions` named `by` makes of the view's value.

    The value itself where `if_` says no, or where the function fails.
    """
    try:
        if not if_():
            return value
        from . import additions

        extend: Callable[[Any, Any], Any] = getattr(additions, by)
        return extend(view, value)
    except Exception:
        name = type(view).__qualname__
        if schema.is_still_current():
            logger.exception("%s is shown without what smart resize adds to it (%s)", name, by)
        return value


def is_on() -> bool:
    """Return whether Wagtail's screens are to show anything of this app."""
    return settings.EXTEND_IMAGE_VIEWS and schema.is_current()


def attach() -> None:
    """Attach everything, and record in `missing` what could not be. Call once per process."""
    missing[:] = _attached()
    for point in missing:
        logger.warning("Nothing was attached to %s: this Wagtail has moved it", point)


def _attached() -> Iterator[str]:
    """Attach each point, and yield the names of those that Wagtail has moved."""
    attachments = (*(point.attach for point in POINTS), _attach_chooser, _attach_url_generator)
    for attach_one in attachments:
        try:
            attach_one()
        except Moved as moved:
            yield str(moved)


def _attach_chooser() -> None:
    """Replace the chooser's template, unless the site has set one of its own.

    The new template reads `EXTEND_IMAGE_VIEWS` itself, when it is rendered.
    """
    chooser = _find(WIDGETS, "AdminImageChooser")
    template = getattr(chooser, "template_name", None) or "wagtail"
    if template == EXTENDED_TEMPLATE:
        chooser.template_name = CHOOSER_TEMPLATE
    elif template.startswith("wagtail") and template != CHOOSER_TEMPLATE:
        raise Moved(f"{WIDGETS}.AdminImageChooser.template_name")


def _attach_url_generator() -> None:
    """Replace the form and the filter by which the URL generator offers and previews filters."""
    from .url_generator import SmartResizeURLForm, TriedFilter

    for name, ours in (("URLGeneratorForm", SmartResizeURLForm), ("Filter", TriedFilter)):
        _find(VIEWS, name)
        setattr(import_module(VIEWS), name, ours)


def _find(module: str, name: str) -> Any:
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise Moved(f"{module}.{name}") from error


# Assets


def css() -> str:
    """Return the stylesheet links for state tags and where they stand in Wagtail's screens.

    "" if `EXTEND_IMAGE_VIEWS` is off.
    """
    if not settings.EXTEND_IMAGE_VIEWS:
        return ""
    names = ("smart-resize", "wagtail-screens")
    return "".join(_tag('<link rel="stylesheet" href="{}">', f"css/{name}.css") for name in names)


def editor_js() -> str:
    """Return the script tags for image choosers and pages; "" if `EXTEND_IMAGE_VIEWS` is off."""
    if not settings.EXTEND_IMAGE_VIEWS:
        return ""
    names = ("chooser-link", "page-strip")
    return "".join(_tag('<script src="{}"></script>', f"js/{name}.js") for name in names)


def _tag(tag: str, name: str) -> str:
    return format_html(tag, versioned_static(f"wagtail_smart_resize/{name}"))
