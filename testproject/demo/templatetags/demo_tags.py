"""What the demo's templates need beside Wagtail's own tags."""

from django import template
from django.utils.html import format_html

from wagtail_smart_resize.settings import settings

register = template.Library()


@register.simple_tag
def live_badge(photo, target):
    """Say whether a slot ("600x315-c50") or preset of the photo shows the crop or more."""
    slot, recipe = settings.parse_slot(target)
    entry = photo.smart_resize.entry(slot.shape, recipe)
    if entry and entry.file:
        return format_html('<span class="badge badge-live">{}</span>', "recomposed")
    return format_html('<span class="badge">{}</span>', "standard crop")
