"""Command that wants shapes of many images before a launch, or a move from another system."""

import signal
from functools import reduce
from operator import or_
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Q, QuerySet
from wagtail.images import get_image_model
from wagtail.models import Collection

from wagtail_smart_resize.actions import ResizeTarget
from wagtail_smart_resize.core import database
from wagtail_smart_resize.core.formatting import price_text
from wagtail_smart_resize.core.schema import problem_of
from wagtail_smart_resize.editorial import planning
from wagtail_smart_resize.rules import assess
from wagtail_smart_resize.runners import modes
from wagtail_smart_resize.settings import settings


class Command(BaseCommand):
    help = (
        "Notes shapes of many images as wanted, as if pages had shown them already. The rules and "
        "the limits hold: what is not allowed is left out and counted, and what the limits don't "
        "allow today is bought on another day. The runner does the work, or smart_resize_sync "
        "--wait."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "slots",
            nargs="*",
            metavar="SLOT",
            help="A size in pixels, such as 1200x630, or a preset's name (default: all presets).",
        )
        parser.add_argument(
            "--collection",
            action="append",
            metavar="NAME",
            help="Only images in this collection or below it: a name or id. May be repeated.",
        )
        parser.add_argument(
            "--tag", action="append", help="Only images with this tag, or another that is named."
        )
        parser.add_argument(
            "--limit",
            type=_output_count,
            metavar="N",
            help="Want no more than N outputs in this run.",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="Change nothing; say what it would come to."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        targets = _parse_targets(options["slots"])
        images = _select_images(options["collection"] or [], options["tag"] or [])
        dry_run = options["dry_run"]
        if not (settings.API_KEY or dry_run):
            raise CommandError("The site has no API key: nothing would be bought. Set API_KEY.")
        if problem := problem_of(database.alias()):
            raise CommandError(problem)
        try:
            plan = planning.want_shapes(images, targets, limit=options["limit"], dry_run=dry_run)
        except KeyboardInterrupt:
            # Nothing is sent here: each image's shapes are noted in a transaction of their own.
            raise CommandError(
                "Interrupted. What was noted as wanted stays so; another run goes on.",
                returncode=128 + signal.SIGINT,
            ) from None
        for line in _report_lines(plan, dry_run):
            self.stdout.write(line)
        if plan.wanted and not dry_run and modes.mode() == "tasks":
            # A thread of this process would be killed with it. Sites that run by threads find the
            # work by themselves.
            modes.wake()


def _output_count(text: str) -> int:
    outputs = int(text)
    if outputs < 1:
        raise ValueError(text)
    return outputs


_output_count.__name__ = "number of outputs"


def _parse_targets(slots: list[str]) -> list[ResizeTarget]:
    named = slots or [*settings.PRESETS]
    if not named:
        raise CommandError("Name a slot, such as 1200x630: the site has no PRESETS.")
    try:
        return [ResizeTarget.parse(text) for text in named]
    except (ValueError, ImproperlyConfigured) as error:
        raise CommandError(str(error)) from error


def _select_images(collections: list[str], tags: list[str]) -> "QuerySet[Any]":
    images = get_image_model()._default_manager.all()
    if collections:
        below = [Q(collection__path__startswith=_get_collection(text).path) for text in collections]
        images = images.filter(reduce(or_, below))
    if tags:
        images = images.filter(tags__name__in=tags)
    return images


def _get_collection(text: str) -> Collection:
    found = list(Collection.objects.filter(name=text))
    if not found and text.isdecimal():
        found = list(Collection.objects.filter(pk=text))
    if not found:
        raise CommandError(f"There is no collection “{text}”.")
    if len(found) > 1:
        ids = ", ".join(str(each.pk) for each in found)
        raise CommandError(f"Several collections are called “{text}”: name one by its id ({ids}).")
    return found[0]


def _report_lines(plan: planning.Plan, dry_run: bool) -> list[str]:
    price = f", {price_text(plan.price)} at the most" if plan.price else ""
    word = "would be wanted" if dry_run else "wanted"
    counts = [
        ("images", plan.images),
        ("shapes of each", plan.shapes),
        ("wanted before", plan.already_wanted),
        ("failed before: an editor can try them again", plan.failed_before),
        ("not wanted now, because of --limit", plan.beyond_limit),
        *((str(why.label), count) for why, count in plan.left_out.most_common()),
    ]
    lines = [f"{name}: {count}" for name, count in counts if count or name == "images"]
    lines.append(f"{word}: {plan.outputs} outputs{price}")
    lines.append(
        f"The limits are {settings.DAILY_LIMIT} outputs a day and {settings.MONTHLY_LIMIT} a "
        f"month; {assess.budget_left()} are left today."
    )
    return lines
