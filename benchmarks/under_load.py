"""Times a screen of the admin while its process makes a batch of recompositions.

One web process with threads, as small sites have it, answers an editor and does the work beside it.
The gateway and the database have processes of their own, and all share the machine's processors.
"""

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import django

django.setup()

from suites.engines.setups import filled_site  # noqa: E402
from suites.servers.harness import Site, free_port  # noqa: E402
from suites.soak.browser import Browser  # noqa: E402
from support.measuring import spread  # noqa: E402
from support.waiting import until  # noqa: E402
from wagtail.images import get_image_model  # noqa: E402

from . import gateway, sites  # noqa: E402
from .rows import Row  # noqa: E402

AIM = 2.0
LISTING = "/admin/images/"
EDITOR = {
    "DJANGO_SUPERUSER_USERNAME": "editor",
    "DJANGO_SUPERUSER_EMAIL": "editor@example.org",
    "DJANGO_SUPERUSER_PASSWORD": "secret",
}
#: What a `picture` in a responsive page asks for, of one shape.
SIZES = ("1600x900", "1280x720", "640x360")
FORMATS = ("avif", "webp", "jpeg")
#: Seconds that the gateway takes for a picture.
LATENCY = 3.0
#: Seconds between an answer and the editor's next request.
PAUSE = 0.25


def measure(directory: Path, quick: bool) -> list[Row]:
    pictures, views = (6, 10) if quick else (40, 40)
    with (
        sites.database(directory) as (kind, database),
        gateway.running(LATENCY) as url,
        filled_site(
            directory,
            database,
            url,
            pictures,
            photographs=True,
            settings=sites.with_settings(RESOLUTION="2K"),
            SERVERS_RUNNER="off",
        ) as site,
    ):
        with site.with_environment(EDITOR):
            adding = site.start("django", "createsuperuser", "--noinput", role="editor")
            assert adding.wait(60) == 0, site.log()
        with site.with_environment({"SERVERS_RUNNER": "thread"}):
            site.serve("gunicorn gthread", "--workers=1")
        browser = Browser(site.url, lambda what: None)
        browser.log_in("editor")
        quiet = _views(browser, 3 + views)[3:]
        batch = _batch(site, browser, pictures)
        quiet += _views(browser, 3 + views)[3:]
    return _rows(kind, pictures, quiet, batch)


class _Batch(NamedTuple):
    views: list[float]
    """The seconds that each view of the listing took while pictures were made."""
    seconds: float
    """From the first request that was written to the last picture that went live."""


def _batch(site: Site, browser: Browser, pictures: int) -> _Batch:
    """Have all pictures made, and view the listing until they are."""
    specs = [f"format-jpeg smartresize-{size}" for size in SIZES]
    # Its crops are made elsewhere: they are the price of a first view, with or without this app.
    elsewhere = free_port()
    process = site.serve("gunicorn sync", "--workers=1", port=elsewhere, role="elsewhere")
    sites.want(site, pictures - 1, specs, elsewhere)
    site.end(process)
    _want_further_formats(site)
    # The last want comes from the process itself, which wakes its thread.
    sites.want(site, pictures, specs, first=pictures)
    until(lambda: sites.progress(site).began, "the first request is written")
    ends = time.monotonic() + 240
    views: list[float] = []
    while not _is_over(site, pictures):
        assert time.monotonic() < ends, f"{sites.progress(site)}\n{site.log()}"
        views += _views(browser, 1)
    return _Batch(views, time.time() - sites.progress(site).began)


def _is_over(site: Site, pictures: int) -> bool:
    now = sites.progress(site)
    return now.stored == pictures and not now.requests_left and not now.flips_left


def _want_further_formats(site: Site) -> None:
    """Have the pictures prepared in all formats, without the crops in them, which nobody views."""
    table = get_image_model().get_rendition_model()._meta.db_table
    for name in FORMATS:
        if name != "jpeg":
            site.sql(
                f"INSERT INTO {table} (image_id, file, width, height, focal_point_key, filter_spec)"
                " SELECT image_id, file, width, height, focal_point_key,"
                f" replace(filter_spec, 'format-jpeg', 'format-{name}')"
                f" FROM {table} WHERE filter_spec LIKE 'format-jpeg|smartresize-%'"
            )


def _views(browser: Browser, count: int) -> list[float]:
    """Return the seconds of each of so many views of the listing."""
    took = []
    for _ in range(count):
        began = time.perf_counter()
        browser.fetch(LISTING)
        took.append(time.perf_counter() - began)
        time.sleep(PAUSE)
    return took


def _rows(kind: str, pictures: int, quiet: list[float], batch: _Batch) -> list[Row]:
    def row(what: str, figure: Callable[[list[float]], float], **counts: float) -> Row:
        beside, found = figure(quiet), figure(batch.views)
        return Row(
            f"The image listing while {pictures} pictures are made, beside a quiet time: {what}",
            *_beside(found, batch.views if figure is statistics.median else [], beside),
            at_most=AIM,
            counts=counts,
            note=f"{found * 1000:.0f} ms beside {beside * 1000:.0f} ms, on {kind}",
        )

    return [
        row("the median", statistics.median, views=len(batch.views)),
        row(
            "the 90th percentile",
            _percentile_90,
            **{"worst, s": round(max(batch.views), 2), "worst when quiet, s": round(max(quiet), 2)},
        ),
        Row(
            "From the first request to the last picture live, while an editor looks",
            *[batch.seconds] * 3,
            unit="s",
            note=f"Of these the gateway takes {LATENCY:g} s for each picture",
        ),
    ]


def _beside(found: float, views: list[float], quiet: float) -> list[float]:
    """Return a ratio, with the quartiles of the views if they are given."""
    if not views:
        return [found / quiet] * 3
    return [seconds / quiet for seconds in spread(views)]


def _percentile_90(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=10, method="inclusive")[-1]
