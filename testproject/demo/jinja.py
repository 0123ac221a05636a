"""The Jinja2 environment: Django's `static` beside what Wagtail's extensions add."""

from django.templatetags.static import static
from jinja2 import Environment


def environment(**options):
    env = Environment(**options)
    env.globals["static"] = static
    return env
