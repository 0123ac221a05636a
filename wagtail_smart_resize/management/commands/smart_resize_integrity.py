"""Command that checks the file of a result against that of its original."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from PIL import Image

from wagtail_smart_resize.editorial.integrity import sentences
from wagtail_smart_resize.imaging.srgb import upright_on_white
from wagtail_smart_resize.integrity import extra
from wagtail_smart_resize.integrity.drawing import draw_map
from wagtail_smart_resize.integrity.report import Box, Report, Thresholds
from wagtail_smart_resize.settings import settings


class Command(BaseCommand):
    help = (
        "Compares a picture with the one that it was made of, and says what has changed. Grade "
        "some real results with it before you set thresholds. It reads two files and nothing else."
    )
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("original", type=Path, metavar="ORIGINAL", help="File of the original.")
        parser.add_argument(
            "candidate", type=Path, metavar="CANDIDATE", help="File of what was made of it."
        )
        parser.add_argument(
            "--focus",
            metavar="X,Y,W,H",
            help="Focal area in pixels of the original: left, top, width and height.",
        )
        parser.add_argument(
            "--preset",
            default="",
            help="A preset whose thresholds count. By default the site's do.",
        )
        parser.add_argument("--json", action="store_true", help="Print the report as JSON.")
        parser.add_argument(
            "--map", type=Path, metavar="FILE", help="Draw what differs on the original, as FILE."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not extra.is_installed():
            raise CommandError(f"Results can't be checked without OpenCV. {extra.REMEDY}")
        from wagtail_smart_resize.integrity.checking import check

        original, candidate = _opened(options["original"]), _opened(options["candidate"])
        focus = _focus(options["focus"], original) if options["focus"] else None
        report = check(original, candidate, focus, _thresholds(options["preset"]))
        if options["map"]:
            drawn = draw_map(original, candidate.size, report.measures, focus)
            try:
                drawn.save(options["map"])
            except (OSError, ValueError) as error:
                raise CommandError(f"Can't write {options['map']}: {error}") from error
        self.stdout.write(json.dumps(report.to_json()) if options["json"] else _text(report))


def _opened(path: Path) -> Image.Image:
    try:
        with Image.open(path) as picture:
            return upright_on_white(picture)
    except Exception as error:
        # Pillow's parsers raise exceptions of any class.
        raise CommandError(f"Can't read {path} as a picture: {error}") from error


def _thresholds(preset: str) -> Thresholds:
    if preset and preset not in settings.PRESETS:
        known = ", ".join(settings.PRESETS) or "none"
        raise CommandError(f'--preset: the settings hold no preset "{preset}" ({known}).')
    recipe = settings.PRESETS[preset].recipe if preset else None
    return (recipe or settings.recipe()).thresholds


def _focus(text: str, original: Image.Image) -> Box:
    try:
        left, top, width, height = (int(part) for part in text.split(","))
    except ValueError as error:
        raise CommandError(
            f'--focus: write four whole numbers such as 120,40,300,260, not "{text}".'
        ) from error
    within = 0 <= left < left + width <= original.width and 0 <= top < top + height
    if not within or top + height > original.height:
        raise CommandError(
            f"--focus: {text} does not lie within the original, which has {original.width} x "
            f"{original.height} pixels."
        )
    return Box(left, top, width, height)


def _text(report: Report) -> str:
    measures = report.measures
    lines = ["It passes." if report.passed else "It does not pass.", *sentences(report)]
    if measures.found:
        lines.append(f"Score: {report.score:.2f}; scale: {measures.scale:.2f}.")
        boxes = [f"{each.left},{each.top},{each.width},{each.height}" for each in measures.changed]
        if boxes:
            lines.append(f"It differs at {'; '.join(boxes)} (left, top, width, height).")
    return "\n".join(lines)
