"""The commands that a child can run."""

import io
from collections.abc import Callable
from typing import Any

from django.core.files.images import ImageFile
from django.core.management import call_command
from wagtail.images import get_image_model

from suites.crashes.effects import Countdown
from suites.crashes.scenario import Scenario, facts, page


def fill(scenario: Scenario, countdown: Countdown) -> None:
    """Create a database with one photograph, on one published page."""
    from support.factories import plain_image
    from testapp.models import PicturePage
    from wagtail.models import Page

    call_command("migrate", verbosity=0)
    photo = plain_image(600, 400, "steelblue")
    home = Page.objects.get(depth=2)
    home.add_child(instance=PicturePage(title="Picture", slug="picture", photo=photo))


def recompose(scenario: Scenario, countdown: Countdown) -> dict[str, Any]:
    """Go from a page's crops to its recomposed pictures, and on until the crops are deleted."""
    scenario.show()
    countdown.armed = True
    scenario.tidy()
    countdown.armed = False
    return facts()


def replace(scenario: Scenario, countdown: Countdown) -> None:
    """Give the image another file, as Wagtail's form does, and have that recomposed."""
    from support.factories import picture

    image = get_image_model().objects.get()
    old = image.file.name
    image.file = ImageFile(io.BytesIO(picture(600, 400, "navy", "PNG")), name="other.png")
    image._set_image_file_metadata()
    image.save()
    image.file.storage.delete(old)
    for rendition in image.renditions.all():
        rendition.delete()
    scenario.show()
    scenario.finish()


def forget(scenario: Scenario, countdown: Countdown) -> dict[str, Any]:
    """Go on until what was bought for a replaced file is deleted."""
    countdown.armed = True
    scenario.tidy()
    countdown.armed = False
    return facts()


def finish(scenario: Scenario, countdown: Countdown) -> dict[str, Any]:
    """Show the page after a kill, and do all that is left to be done."""
    at_once = page()
    countdown.armed = True
    scenario.tidy()
    countdown.armed = False
    return {"at_once": at_once, **facts()}


COMMANDS: dict[str, Callable[[Scenario, Countdown], Any]] = {
    "fill": fill,
    "recompose": recompose,
    "replace": replace,
    "forget": forget,
    "finish": finish,
}
