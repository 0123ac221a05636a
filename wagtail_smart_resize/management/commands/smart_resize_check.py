"""Command that tries what an installation needs, once it is set up."""

import sys
from typing import Any

from django.core.management.base import BaseCommand

from wagtail_smart_resize.editorial import installation
from wagtail_smart_resize.editorial.installation import Result


class Command(BaseCommand):
    help = (
        "Tries what an installation needs: the site's address as the service sees it, the service "
        "and the key, the storages, and whether something does the work. Buys nothing. The exit "
        "status is 1 if something is wrong."
    )
    # What it finds is said as part of the whole.
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        results = set()
        for found in installation.findings():
            results.add(found.result)
            self.stdout.write(f"{found.result:<11} {found.name}: {found.message}")
            if found.remedy:
                self.stdout.write(f"{'':<11} {found.remedy}")
        if Result.WRONG in results:
            sys.exit(1)
