"""Template filters and tags for renditions.

`{{ photo|smart_resize:"1200x630-c50|format-webp" }}` gives a rendition without a tag.
`{% if rendition|is_recomposed %}` tests whether it shows a recomposed picture.
`{% smart_resize_label rendition %}` prints a label that says so, and nothing for other pictures.
`{% smart_resize_labelled rendition %}` prints the picture, and the label with it.
"""

from typing import Any

from django import template
from django.utils.safestring import mark_safe
from wagtail.images.models import Filter
from wagtail.images.shortcuts import get_rendition_or_not_found

from wagtail_smart_resize.renditions.label import smart_resize_label, smart_resize_labelled
from wagtail_smart_resize.renditions.recomposed import is_recomposed

register = template.Library()
register.filter(is_recomposed)
register.simple_tag(smart_resize_label)
register.simple_tag(smart_resize_labelled)


class Shown:
    """Wrapper of a rendition that prints as its `<img>` tag and exposes its attributes."""

    def __init__(self, rendition: Any) -> None:
        self.rendition = rendition

    def __getattr__(self, name: str) -> Any:
        return getattr(self.rendition, name)

    def __str__(self) -> str:
        return mark_safe(self.rendition.img_tag())  # Wagtail escapes the attributes.

    __html__ = __str__


@register.filter
def smart_resize(image: Any, spec: str) -> Any:
    """Return the image's rendition for a slot or preset; other operations may follow after "|".

    The result prints as the `<img>` tag; `url`, `width` and the rest are the rendition's.

    Returns "" for no image and, for an image whose file is missing, the placeholder that
    `{% image %}` shows. Raises `InvalidFilterSpecError` for a bad spec.
    """
    if not image:
        return ""
    return Shown(get_rendition_or_not_found(image, Filter(f"smartresize-{spec}")))
