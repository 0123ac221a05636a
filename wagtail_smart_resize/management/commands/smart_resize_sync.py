"""Command that repairs what was left undone and, with --wait, does all that is due."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from wagtail_smart_resize.core import database
from wagtail_smart_resize.core.schema import problem_of
from wagtail_smart_resize.editorial import lost_files
from wagtail_smart_resize.models import PipelineState, Recomposition, ownership
from wagtail_smart_resize.repair import repairs
from wagtail_smart_resize.runners import drain, modes


class Command(BaseCommand):
    help = (
        "Repairs what lost processes left undone. With --wait it also does the work, whatever "
        "RUNNER says, until nothing is left to buy, fetch, publish or purge. The exit status is 1 "
        "if something failed or the time was over."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--wait", action="store_true", help="Do the work as well, and return when it is done."
        )
        parser.add_argument(
            "--timeout",
            type=_seconds,
            default=3600.0,
            metavar="S",
            help="With --wait: give up after so many seconds (default: %(default)g).",
        )
        parser.add_argument(
            "--lost",
            choices=("count", "want", "crop"),
            help="Ask the storage for the file of each recomposed picture, and for those that are "
            "missing: count them, want them anew, or go back to the crop.",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="Change nothing; say what would be done."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["dry_run"] and options["wait"]:
            raise CommandError("--dry-run changes nothing: there is nothing to --wait for.")
        if problem := problem_of(database.alias()) or ownership.problem():
            raise CommandError(problem)
        if options["lost"]:
            self._look_for_files("" if options["dry_run"] else options["lost"])
        failed = self._repair(options["dry_run"])
        if options["wait"]:
            failed |= self._finish(options["timeout"])
        elif not options["dry_run"] and modes.mode() == "tasks":
            # A thread of this process would be killed with it. Sites that run by threads find the
            # work by themselves.
            modes.wake()
        if failed:
            raise CommandError("Something failed: the log says what.")

    def _look_for_files(self, act: str) -> None:
        live = others = 0
        for loss in lost_files.losses(Recomposition.objects.current()):
            live += loss.is_live
            others += len(loss.candidates) - loss.is_live
            if act == "count":
                lost_files.note(loss)
            elif act:
                lost_files.settle(loss, again=act == "want")
        self.stdout.write(f"live pictures without a file: {live}, others: {others}")

    def _repair(self, dry_run: bool) -> bool:
        if dry_run:
            self.stdout.write("Dry run: nothing is changed. A run would come to this:")
        else:
            PipelineState.get_current().update_if(where={}, last_repair_at=timezone.now())
        report = repairs.run(dry_run=dry_run)
        for line in report.lines() or ["Nothing to repair."]:
            self.stdout.write(line)
        if report.failed:
            self.stderr.write(f"repairs that failed: {report.failed}")
        return bool(report.failed)

    def _finish(self, seconds: float) -> bool:
        ending = drain.finish(seconds, self._show_progress)
        if self.stdout.isatty():
            self.stdout.write("")
        for count, words in _failures(ending):
            if count:
                self.stderr.write(f"{words}: {count}")
        if ending.ok:
            self.stdout.write("Nothing is left to do.")
        return not ending.ok

    def _show_progress(self, left: drain.Outstanding) -> None:
        """Rewrite one line with what is left; nothing is written unless to a terminal."""
        if self.stdout.isatty():
            words = ", ".join(f"{count} {name}" for name, count in _counts(left))
            self.stdout.write(f"\r{words:<70}", ending="")
            self.stdout.flush()


def _seconds(text: str) -> float:
    seconds = float(text)
    if not seconds >= 0:
        raise ValueError(text)
    return seconds


_seconds.__name__ = "number of seconds"


def _counts(left: drain.Outstanding) -> list[tuple[str, int]]:
    return [
        ("to buy", left.wanted),
        ("in flight", left.in_flight),
        ("to publish", left.flips),
        ("to purge", left.purges),
    ]


def _failures(ending: drain.Ending) -> list[tuple[int, str]]:
    late = [(count, f"not done in time, {name}") for name, count in _counts(ending.left)]
    return [
        (ending.failed_steps, "steps that failed"),
        (ending.failed_purchases, "purchases that failed"),
        *late,
    ]
