"""`{{ photo|smart_resize:"1200x630-c50|format-webp" }}`: a rendition where a tag is too much.

`{% if rendition|is_recomposed %}`: whether it shows a recomposed picture.
"""

from typing import Any

from django import template
from django.utils.safestring import mark_safe
from wagtail.images.models import Filter
from wagtail.images.shortcuts import get_rendition_or_not_found

from wagtail_smart_resize.renditions.recomposed import is_recomposed

register = template.Library()
register.filter(is_recomposed)


class Shown:
    """A rendition that a template prints as its `<img>` tag, and asks for its attributes."""

    def __init__(self, rendition: Any) -> None:
        self.rendition = rendition

    def __getattr__(self, name: str) -> Any:
        return getattr(self.rendition, name)

    def __str__(self) -> str:
        return mark_safe(self.rendition.img_tag())  # Wagtail has escaped the attributes

    __html__ = __str__


@register.filter
def smart_resize(image: Any, spec: str) -> Any:
    """The image's rendition for a slot or preset, with further operations after a bar.

    Printed it is the `<img>` tag; `url`, `width` and the rest are the rendition's.

    "" for no image; for an image whose file is gone, what `{% image %}` shows then. Raises
    `InvalidFilterSpecError` for a bad spec.
    """
    if not image:
        return ""
    return Shown(get_rendition_or_not_found(image, Filter(f"smartresize-{spec}")))
