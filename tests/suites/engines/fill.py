"""Migrates the database of the settings and adds plain pictures."""

import sys

import django

django.setup()

from django.core.management import call_command  # noqa: E402
from support.factories import plain_image  # noqa: E402

call_command("migrate", verbosity=0)
for number in range(int(sys.argv[1])):
    plain_image(1600, 1000, f"hsl({number * 20}, 60%, 50%)")
