"""Command that does the work in a process of its own, until Ctrl-C or SIGTERM."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from wagtail_smart_resize.management.ending import ends_in_good_order
from wagtail_smart_resize.models import ownership
from wagtail_smart_resize.runners import loop


class Command(BaseCommand):
    help = (
        "Buys, fetches and publishes recompositions as they become due, in the foreground. Any "
        "number of workers may run, on any number of machines."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        if problem := ownership.problem():
            raise CommandError(problem)
        work = loop.Loop(alone=False)
        tell = self._print if options["verbosity"] else lambda _text: None
        with ends_in_good_order(tell, work.stop):
            tell("The worker is running. Ctrl-C or SIGTERM ends it when what is under way is done.")
            work.run()
        tell("The worker has stopped.")

    def _print(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()
