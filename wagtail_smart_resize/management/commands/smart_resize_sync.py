"""Command that repairs what was left undone and, with --wait, does all that is due."""

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from wagtail_smart_resize.core import database
from wagtail_smart_resize.core.schema import problem_of
from wagtail_smart_resize.editorial import delays, lost_files, pipeline_health, run_summary
from wagtail_smart_resize.management.ending import Ending, ends_in_good_order
from wagtail_smart_resize.models import PipelineState, Recomposition, ownership
from wagtail_smart_resize.repair import repairs
from wagtail_smart_resize.runners import drain, modes


class Command(BaseCommand):
    help = (
        "Repairs what lost processes left undone. With --wait it also does the work, whatever "
        "RUNNER says, until nothing is left to buy, fetch, publish or purge. The exit status is 1 "
        "if something failed, the time was over, or a person or the service has to do something "
        "before the rest can go on."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--all",
            action="store_true",
            help="Read all images, and not only what may have changed since the last repair. A run "
            "that was ended goes on where it was.",
        )
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
        parser.add_argument("--json", action="store_true", help="Print one JSON object at the end.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["dry_run"] and options["wait"]:
            raise CommandError("--dry-run changes nothing: there is nothing to --wait for.")
        if problem := problem_of(database.alias()) or ownership.problem():
            raise CommandError(problem)
        self._is_quiet = options["json"] or not options["verbosity"]
        self._is_silent = not options["verbosity"]
        started = timezone.now()
        told: dict[str, Any] = {"lost": None, "failed_purchases": 0, "failed_steps": 0, "left": {}}
        with ends_in_good_order(self._warn) as ending:
            if options["lost"]:
                told["lost"] = self._look_for_files("" if options["dry_run"] else options["lost"])
            told |= self._repair(options["dry_run"], options["all"], ending)
            if options["wait"] and not ending.told.is_set():
                drained = drain.finish(options["timeout"], self._show_progress, ending.told)
                self._say_what_failed(told, drained)
        if not (options["dry_run"] or options["wait"]) and modes.mode() == "tasks":
            # A thread of this process would be killed with it. Sites that run by threads find the
            # work by themselves.
            modes.wake()
        is_well = self._conclude(told, started, options)
        if ending.told.is_set():
            sys.exit(ending.exit_status)
        if not is_well:
            sys.exit(1)

    # Saying

    def _say(self, text: str) -> None:
        if not self._is_quiet:
            self.stdout.write(text)

    def _warn(self, text: str) -> None:
        if not self._is_silent:
            self.stderr.write(text)

    def _show_progress(self, left: drain.Outstanding) -> None:
        """Rewrite one line with what is left; nothing is written unless to a terminal."""
        if self.stdout.isatty() and not self._is_quiet:
            words = ", ".join(f"{count} {name}" for name, count in _counts(left))
            self._rewrite_line(words)

    def _show_reading(self, read: int, total: int) -> None:
        """Rewrite one line with how far the reading of all images has come."""
        self._rewrite_line(f"{read} of {total} images read")

    def _rewrite_line(self, words: str) -> None:
        self.stdout.write(f"\r{words:<70}", ending="")
        self.stdout.flush()

    # Doing

    def _look_for_files(self, act: str) -> dict[str, int]:
        live = others = 0
        for loss in lost_files.losses(Recomposition.objects.current()):
            live += loss.is_live
            others += len(loss.candidates) - loss.is_live
            if act == "count":
                lost_files.note(loss)
            elif act:
                lost_files.settle(loss, again=act == "want")
        self._say(f"live pictures without a file: {live}, others: {others}")
        return {"live": live, "others": others}

    def _repair(self, dry_run: bool, whole: bool, ending: Ending) -> dict[str, Any]:
        if dry_run:
            self._say("Dry run: nothing is changed. A run would come to this:")
        else:
            PipelineState.get_current().update_if(where={}, last_repair_at=timezone.now())
        shows = whole and self.stdout.isatty() and not self._is_quiet
        report = repairs.run(
            dry_run=dry_run,
            whole=whole,
            go_on=lambda: not ending.told.is_set(),
            show=self._show_reading if shows else None,
        )
        if shows:
            self._say("")
        if whole and ending.told.is_set():
            self._warn("Not all images were read: the next run with --all goes on from here.")
        for line in report.lines() or ["Nothing to repair."]:
            self._say(line)
        if report.failed:
            self._warn(f"repairs that failed: {report.failed}")
        counts = {repair.name.lower(): count for repair, count in report.counts.items() if count}
        return {"repairs": counts, "failed_repairs": report.failed}

    def _say_what_failed(self, told: dict[str, Any], drained: drain.Drained) -> None:
        if self.stdout.isatty():
            self._say("")
        told["failed_steps"] = drained.failed_steps
        told["failed_purchases"] = drained.failed_purchases
        told["left"] = {name: count for name, count in _counts(drained.left) if count}
        for count, words in (
            (drained.failed_steps, "steps that failed"),
            (drained.failed_purchases, "purchases that failed"),
            *((count, f"not done in time, {name}") for name, count in _counts(drained.left)),
        ):
            if count:
                self._warn(f"{words}: {count}")

    # Concluding

    def _conclude(self, told: dict[str, Any], started: Any, options: dict[str, Any]) -> bool:
        """Say what the run has brought, what waits and why; return whether all is well."""
        summary = run_summary.since(started)
        failed = any(told[name] for name in ("failed_repairs", "failed_steps", "failed_purchases"))
        is_well = not (failed or told["left"] or summary.needs_somebody)
        if options["json"]:
            if not self._is_silent:
                self.stdout.write(json.dumps(_as_json(told, summary, is_well), indent=2))
            return is_well
        if options["wait"]:
            self._say_summary(summary, is_well)
        for text in _needs(summary):
            self._warn(text)
        if failed:
            self._warn("Something failed: the log says what.")
        return is_well

    def _say_summary(self, summary: run_summary.Summary, is_well: bool) -> None:
        for name, count in (
            ("pictures bought", summary.bought),
            ("images with something new live", summary.live),
            ("awaiting review", summary.awaiting_review),
            *((f"waiting: {_label(code)}", count) for code, count in summary.waiting.items()),
        ):
            if count:
                self._say(f"{name}: {count}")
        if is_well and summary.is_done:
            self._say("Nothing is left to do.")
        elif is_well:
            self._say("Nothing is left to do for now.")


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


def _label(code: str) -> str:
    return str(delays.reason_label(code)) if code else "their turn"


def _needs(summary: run_summary.Summary) -> list[str]:
    """Return a line for each thing that a person, or the service, has to do."""
    found = [
        f"{each.message} {each.for_operators or each.remedy} {each.detail}".strip()
        for each in summary.obstacles
    ]
    if summary.unknown:
        found.append(
            f"Shapes of which nobody knows whether they were bought: {summary.unknown}. An editor "
            "has to decide, on the image's screen."
        )
    if summary.unreadable:
        found.append(
            f"Images of which a live picture can't be read: {summary.unreadable}. If the files are "
            "lost: --lost want, or --lost crop."
        )
    return found


def _as_json(told: dict[str, Any], summary: run_summary.Summary, is_well: bool) -> dict[str, Any]:
    return {
        "ok": is_well,
        "bought": summary.bought,
        "live": summary.live,
        "awaiting_review": summary.awaiting_review,
        "waiting": {code or "turn": count for code, count in summary.waiting.items()},
        "unknown": summary.unknown,
        "unreadable": summary.unreadable,
        **told,
        "obstacles": [pipeline_health.as_json(each) for each in summary.obstacles],
    }
