"""The template filters and functions for Jinja2, as an extension for the environment's settings."""

from jinja2 import Environment
from jinja2.ext import Extension

from wagtail_smart_resize.renditions.label import smart_resize_label, smart_resize_labelled
from wagtail_smart_resize.renditions.recomposed import is_recomposed
from wagtail_smart_resize.templatetags.smart_resize_tags import smart_resize

__all__ = ["smart_resize_tags"]


class SmartResizeExtension(Extension):
    """Adds `photo|smart_resize("1200x630")` and `rendition|is_recomposed`, and two functions.

    `smart_resize_label(rendition)` gives the label, `smart_resize_labelled(rendition)` the picture
    with it.
    """

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        environment.filters.update(smart_resize=smart_resize, is_recomposed=is_recomposed)
        environment.globals.update(
            smart_resize_label=smart_resize_label, smart_resize_labelled=smart_resize_labelled
        )


# Named as Wagtail names its own extensions.
smart_resize_tags = SmartResizeExtension
