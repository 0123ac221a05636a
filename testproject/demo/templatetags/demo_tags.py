"""What the demo's templates need beside Wagtail's own tags."""

from django import template
from django.utils.html import format_html

from wagtail_smart_resize.settings import settings
from wagtail_smart_resize.states import StateName, states, with_state_relations

register = template.Library()


@register.simple_tag
def live_badge(photo, target):
    """Say whether a slot ("600x315-c50") or preset of the photo shows the crop or more.

    `tour.py` reads from `data-waits` that a version waits for a person.
    """
    slot, recipe = settings.parse_slot(target)
    entry = photo.smart_resize.entry(slot.shape, recipe)
    if entry and entry.file:
        return format_html('<span class="badge badge-live">{}</span>', "recomposed")
    if waits(photo, slot.shape, recipe):
        text = "standard crop, a version waits for an editor"
        return format_html('<span class="badge" data-waits="{}">{}</span>', target, text)
    return format_html('<span class="badge">{}</span>', "standard crop")


def waits(photo, shape, recipe):
    rows = photo.smart_resize_recompositions.filter(
        source_hash=photo.file_hash, shape=shape, recipe=recipe
    )
    found = states(list(with_state_relations(rows)))
    return any(state.name == StateName.REVIEW for state in found)
