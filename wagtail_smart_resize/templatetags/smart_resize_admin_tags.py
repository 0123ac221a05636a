"""What our screens in the admin need of templates."""

import json
from typing import Any

from django import template

from .. import words
from ..settings import Price, settings
from ..views import estimates, offers

register = template.Library()


@register.filter(name="json")
def as_json(value: Any) -> str:
    """For a Stimulus value in an attribute, which Django's escaping makes safe."""
    return json.dumps(value)


@register.filter
def chosen(texts: dict[str, str], count: int) -> str:
    return offers.chosen(texts, count)


@register.simple_tag
def extends_image_views() -> bool:
    return settings.EXTEND_IMAGE_VIEWS


@register.filter
def price(value: Price) -> str:
    return words.price_text(value)


@register.filter
def over_budget(estimate: Any) -> str:
    return estimates.over_budget(estimate)
