"""Wagtail hooks: registrations only."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.urls import include, path
from wagtail import hooks

from wagtail_smart_resize.admin.audit_log import FORMATTERS
from wagtail_smart_resize.admin.bulk.action import FocalBulkAction, SmartResizeBulkAction
from wagtail_smart_resize.admin.wagtail_screens import attach
from wagtail_smart_resize.integrity import extra
from wagtail_smart_resize.renditions import request_tracking
from wagtail_smart_resize.renditions.operation import operation_for

from .admin import group_permissions, home_panel, menu
from .admin.bulk import moved_images


@hooks.register("register_image_operations")
def register_image_operations() -> list[tuple[str, Callable[..., Any]]]:
    return [("smartresize", operation_for)]


@hooks.register("register_admin_urls")
def register_admin_urls() -> list[Any]:
    return [path("", include("wagtail_smart_resize.admin.urls"))]


@hooks.register("register_icons")
def register_icons(icons: list[str]) -> list[str]:
    return [*icons, "wagtail_smart_resize/icons/smart-resize.svg"]


@hooks.register("register_log_actions")
def register_log_actions(actions: Any) -> None:
    for action, formatter in FORMATTERS.items():
        actions.register_action(action)(formatter)


@hooks.register("before_serve_page")
def note_page(page: Any, request: HttpRequest, args: Any, kwargs: Any) -> None:
    request_tracking.serve(page)


# The report and the review queue


@hooks.register("register_reports_menu_item")
def register_report_menu_item() -> Any:
    return menu.report_menu_item()


@hooks.register("register_admin_menu_item")
def register_review_menu_item() -> Any:
    return menu.review_menu_item()


@hooks.register("construct_homepage_summary_items")
def add_review_summary_item(request: HttpRequest, items: list[Any]) -> None:
    items.append(menu.ReviewSummaryItem(request))


@hooks.register("insert_global_admin_css")
def link_menu_css() -> str:
    return menu.menu_css()


@hooks.register("construct_homepage_panels")
def add_asked_panel(request: HttpRequest, panels: list[Any]) -> None:
    panels.append(home_panel.AskedPanel(request))


# Wagtail's own image screens


@hooks.register("insert_global_admin_css")
def link_wagtail_screens_css() -> str:
    return attach.css()


@hooks.register("insert_editor_js")
def load_editor_js() -> str:
    return attach.editor_js()


# Groups


@hooks.register("register_group_permission_panel", order=10)
def register_permission_panel() -> Any:
    return group_permissions.permission_panel()


# Wagtail's listing of images

hooks.register("register_bulk_action", SmartResizeBulkAction)
if extra.finds_faces():
    hooks.register("register_bulk_action", FocalBulkAction)


@hooks.register("after_bulk_action")
def follow_moved_images(
    request: HttpRequest, action_type: str, objects: list[Any], action: Any
) -> None:
    moved_images.follow(action.model, objects)


# Wagtail's image screens have no hook: their modules are loaded with Wagtail's own hooks, and so
# are this app's additions.
attach.attach()
