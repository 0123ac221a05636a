"""Creates images, pages and candidates for the tests."""

import contextlib
import io
from collections.abc import Iterator
from itertools import count
from typing import Any

from django.core.files.images import ImageFile
from django.db import transaction
from PIL import Image as PillowImage
from wagtail.images import get_image_model

from wagtail_smart_resize.core.sizes import Slot
from wagtail_smart_resize.models import Candidate, ImageVersion, Recomposition

from .paths import PHOTOS

_numbers = count(1)


def photo(name: str = "rocket.jpg", **fields: Any) -> Any:
    """Create an image of one of the photographs that come with the tests."""
    file = ImageFile(io.BytesIO((PHOTOS / name).read_bytes()), name=name)
    return uploaded(title=fields.pop("title", name), file=file, **fields)


def uploaded(**fields: Any) -> Any:
    """Create an image as Wagtail's forms do, with its file's hash and size."""
    image = get_image_model()(**fields)
    image._set_image_file_metadata()
    image.save()
    return image


def picture(width: int, height: int, colour: str = "steelblue", format: str = "WEBP") -> bytes:
    """Return the bytes of a picture of one colour, by which a test recognises its pixels."""
    data = io.BytesIO()
    PillowImage.new("RGB", (width, height), colour).save(data, format)
    return data.getvalue()


def photograph(width: int, height: int, name: str = "astronaut.png") -> bytes:
    """Return a resized photograph as JPEG."""
    data = io.BytesIO()
    with PillowImage.open(PHOTOS / name) as opened:
        opened.convert("RGB").resize((width, height)).save(data, "JPEG", quality=90)
    return data.getvalue()


def plain_image(width: int = 800, height: int = 600, colour: str = "gold", **fields: Any) -> Any:
    """Create an image of one colour whose bytes differ from those of every other."""
    number = next(_numbers)
    canvas = PillowImage.new("RGB", (width, height), colour)
    canvas.putpixel((0, 0), (number % 256, number // 256 % 256, number // 65536 % 256))
    data = io.BytesIO()
    canvas.save(data, "PNG")
    file = ImageFile(io.BytesIO(data.getvalue()), name=f"plain-{number}.png")
    return uploaded(title=fields.pop("title", f"Plain {number}"), file=file, **fields)


def recomposition(image: Any, slot: str = "400x400", recipe: str = "", **fields: Any) -> Any:
    parsed = Slot.parse(slot)
    return Recomposition.objects.create(
        image=image,
        collection_id=image.collection_id,
        source_hash=image.file_hash,
        shape=parsed.shape,
        recipe=recipe,
        slots=[slot],
        **fields,
    )


def candidate(
    recomposed: Any, colour: str = "steelblue", size: tuple[int, int] | None = None, **fields: Any
) -> Any:
    """Create a stored candidate of one colour in the recomposition's shape."""
    width, height = size or (int(800 * float(recomposed.shape)), 800)
    row = Candidate.objects.create(
        recomposition=recomposed,
        file=Candidate.new_name(recomposed.image_id, "webp"),
        width=width,
        height=height,
        digest=f"{next(_numbers):064x}",
        **fields,
    )
    row.write(picture(width, height, colour), is_new=True)
    Recomposition.objects.filter(pk=recomposed.pk).note_review()
    return row


def live(image: Any, slot: str = "400x400", recipe: str = "", colour: str = "steelblue") -> Any:
    """Create a recomposition whose one candidate is live and published; return the candidate."""
    from wagtail_smart_resize.publishing import publication

    recomposed = recomposition(image, slot, recipe, purchase=Recomposition.Purchase.IDLE)
    chosen = candidate(recomposed, colour)
    recomposed.update_if(where={}, live=chosen, awaiting_review_since=None)
    ImageVersion.mark_publish_due(image.pk)
    publication.publish(image.pk)
    return chosen


def published_page(image: Any) -> Any:
    """Publish a page that shows the image at 1200x630, below the home page of the only site."""
    from testapp.models import PicturePage
    from wagtail.models import Locale, Page, Site

    Locale.objects.get_or_create(language_code="en")
    root = Page.objects.filter(depth=1).first() or Page.add_root(title="Root")
    home = root.add_child(instance=Page(title="Home"))
    Site.objects.create(hostname="www.example.org", root_page=home, is_default_site=True)
    page = home.add_child(instance=PicturePage(title="Pictures", photo=image))
    page.save_revision().publish()
    return page


def colour_of(rendition: Any) -> tuple[int, int, int]:
    """Return the colour in the middle of a rendition."""
    with rendition.file.open() as file, PillowImage.open(file) as opened:
        rgb = opened.convert("RGB")
        return rgb.getpixel((rgb.width // 2, rgb.height // 2))


def pixels(rendition: Any) -> bytes:
    with rendition.file.open() as file:
        return file.read()


class _Undo(Exception):
    pass


@contextlib.contextmanager
def rolled_back() -> Iterator[None]:
    """Run a block in a transaction that is rolled back."""
    with contextlib.suppress(_Undo), transaction.atomic():
        yield
        raise _Undo
