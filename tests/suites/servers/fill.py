"""Migrates the database of the settings and adds photographs."""

import django

django.setup()

from django.core.management import call_command  # noqa: E402
from support.factories import photo  # noqa: E402

call_command("migrate", verbosity=0)
for name in ("rocket.jpg", "chelsea.png"):
    photo(name)
