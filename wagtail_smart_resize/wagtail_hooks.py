"""What Wagtail asks of us: registrations only."""

from typing import Any

from wagtail import hooks

from .image_operations import SmartResizeOperation
from .log_actions import FORMATTERS


@hooks.register("register_image_operations")
def register_image_operations() -> list[tuple[str, type]]:
    return [("smartresize", SmartResizeOperation)]


@hooks.register("register_log_actions")
def register_log_actions(actions: Any) -> None:
    for action, formatter in FORMATTERS.items():
        actions.register_action(action)(formatter)
