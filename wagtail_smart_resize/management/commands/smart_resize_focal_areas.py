"""Command that suggests focal areas from faces, for all images that have none."""

from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from wagtail_smart_resize.core import database
from wagtail_smart_resize.editorial.focal_areas import save, suggested_area
from wagtail_smart_resize.integrity import extra

#: Images that are read from the database at once.
CHUNK_SIZE = 200


class Command(BaseCommand):
    help = (
        "Looks for faces in all images without a focal area, and prints the areas that they "
        "suggest. Nothing is changed without --save. It takes a tenth of a second for each image."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--save", action="store_true", help="Save the areas: the crops follow.")
        parser.add_argument("--limit", type=int, help="Look at so many images at most.")

    def handle(self, *args: Any, **options: Any) -> None:
        if not extra.finds_faces():
            raise CommandError(f"Faces can't be found. {extra.FACES_REMEDY}")
        looked_at = found = 0
        for image in _images_without(options["limit"]):
            looked_at += 1
            area = suggested_area(image)
            if area is None:
                continue
            found += 1
            if options["save"]:
                save(image, area, None)
            self.stdout.write(f"{image.pk} ({image.title}): {','.join(map(str, area))}")
        done = "saved" if options["save"] else "suggested, and none saved"
        self.stdout.write(f"Images looked at: {looked_at}. Focal areas {done}: {found}.")


def _images_without(limit: int | None) -> Iterator[Any]:
    """Yield the images without a focal area. Some may be saved meanwhile."""
    images = database.site_images().order_by("pk")
    keys = list(images.filter(focal_point_x=None).values_list("pk", flat=True)[:limit])
    for start in range(0, len(keys), CHUNK_SIZE):
        yield from images.filter(pk__in=keys[start : start + CHUNK_SIZE])
