"""What differs between the versions that we support, newest first. Nothing else asks for versions.

Nothing of Wagtail's is looked up when this module is imported: its registries are not ready then.
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
    # What Pydantic reads, for Wagtail's API v3, under Python 3.11.
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
    """The entry of TASKS that runs our task: one of our own where the site has made it."""
    named = getattr(django_settings, "TASKS", None) or {}
    return OWN_TASK_BACKEND_ALIAS if OWN_TASK_BACKEND_ALIAS in named else DEFAULT_TASK_BACKEND_ALIAS


def get_task_backend() -> Any:
    """The tasks backend of that entry. Raises ImproperlyConfigured where there is none such."""
    return task_backends[task_backend_alias()]


def get_image_permission_policy() -> Any:
    """The permission policy of the site's image model, as it is now."""
    if WAGTAIL_VERSION >= (8, 0):
        from wagtail.permissions import policy_registry

        return policy_registry.get_by_type(get_image_model())

    from wagtail.images import permissions

    return permissions.permission_policy


def get_page_model() -> type[Model]:
    """The model at the base of all pages, which a site may have swapped since Wagtail 8.0."""
    if WAGTAIL_VERSION >= (8, 0):
        import swapper

        return swapper.load_model("wagtailcore", "Page")

    from wagtail.models import Page

    return Page
