"""The first view of a slot: Wagtail makes the rendition, and our filter notes the demand."""

import io
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

import django

django.setup()

from django.core.files.images import ImageFile  # noqa: E402
from django.core.signals import request_finished, request_started  # noqa: E402
from PIL import JpegImagePlugin  # noqa: E402
from support import pages  # noqa: E402
from support.factories import photograph  # noqa: E402
from support.measuring import in_turns  # noqa: E402
from support.pages import Page  # noqa: E402
from wagtail.images import get_image_model  # noqa: E402

from wagtail_smart_resize.core.sizes import Slot  # noqa: E402
from wagtail_smart_resize.models import Candidate, ImageVersion, Recomposition  # noqa: E402

from .rows import Row  # noqa: E402

SOURCE = (4000, 3000)
#: The API's size for 16:9 at its tier "2K".
CANDIDATE = (2752, 1536)
SHAPE = "1200x675"
ONE = Page("`{% image %}`, 1200x675", "{% image images.0 OP-1200x675 %}", 1, 1)
SIX = Page(
    "`{% picture %}` with 6 specs",
    "{% picture images.0 format-{webp,jpeg} OP-{1200x675,800x450,400x225} %}",
    1,
    6,
)


def measure(directory: Path, quick: bool) -> list[Row]:
    pages.make_tables()
    image = _image(photograph(*SOURCE))
    rounds = 2 if quick else 25
    rows = [
        _row(ONE, image, rounds, "fill", "`fill` against itself", at_most=None),
        _row(ONE, image, rounds, "smartresize", "the crop made, the want written"),
        _row(SIX, image, max(2, rounds // 4), "smartresize", "the crops made, the want written"),
    ]
    _put_live(image, photograph(*CANDIDATE))
    text = "live, but the rendition is missing"
    return [*rows, _row(ONE, image, rounds, "smartresize", text, at_most=2.2, wanted=False)]


def _row(
    page: Page,
    image: Any,
    rounds: int,
    operation: str,
    text: str,
    at_most: float | None = 1.05,
    wanted: bool = True,
) -> Row:
    operations = {"ours": operation, "fill": "fill"}
    templates = {name: page.compiled(each) for name, each in operations.items()}

    def clear(name: str) -> None:
        for rendition in image.renditions.all():
            rendition.delete()
        if wanted:
            Recomposition.objects.all().delete()

    def job(name: str) -> Any:
        def view() -> None:
            request_started.send(sender=None, environ={"PATH_INFO": "/"})
            pages.rendered(templates[name], pages.loaded([image.pk]))
            request_finished.send(sender=None)

        return view

    jobs = {name: job(name) for name in operations}
    times = in_turns(jobs, rounds, prepare=clear, clock=time.perf_counter, warm_up=1)
    counts = {}
    for name in ("fill", "ours"):
        clear(name)
        label = "" if name == "ours" else " of `fill`"
        with _decodes() as decoded:
            counts["queries" + label] = pages.costs(jobs[name]).queries
        counts["pictures decoded" + label] = len(decoded)
    if operation != "fill" and wanted:
        assert Recomposition.objects.count() == 1
    ratio = times.ratio("ours", to="fill")
    note = f"{1000 * times.of('ours').median:.0f} ms beside {1000 * times.of('fill').median:.0f} ms"
    return Row(f"{page.name}: {text}", *ratio, at_most=at_most, counts=counts, note=note)


def _image(content: bytes) -> Any:
    image = get_image_model()(title="Photo", file=ImageFile(io.BytesIO(content), "photo.jpg"))
    image._set_image_file_metadata()
    image.save()
    return image


def _put_live(image: Any, content: bytes) -> None:
    from wagtail_smart_resize.publishing import publication

    Recomposition.objects.all().delete()
    row = Recomposition.objects.create(
        image=image,
        source_hash=image.file_hash,
        shape=Slot.parse(SHAPE).shape,
        slots=[SHAPE],
        purchase=Recomposition.Purchase.IDLE,
    )
    width, height = CANDIDATE
    candidate = Candidate.objects.create(
        recomposition=row,
        file=Candidate.new_name(image.pk, "jpeg"),
        width=width,
        height=height,
        digest="0" * 64,
    )
    candidate.write(content, is_new=True)
    row.update_if(where={}, live=candidate)
    ImageVersion.mark_publish_due(image.pk)
    assert publication.publish(image.pk)


def _decodes() -> Any:
    """Return a context manager that lists each JPEG whose pixels are read."""
    from contextlib import contextmanager

    prepare = JpegImagePlugin.JpegImageFile.load_prepare

    @contextmanager
    def listening() -> Any:
        pictures: list[Any] = []

        def recorded(picture: Any) -> None:
            # Pillow calls this again for a picture that is already read.
            if not any(each is picture for each in pictures):
                pictures.append(picture)
            prepare(picture)

        with patch.object(JpegImagePlugin.JpegImageFile, "load_prepare", recorded):
            yield pictures

    return listening()
