"""Command that stops all buying at once, or lets it go on."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from wagtail_smart_resize import actions
from wagtail_smart_resize.core import database
from wagtail_smart_resize.core.schema import problem_of


class Command(BaseCommand):
    help = (
        "Stops all buying at once, on all machines, or lets it go on. What was sent before is "
        "fetched and shown all the same. Editors are told on every screen."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("act", choices=["stop", "resume"], help="What to do.")

    def handle(self, *args: Any, **options: Any) -> None:
        if problem := problem_of(database.alias()):
            raise CommandError(problem)
        if options["act"] == "stop":
            changed = actions.stop_buying()
            told = "Nothing more is bought." if changed else "It was stopped before."
        else:
            changed = actions.resume_buying()
            told = "Buying goes on within a minute." if changed else "It was not stopped."
        if options["verbosity"]:
            self.stdout.write(told)
