"""Migrates the database of the settings and adds plain pictures, or photographs."""

import io
import sys

import django

django.setup()

from django.core.files.images import ImageFile  # noqa: E402
from django.core.management import call_command  # noqa: E402
from support.factories import photograph, plain_image, uploaded  # noqa: E402

call_command("migrate", verbosity=0)
for number in range(int(sys.argv[1])):
    if "photographs" in sys.argv[2:]:
        # Of different sizes, so that no two files are the same.
        content = io.BytesIO(photograph(2000 - number, 1400))
        uploaded(title=f"Photo {number}", file=ImageFile(content, f"photo-{number}.jpg"))
    else:
        plain_image(1600, 1000, f"hsl({number * 20}, 60%, 50%)")
