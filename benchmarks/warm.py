"""Pages whose renditions all exist: our filter beside Wagtail's own, on each cache."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django

django.setup()

from django.core.cache import cache  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import override_settings  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402
from suites.engines.setups import redis_server  # noqa: E402
from support import pages  # noqa: E402
from support.factories import live, plain_image  # noqa: E402
from support.pages import IMAGE, LISTING, PICTURE, SHAPE, Page  # noqa: E402

from wagtail_smart_resize.models import ImageVersion  # noqa: E402
from wagtail_smart_resize.renditions.published_cache import process_cache  # noqa: E402

from .rows import Row  # noqa: E402

AT_MOST = 1.05


def measure(directory: Path, quick: bool) -> list[Row]:
    pages.make_tables()
    rounds = 3 if quick else 60
    crops = [plain_image(400, 300).pk for _ in range(LISTING.images)]
    recomposed = [_recomposed() for _ in range(LISTING.images)]
    rows = [_noise(recomposed, rounds)]
    for page in (IMAGE, PICTURE, LISTING):
        rows.append(_row(page, recomposed, rounds, "recomposed, local memory"))
    for page in (IMAGE, PICTURE, LISTING):
        rows.append(_row(page, crops, rounds, "nothing recomposed, local memory"))
    rows.append(_row(LISTING, recomposed, rounds, "recomposed, prefetched", prefetch=True))
    with _cache("django.core.cache.backends.dummy.DummyCache"):
        for page in (IMAGE, PICTURE, LISTING):
            rows.append(_row(page, recomposed, rounds, "recomposed, no cache"))
    rows += _on_redis(directory, recomposed, rounds)
    return [*rows, _first_sight(recomposed, rounds), _feed(recomposed, 3 if quick else 10)]


def _recomposed() -> Any:
    image = plain_image(400, 300)
    live(image, SHAPE)
    return image.pk


@contextlib.contextmanager
def _cache(backend: str, location: str = "") -> Iterator[None]:
    with override_settings(CACHES={"default": {"BACKEND": backend, "LOCATION": location}}):
        yield


def _on_redis(directory: Path, keys: list[Any], rounds: int) -> list[Row]:
    try:
        with (
            redis_server(directory) as port,
            _cache("django.core.cache.backends.redis.RedisCache", f"redis://127.0.0.1:{port}"),
        ):
            pages_shown = (IMAGE, PICTURE, LISTING)
            rows = [_row(page, keys, rounds, "recomposed, Redis") for page in pages_shown]
            cache.close()
            return rows
    except FileNotFoundError as error:
        print(f"not measured, Redis: {error}")
        return []


def _row(page: Page, keys: list[Any], rounds: int, state: str, *, prefetch: bool = False) -> Row:
    compared = pages.compare(page, keys, rounds, time.thread_time, prefetch=prefetch)
    wall = pages.compare(page, keys, max(3, rounds // 3), time.perf_counter, prefetch=prefetch)
    ours, theirs = compared.ours, compared.theirs
    return Row(
        f"{page.name}, {state}",
        *compared.ratio,
        at_most=AT_MOST,
        counts={
            "queries": ours.queries,
            "queries more": ours.queries - theirs.queries,
            "cache reads more": ours.cache_reads - theirs.cache_reads,
        },
        note=f"By the clock {wall.ratio.median:.2f}",
    )


def _noise(keys: list[Any], rounds: int) -> Row:
    compared = pages.compare(LISTING, keys, rounds, time.thread_time, ours="fill")
    return Row("`fill` against itself: what the other rows can't tell apart", *compared.ratio)


def _first_sight(keys: list[Any], rounds: int) -> Row:
    """Compare in a process that has just started; the renditions are in the database."""
    with _cache("django.core.cache.backends.dummy.DummyCache"):
        compared = pages.compare(
            LISTING, keys, rounds, time.thread_time, before=process_cache.reset, views=1
        )
    counts = {"queries more": compared.ours.queries - compared.theirs.queries}
    what = f"{LISTING.name}, the first that a process shows, no cache"
    return Row(what, *compared.ratio, at_most=1.2, counts=counts)


def _feed(keys: list[Any], spans: int) -> Row:
    """Count the queries for flips that a process makes while it shows page after page."""
    table = ImageVersion._meta.db_table
    template = LISTING.compiled("smartresize")
    process_cache.reset()
    pages.rendered(template, pages.loaded(keys))
    found = []
    for _ in range(spans):
        ends = time.monotonic() + process_cache.REFRESH_SECONDS
        asked = 0
        while time.monotonic() < ends:
            with CaptureQueriesContext(connection) as queries:
                pages.rendered(template, pages.loaded(keys))
            asked += sum(table in query["sql"] for query in queries)
        found.append(asked)
    what = "Looking for what went live: queries of a process in any 2 s of steady views"
    return Row(what, max(found), min(found), max(found), "queries", at_most=1)
