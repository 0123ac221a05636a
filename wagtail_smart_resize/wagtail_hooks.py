"""What Wagtail asks of us: registrations only."""

from wagtail import hooks

from .image_operations import SmartResizeOperation


@hooks.register("register_image_operations")
def register_image_operations() -> list[tuple[str, type]]:
    return [("smartresize", SmartResizeOperation)]
