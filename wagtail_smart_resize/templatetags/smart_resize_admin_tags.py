"""What our screens in the admin need of templates."""

import json
from typing import Any

from django import template

from ..views import offers

register = template.Library()


@register.filter(name="json")
def as_json(value: Any) -> str:
    """For a Stimulus value in an attribute, which Django's escaping makes safe."""
    return json.dumps(value)


@register.filter
def chosen(texts: dict[str, str], count: int) -> str:
    return offers.chosen(texts, count)
