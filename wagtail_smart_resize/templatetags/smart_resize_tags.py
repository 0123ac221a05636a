"""`{{ photo|smart_resize:"1200x630-c50|format-webp" }}`: a rendition, wherever a tag is too much."""

from typing import Any

from django import template
from wagtail.images.models import Filter
from wagtail.images.shortcuts import get_rendition_or_not_found

register = template.Library()


@register.filter
def smart_resize(image: Any, spec: str) -> Any:
    """The image's rendition for a slot or preset, with further operations after a bar.

    "" for no image; for an image whose file is gone, what `{% image %}` shows then. Raises
    `InvalidFilterSpecError` for a bad spec.
    """
    if not image:
        return ""
    return get_rendition_or_not_found(image, Filter(f"smartresize-{spec}"))
