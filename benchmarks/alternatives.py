"""Compares pages with the alternatives: other apps' thumbnails, or the API called while rendering.

The other apps crop, as `fill` does; none recomposes. The cost of a page is compared. All have the
same cache, in local memory, the same database and the same directory.
"""

import contextlib
import io
import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.thumbnail_settings"

import django

django.setup()

from django.conf import settings as site_settings  # noqa: E402
from django.core.cache import cache  # noqa: E402
from django.core.files.images import ImageFile  # noqa: E402
from django.core.signals import request_finished, request_started  # noqa: E402
from django.template import Template  # noqa: E402
from django.test import override_settings  # noqa: E402
from PIL import Image as PillowImage  # noqa: E402
from support import pages  # noqa: E402
from support.factories import live, photograph, plain_image  # noqa: E402
from support.measuring import in_turns  # noqa: E402
from wagtail import hooks  # noqa: E402
from wagtail.images import get_image_model  # noqa: E402

from wagtail_smart_resize.models import Recomposition  # noqa: E402

from . import gateway, thumbnail_tags  # noqa: E402
from .blocking import BlockingOperation  # noqa: E402
from .rows import Row  # noqa: E402
from .thumbnail_tags import FILL, IMAGEKIT, OURS, PLACEHOLDER, TAGS, ImageTag  # noqa: E402

LISTING, LISTED = 30, "320x240"
PHOTOS, SIZE = 3, "1200x675"
SOURCE = (4000, 3000)
VIEWS = 2
BLOCKING = ImageTag(
    "The API called in the operation", FILL.library, "{% image each blocking-SIZE %}"
)


def measure(directory: Path, quick: bool) -> list[Row]:
    pages.make_tables()
    hooks.register("register_image_operations", lambda: [("blocking", BlockingOperation)])
    tags = [tag for tag in TAGS if not tag.missing]
    without = [tag.missing for tag in TAGS if tag.missing]
    for reason in without:
        print(f"not measured: {reason}")
    rows = _warm(tags, 3 if quick else 60, without)
    content = photograph(*SOURCE)
    photos = [_image(content, number) for number in range(PHOTOS)]
    rows += _cold(tags, photos, 1 if quick else 10)
    rows += _slow(photos, 1 if quick else 3, 0.5 if quick else 2.0)
    rows += _refused(photos, 1 if quick else 5)
    return rows + _silent(photos, 1 if quick else 3, 1.0 if quick else 5.0)


# Pictures that all exist


def _warm(tags: list[ImageTag], rounds: int, without: list[str]) -> list[Row]:
    keys = [_recomposed() for _ in range(LISTING)]
    templates = {tag.name: tag.page(LISTED) for tag in tags}
    made = {name: set(_make(template, keys)) for name, template in templates.items()}
    assert made[FILL.name].isdisjoint(made[OURS.name]), "nothing is recomposed"
    waiting: list[list[Any]] = []

    def prepare(name: str) -> None:
        waiting[:] = [pages.loaded(keys) for _ in range(VIEWS)]

    def job(template: Template) -> Callable[[], None]:
        def show() -> None:
            for images in waiting:
                pages.rendered(template, images)

        return show

    jobs = {name: job(template) for name, template in templates.items()}
    times = in_turns(jobs, rounds, prepare=prepare, clock=time.thread_time)
    rows = []
    for tag in tags:
        prepare(tag.name)
        del waiting[1:]
        costs = pages.costs(jobs[tag.name])
        counts = {"queries": costs.queries, "cache reads": costs.cache_reads}
        note = f"{1000 * times.of(tag.name).median / VIEWS:.1f} ms of processor time"
        if tag is FILL and without:
            note += f". Not measured: {', '.join(without)}"
        what = f"A listing of {LISTING} pictures, all made: {tag.label}"
        rows.append(Row(what, *times.ratio(tag.name, to=FILL.name), counts=counts, note=note))
    return rows


def _recomposed() -> Any:
    image = plain_image(400, 300)
    live(image, "400x300")
    return image.pk


def _make(template: Template, keys: list[Any]) -> list[bytes]:
    """Return the pictures of the page, once all exist."""
    pages.rendered(template, pages.loaded(keys))
    thumbnail_tags.settle()
    # Forget what is cached as not there yet.
    cache.clear()
    html = pages.rendered(template, pages.loaded(keys))
    assert _seen(html) == {"crops": len(keys), "placeholders": 0}, html
    assert _sizes(html) == {LISTED}, html
    return _pictures(html)


def _seen(html: str) -> dict[str, int]:
    placeholders = html.count(PLACEHOLDER)
    return {"crops": html.count("<img") - placeholders, "placeholders": placeholders}


def _pictures(html: str) -> list[bytes]:
    """Return the files of the pictures, whatever sizes the page states."""
    names = re.findall(f'src="{site_settings.MEDIA_URL}([^"]+)"', html)
    return [(Path(site_settings.MEDIA_ROOT) / name).read_bytes() for name in names]


def _sizes(html: str) -> set[str]:
    sizes = set()
    for content in _pictures(html):
        with PillowImage.open(io.BytesIO(content)) as picture:
            sizes.add("{}x{}".format(*picture.size))
    return sizes


# Pictures that nobody has viewed yet


