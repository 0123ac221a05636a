"""What Wagtail's own image screens show of ours: the edit page, the listing and the chooser.

These screens have no hook, so some of their class attributes are wrapped, once, from
`AppConfig.ready`: that goes well with other packages which do the same, and with a site's
subclasses, which inherit it. `EXTEND_IMAGE_VIEWS` is read whenever one of them is used.

What goes wrong in ours is logged, and never keeps Wagtail's screen from being shown. Where Wagtail
has moved what is wrapped, that attachment is missing: a system check tells so.
"""

import contextlib
import logging
from collections.abc import Callable, Iterator
from functools import wraps
from importlib import import_module
from inspect import isfunction
from typing import Any, NamedTuple

from django.db import connections, router, transaction
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.translation import gettext as _
from wagtail.admin.staticfiles import versioned_static
from wagtail.admin.widgets import Button

from . import permissions
from .columns import StateColumn
from .models import Recomposition
from .settings import settings
from .side_panels import SmartResizeSidePanel
from .views.base import may_see

logger = logging.getLogger(__name__)

VIEWS = "wagtail.images.views.images"
WIDGETS = "wagtail.images.widgets"
CHOOSER_TEMPLATE = "wagtail_smart_resize/widgets/image_chooser.html"
EXTENDED_TEMPLATE = "wagtailimages/widgets/image_chooser.html"

#: The attachment points that this Wagtail doesn't have: "wagtail.images.widgets.SomeClass.name".
missing: list[str] = []


class Moved(LookupError):
    """Wagtail has no such thing there, or has made something else of it."""


# What is added. Each takes a view and what Wagtail has for it, and returns what to show.


def add_edit_button(view: Any, buttons: list[Any]) -> list[Any]:
    url = reverse("smart_resize_admin:image", args=[view.object.pk])
    # The site's own view may have it already, by the mixin.
    if any(button.url == url for button in buttons) or not may_see(view.request.user, view.object):
        return buttons
    return [*buttons, Button(_("Smart resize"), url=url, icon_name="smart-resize", priority=5)]


def add_side_panel(view: Any, panels: Any) -> Any:
    known = any(isinstance(panel, SmartResizeSidePanel) for panel in panels)
    if not known and may_see(view.request.user, view.object):
        panels.append(SmartResizeSidePanel(view.object, view.request))
    return panels


def add_report_button(view: Any, buttons: list[Any]) -> list[Any]:
    if not permissions.may_smart_resize_any(view.request.user):
        return buttons
    url = reverse("smart_resize_admin:report")
    return [*buttons, Button(_("Smart resize report"), url=url, icon_name="smart-resize")]


def add_column(view: Any, columns: list[Any]) -> list[Any]:
    """There are columns only where the listing is a table."""
    if columns and permissions.may_smart_resize_any(view.request.user):
        return [*columns, StateColumn("smart_resize", label=_("Smart resize"))]
    return columns


def load_states(view: Any, images: Any) -> Any:
    """Those of all the images on a page of the listing, at once."""
    for column in view.columns:
        if isinstance(column, StateColumn):
            column.load(view.request.user, [image.pk for image in images])
    return images


class SmartResizeEditViewMixin:
    """For a site whose image edit page is a view of its own, or that has `EXTEND_IMAGE_VIEWS` off.

        class ImageEditView(SmartResizeEditViewMixin, wagtail.images.views.images.EditView):
            ...

        @hooks.register("register_admin_urls", order=-10)
        def image_edit_url():
            return [path("images/<int:image_id>/", ImageEditView.as_view())]

    It adds the entry in the header's menu and the side panel, whatever that setting says.
    """

    @cached_property
    def header_more_buttons(self) -> list[Any]:
        return add_edit_button(self, super().header_more_buttons)  # type: ignore[misc]

    def get_side_panels(self) -> Any:
        return add_side_panel(self, super().get_side_panels())  # type: ignore[misc]


# How it is attached


class Point(NamedTuple):
    """A `cached_property` or a method of one of Wagtail's views, whose value `extend` extends."""

    view: str
    name: str
    extend: Callable[[Any, Any], Any]

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
            with _harmless():
                return self.extend(view, value)
        except Exception:
            logger.exception("%s is shown without what smart resize adds to it", self)
            return value


def _harmless() -> contextlib.AbstractContextManager[Any]:
    """Queries of ours that fail must not abort the request's transaction, if it has one."""
    alias = router.db_for_read(Recomposition)
    if connections[alias].in_atomic_block:
        return transaction.atomic(using=alias)
    return contextlib.nullcontext()


POINTS = (
    Point("EditView", "header_more_buttons", add_edit_button),
    Point("EditView", "get_side_panels", add_side_panel),
    Point("IndexView", "header_more_buttons", add_report_button),
    Point("IndexView", "columns", add_column),
    Point("IndexView", "decorate_paginated_queryset", load_states),
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
