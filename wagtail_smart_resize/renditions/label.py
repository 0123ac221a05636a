"""The label that visitors see on a recomposed picture: its words, its place, its markup.

`static/wagtail_smart_resize/css/label.css` gives it its looks. A site may use its own instead.
"""

from copy import copy
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from wagtail.images.models import ResponsiveImage

from wagtail_smart_resize.settings import Setting, Settings, settings

from .recomposed import is_recomposed

__all__ = ["smart_resize_label", "smart_resize_labelled"]


def smart_resize_label(rendition: Any, text: Any = None, position: str | None = None) -> SafeString:
    """Return the label of a recomposed rendition, and "" for all else. Makes no query.

    `text` and `position` replace LABEL_TEXT and LABEL_POSITION. Raises ValueError for an unknown
    position, also where nothing is recomposed yet: the mistake is seen while the page is written.
    """
    position = _chosen(Settings.LABEL_POSITION, position)
    if not is_recomposed(rendition):
        return SafeString()
    text = _chosen(Settings.LABEL_TEXT, text)
    place = "below" if position == "below" else f"over smart-resize-ai-label--{position}"
    classes = f"smart-resize-ai-label smart-resize-ai-label--{place}"
    return format_html('<span class="{}">{}</span>', classes, text)


def smart_resize_labelled(
    rendition: Any, text: Any = None, position: str | None = None, **attributes: Any
) -> SafeString:
    """Return a rendition's tag, within a frame that holds the label too if it is recomposed.

    `attributes` are those of the `<img>`. Nothing is framed but what is labelled.
    """
    label = smart_resize_label(rendition, text, position)
    tag = _tag(rendition, attributes)
    if not label:
        return tag
    return format_html('<span class="smart-resize-ai-picture">{}{}</span>', tag, label)


def _tag(rendition: Any, attributes: dict[str, Any]) -> SafeString:
    """Return what Wagtail prints for a rendition or a `<picture>`; it escapes the attributes."""
    if not rendition:
        return SafeString()
    if isinstance(rendition, ResponsiveImage):
        return mark_safe(_with_attributes(rendition, attributes).__html__())
    return mark_safe(rendition.img_tag(attributes))


def _with_attributes(picture: ResponsiveImage, attributes: dict[str, Any]) -> ResponsiveImage:
    """Return a copy: Wagtail's own changes its attributes whenever it is printed."""
    made = copy(picture)
    made.attrs = {**(picture.attrs or {}), **attributes}
    return made


def _chosen(setting: Setting[Any], given: Any) -> Any:
    """Return what the template says, else the site's value.

    A setting that can't be used must not take the label from the page: then it is the default.
    """
    if given:
        try:
            return setting.clean(given)
        except ValueError as error:
            raise ValueError(f"smart_resize_label: {error}") from error
    try:
        return getattr(settings, setting.name)
    except ImproperlyConfigured:
        return setting.default