def _cold(tags: list[ImageTag], photos: list[Any], rounds: int) -> list[Row]:
    views = {tag.name: _view(tag, photos) for tag in tags}
    times = in_turns(views, rounds, prepare=_forgetting(photos), warm_up=1)
    rows = []
    for tag in tags:
        thumbnail_tags.forget(photos)
        html = views[tag.name]()
        seen = _seen(html)
        assert _sizes(html) <= {SIZE}, html
        note = f"{1000 * times.of(tag.name).median:.0f} ms"
        if tag is IMAGEKIT:
            note += f". All are made {1000 * _until_made(tag, photos):.0f} ms after the view began"
        what = f"The first view of {PHOTOS} photographs: {tag.label}"
        rows.append(Row(what, *times.ratio(tag.name, to=FILL.name), counts=seen, note=note))
    return rows


def _until_made(tag: ImageTag, photos: list[Any]) -> float:
    def until_made() -> None:
        view()
        thumbnail_tags.settle()

    view = _view(tag, photos)
    jobs = {tag.name: until_made}
    return in_turns(jobs, 3, prepare=_forgetting(photos), warm_up=0).of(tag.name).median


def _view(tag: ImageTag, photos: list[Any]) -> Callable[[], str]:
    """Return a function that requests the page, without Django's own handling, which all share."""
    template = tag.page(SIZE)
    keys = [photo.pk for photo in photos]

    def view() -> str:
        request_started.send(sender=None, environ={"PATH_INFO": "/"})
        try:
            return pages.rendered(template, pages.loaded(keys))
        finally:
            request_finished.send(sender=None)

    return view


def _forgetting(photos: list[Any]) -> Callable[[str], None]:
    return lambda name: thumbnail_tags.forget(photos)


def _image(content: bytes, number: int) -> Any:
    file = ImageFile(io.BytesIO(content), f"photo-{number}.jpg")
    image = get_image_model()(title=f"Photo {number}", file=file)
    image._set_image_file_metadata()
    image.save()
    return image


# The API called while the page is made


def _slow(photos: list[Any], rounds: int, latency: float) -> list[Row]:
    tags = (FILL, OURS, BLOCKING)
    with gateway.running(latency) as url, _gateway_at(url):
        views = {tag.name: _view(tag, photos) for tag in tags}
        times = in_turns(views, rounds, prepare=_forgetting(photos), warm_up=1)
        thumbnail_tags.forget(photos)
        shown = {tag.name: _pictures(views[tag.name]()) for tag in tags}
        assert Recomposition.objects.count() == PHOTOS
    recomposed = {
        name: sum(each != crop for each, crop in zip(found, shown[FILL.name], strict=True))
        for name, found in shown.items()
    }
    state = f"{PHOTOS} photographs, the gateway takes {latency:g} s for each job"
    return [
        Row(
            f"The first view of {state}: {tag.name}",
            *times.ratio(tag.name, to=FILL.name),
            counts={"recomposed in this view": recomposed[tag.name]},
            note=f"{1000 * times.of(tag.name).median:.0f} ms, "
            f"`fill` {1000 * times.of(FILL.name).median:.0f} ms",
        )
        for tag in (OURS, BLOCKING)
    ]


def _refused(photos: list[Any], rounds: int) -> list[Row]:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with _gateway_at(f"http://127.0.0.1:{port}"):
        return _down(photos, rounds, "nothing listens at the gateway's address")


def _silent(photos: list[Any], rounds: int, seconds: float) -> list[Row]:
    # The server never accepts; the kernel takes the connections.
    with (
        socket.create_server(("127.0.0.1", 0), backlog=100) as silent,
        _gateway_at(f"http://127.0.0.1:{silent.getsockname()[1]}"),
        patch.object(BlockingOperation, "seconds", seconds),
    ):
        state = f"the gateway takes connections and says nothing, time limit {seconds:g} s"
        return _down(photos, rounds, state)


def _down(photos: list[Any], rounds: int, state: str) -> list[Row]:
    tags = (FILL, OURS, BLOCKING)
    errors: dict[str, list[str]] = {tag.name: [] for tag in tags}

    def visit(tag: ImageTag) -> Callable[[], None]:
        view = _view(tag, photos)

        def visited() -> None:
            try:
                view()
            except Exception as error:
                errors[tag.name].append(type(error).__name__)

        return visited

    visits = {tag.name: visit(tag) for tag in tags}
    times = in_turns(visits, rounds, prepare=_forgetting(photos), warm_up=0)
    failed = {name: len(each) for name, each in errors.items()}
    # Nothing is cleared between the first view and this one.
    for again in visits.values():
        again()
    ours, fill = (1000 * times.of(tag.name).median for tag in (OURS, FILL))
    counts = {
        name: {
            "first views": rounds,
            "errors": failed[name],
            "errors in the next view": len(each) - failed[name],
        }
        for name, each in errors.items()
    }
    what = f"{PHOTOS} photographs, {state}"
    return [
        Row(
            f"{what}: {OURS.name}",
            *times.ratio(OURS.name, to=FILL.name),
            counts=counts[OURS.name],
            note=f"{ours:.0f} ms, `fill` {fill:.0f} ms",
        ),
        Row(
            f"{what}: {BLOCKING.name}",
            *[1000 * each for each in times.of(BLOCKING.name)],
            unit="ms",
            counts=counts[BLOCKING.name],
            note="Until the page ends in " + " or ".join(sorted(set(errors[BLOCKING.name]))),
        ),
    ]


@contextlib.contextmanager
def _gateway_at(url: str) -> Iterator[None]:
    ours = {**site_settings.WAGTAIL_SMART_RESIZE, "BASE_URL": url}
    with (
        override_settings(WAGTAIL_SMART_RESIZE=ours),
        patch.object(BlockingOperation, "base_url", url),
    ):
        yield
