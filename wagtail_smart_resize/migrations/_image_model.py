"""Which migration our tables must follow: the one that makes the site's image model."""

import pkgutil
from importlib import import_module

from django.db import migrations
from django.db.migrations.loader import MigrationLoader
from wagtail.images import get_image_model_string


def image_model_dependency() -> tuple[str, str]:
    """The migration that creates the image model, or gives it its present name.

    The first migration of its app would be too early where the model came later, and the latest
    one would make a circle as soon as that app depends on ours.
    """
    label, name = get_image_model_string().split(".")
    module_name, _explicit = MigrationLoader.migrations_module(label)
    if module_name is None:
        return label, "__first__"
    module = import_module(module_name)
    for info in sorted(pkgutil.iter_modules(module.__path__), key=lambda each: each.name):
        if info.name[0] in "_~":
            continue
        migration = getattr(import_module(f"{module_name}.{info.name}"), "Migration", None)
        if any(_makes(operation, name) for operation in getattr(migration, "operations", ())):
            return label, info.name
    return label, "__first__"


def _makes(operation: migrations.operations.base.Operation, name: str) -> bool:
    if isinstance(operation, migrations.CreateModel):
        return operation.name.lower() == name.lower()
    if isinstance(operation, migrations.RenameModel):
        return operation.new_name.lower() == name.lower()
    return False
