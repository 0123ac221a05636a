"""Command that follows a change of the site's image model."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from wagtail_smart_resize.repair import image_model


class Command(BaseCommand):
    help = (
        "To be run after WAGTAILIMAGES_IMAGE_MODEL was changed and the images were copied. Keeps "
        "what was bought and decided for images that have the same key and file in the present "
        "model, deletes what belongs to others, and has the tables refer to the present model."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--noinput",
            "--no-input",
            action="store_false",
            dest="interactive",
            help="Do it without asking.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            move = image_model.plan_move()
        except image_model.OtherKind as error:
            raise CommandError(
                "The keys of the former and the present image model are of different kinds, so no "
                "image can be the same: run `migrate wagtail_smart_resize zero`, then `migrate`. "
                "What was bought is lost with that."
            ) from error
        if move is None:
            self.stdout.write("The tables refer to the present image model: nothing to do.")
            return
        self.stdout.write(
            f"Images in {move.former_table} that are the same in the present model: "
            f"{len(move.kept)}. Others, whose recomposed pictures are deleted: {len(move.gone)}."
        )
        if options["interactive"] and input("Go on? [y/N] ").strip().lower() not in {"y", "yes"}:
            raise CommandError("Nothing was changed.")
        image_model.carry_out(move)
        self.stdout.write("The tables refer to the present image model now.")
