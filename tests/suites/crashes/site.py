"""What a child may be told to do."""

import io
from collections.abc import Callable
from typing import Any

from django.core.files.images import ImageFile
from django.core.management import call_command
from wagtail.images import get_image_model

from suites.crashes.effects import Countdown
from suites.crashes.way import Way, facts, page


def fill(way: Way, countdown: Countdown) -> None:
    """A database with one photograph, on one published page."""
    from support.factories import plain_image
    from testapp.models import PicturePage
    from wagtail.models import Page

    call_command("migrate", verbosity=0)
    photo = plain_image(600, 400, "steelblue")
    home = Page.objects.get(depth=2)
    home.add_child(instance=PicturePage(title="Picture", slug="picture", photo=photo))


def recompose(way: Way, countdown: Countdown) -> dict[str, Any]:
    """From a page's crops to its recomposed pictures, and until the crops are gone."""
    way.show()
    countdown.armed = True
    way.tidy()
    countdown.armed = False
    return facts()


def replace(way: Way, countdown: Countdown) -> None:
    """An editor gives the image another file, as Wagtail's form does it, which is recomposed."""
    from support.factories import picture

    image = get_image_model().objects.get()
    old = image.file.name
    image.file = ImageFile(io.BytesIO(picture(600, 400, "navy", "PNG")), name="other.png")
    image._set_image_file_metadata()
    image.save()
    image.file.storage.delete(old)
    for rendition in image.renditions.all():
        rendition.delete()
    way.show()
    way.finish()


def forget(way: Way, countdown: Countdown) -> dict[str, Any]:
    """Until what was bought for a file that was replaced is gone."""
    countdown.armed = True
    way.tidy()
    countdown.armed = False
    return facts()


def finish(way: Way, countdown: Countdown) -> dict[str, Any]:
    """What another process does after a kill: show the page, and all that is left to be done."""
    at_once = page()
    countdown.armed = True
    way.tidy()
    countdown.armed = False
    return {"at_once": at_once, **facts()}


ORDERS: dict[str, Callable[[Way, Countdown], Any]] = {
    "fill": fill,
    "recompose": recompose,
    "replace": replace,
    "forget": forget,
    "finish": finish,
}
