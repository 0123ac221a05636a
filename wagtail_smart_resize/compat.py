"""Differences between the supported versions, newest first. Nothing else checks versions.

Nothing of Wagtail's is looked up while this module is imported: its registries are not ready then.
"""

from typing import Any

import django
from django.conf import settings as django_settings
from django.db.models import Model
from wagtail import VERSION as WAGTAIL_VERSION
from wagtail.images import get_image_model

if django.VERSION >= (6, 0):
    from django.tasks import DEFAULT_TASK_BACKEND_ALIAS, task, task_backends
    from django.tasks.backends.dummy import DummyBackend
else:
    from django_tasks import (  # type: ignore[assignment,no-redef]
        DEFAULT_TASK_BACKEND_ALIAS,
        task,
        task_backends,
    )
    from django_tasks.backends.dummy import DummyBackend  # type: ignore[assignment]

if WAGTAIL_VERSION >= (8, 0):
    # Pydantic, for Wagtail's API v3, needs this TypedDict under Python 3.11.
    from typing_extensions import TypedDict
else:
    from typing import TypedDict

__all__ = [
    "DummyBackend",
    "TypedDict",
    "get_image_permission_policy",
    "get_page_model",
    "get_task_backend",
    "task",
    "task_backend_alias",
]

OWN_TASK_BACKEND_ALIAS = "smart_resize"


def task_backend_alias() -> str:
    """Return the alias in TASKS that runs the tick: "smart_resize" if the site has defined it."""
    named = getattr(django_settings, "TASKS", None) or {}
    return OWN_TASK_BACKEND_ALIAS if OWN_TASK_BACKEND_ALIAS in named else DEFAULT_TASK_BACKEND_ALIAS


def get_task_backend() -> Any:
    """Return the tasks backend of that alias. Raise ImproperlyConfigured if there is none."""
    return task_backends[task_backend_alias()]


def get_image_permission_policy() -> Any:
    """Return the present permission policy of the site's image model."""
    if WAGTAIL_VERSION >= (8, 0):
        from wagtail.permissions import policy_registry

        return policy_registry.get_by_type(get_image_model())

    from wagtail.images import permissions

    return permissions.permission_policy


def get_page_model() -> type[Model]:
    """Return the base model of all pages, which a site may have swapped since Wagtail 8.0."""
    if WAGTAIL_VERSION >= (8, 0):
        import swapper

        return swapper.load_model("wagtailcore", "Page")

    from wagtail.models import Page

    return Page
