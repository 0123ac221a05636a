"""The additions to Wagtail's image views: buttons, the side panel and the listing's column.

Each function takes a view and the value that Wagtail computed for it, and returns the value to use.
Only what reads this app's tables has a savepoint: Wagtail has read the permissions already.
"""

from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from wagtail.admin.widgets import Button

from wagtail_smart_resize.admin.base import may_see
from wagtail_smart_resize.editorial import permissions
from wagtail_smart_resize.models.savepoints import savepoint_if_atomic

from .columns import StateColumn
from .side_panel import SmartResizeSidePanel
from .url_generator import filter_spec as add_filter_spec

__all__ = [
    "add_column",
    "add_edit_button",
    "add_filter_spec",
    "add_report_button",
    "add_side_panel",
    "load_states",
]


def add_edit_button(view: Any, buttons: list[Any]) -> list[Any]:
    url = reverse("smart_resize_admin:image", args=[view.object.pk])
    # A site's own view may have added it already, through `SmartResizeEditViewMixin`.
    if any(button.url == url for button in buttons) or not may_see(view.request.user, view.object):
        return buttons
    return [*buttons, Button(_("Smart resize"), url=url, icon_name="smart-resize", priority=5)]


def add_side_panel(view: Any, panels: Any) -> Any:
    known = any(isinstance(panel, SmartResizeSidePanel) for panel in panels)
    if not known and may_see(view.request.user, view.object):
        with savepoint_if_atomic():
            panels.append(SmartResizeSidePanel(view.object, view.request))
    return panels


def add_report_button(view: Any, buttons: list[Any]) -> list[Any]:
    if not permissions.may_smart_resize_any(view.request.user):
        return buttons
    url = reverse("smart_resize_admin:report")
    return [*buttons, Button(_("Smart resize report"), url=url, icon_name="smart-resize")]


def add_column(view: Any, columns: list[Any]) -> list[Any]:
    """Add the state column. `columns` is empty where the listing is not a table."""
    if columns and permissions.may_smart_resize_any(view.request.user):
        return [*columns, StateColumn("smart_resize", label=_("Smart resize"))]
    return columns


def load_states(view: Any, images: Any) -> Any:
    """Load the states of all images on a page of the listing at once; return `images`."""
    for column in view.columns:
        if isinstance(column, StateColumn):
            with savepoint_if_atomic():
                column.load(view.request.user, [image.pk for image in images])
    return images
