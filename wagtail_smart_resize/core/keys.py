"""Primary keys that arrive as text, from forms and URLs."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models


def parse_key(model: type[models.Model], text: str) -> Any:
    """Return the primary key that the text stands for; None if no row can have it.

    A number may have more digits than a database can compare, or than Python converts.
    """
    try:
        return model._meta.pk.clean(text, None)
    except ValidationError:
        return None
