"""Template tags and filters of the app's admin screens."""

import json
from typing import Any

from django import template

from wagtail_smart_resize.admin.image import price_preview
from wagtail_smart_resize.core import formatting
from wagtail_smart_resize.core.money import Price
from wagtail_smart_resize.editorial import audit, estimates, pipeline_health
from wagtail_smart_resize.models import PipelineState
from wagtail_smart_resize.settings import settings

register = template.Library()


@register.filter(name="json")
def as_json(value: Any) -> str:
    """Return JSON for a Stimulus value. Django's autoescaping makes it safe in an attribute."""
    return json.dumps(value)


@register.inclusion_tag("wagtail_smart_resize/stopped.html")
def stopped_notice() -> dict[str, Any]:
    """Show that a person has stopped all buying, where that is so."""
    return {"notices": list(pipeline_health.stopped_by_person(PipelineState.peek()))}


#: The key by which each reason to decline is given.
DECLINE_KEYS = {"face": "f", "lettering": "l", "quality": "q", "crop": "c"}


@register.simple_tag
def decline_reasons() -> list[tuple[str, str, Any]]:
    """Return the reasons for which a version is declined: key, code and text."""
    return [(DECLINE_KEYS[code], code, text) for code, text in audit.DECLINE_REASONS.items()]


@register.filter
def field(form: Any, name: str) -> Any:
    return form[name]


@register.filter
def chosen(texts: dict[str, str], count: int) -> str:
    return price_preview.chosen_preview(texts, count)


@register.simple_tag
def extends_image_views() -> bool:
    return settings.EXTEND_IMAGE_VIEWS


@register.filter
def price(value: Price) -> str:
    return formatting.price_text(value)


@register.filter
def over_budget(estimate: Any) -> str:
    return estimates.over_budget(estimate)
