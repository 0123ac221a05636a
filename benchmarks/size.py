"""Measures what grows with a site: each operation at 100 000 images and at a hundredth of them.

Both databases are open in this process, on the default connection in turns. `BENCH_PLANS` names a
file for the plans of the queries that matter: docs/evidence/query-plans.md.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import dj_database_url
import django
from django.conf import settings as site_settings
from suites.races.databases import postgresql

from .rows import Row, Skipped

SHARE = 100


def measure(directory: Path, quick: bool) -> list[Row]:
    with open_sites(directory, quick) as sites:
        rows = [sites.compare(*job) for job in _jobs(quick)]
        if plans := os.environ.get("BENCH_PLANS"):
            from . import size_plans

            sites.use(0)
            Path(plans).write_text(size_plans.page(sites.images[0]))
        return rows


@contextmanager
def open_sites(directory: Path, quick: bool) -> Iterator["Sites"]:
    """Yield the two sites, filled."""
    with ExitStack() as stack:
        urls = [_database(stack, directory) for _size in range(2)]
        os.environ["DATABASE_URL"] = urls[0]
        django.setup()
        from . import size_data

        images = size_data.IMAGES // (100 if quick else 1)
        sites = Sites(urls, (images, images // (10 if quick else SHARE)))
        stack.callback(sites.close)
        sites.fill()
        yield sites


def _database(stack: ExitStack, directory: Path) -> str:
    """Create a database and return its URL. Raises Skipped where there is no server."""
    from _pytest.outcomes import Skipped as Missing

    try:
        return stack.enter_context(postgresql(directory))
    except Missing as reason:
        raise Skipped(str(reason)) from None


class Sites:
    """The large site and the small one."""

    def __init__(self, urls: list[str], images: tuple[int, int]) -> None:
        from django.db import connections

        self.images = images
        self._connections = [connections["default"]]
        for url in urls[1:]:
            other = connections.create_connection("default")
            other.settings_dict = {**other.settings_dict, **dj_database_url.parse(url)}
            self._connections.append(other)
        self._present = 0

    def use(self, site: int) -> None:
        from django.db import connections

        from wagtail_smart_resize.renditions import published_cache

        self._present = site
        connections["default"] = self._connections[site]
        published_cache.process_cache.reset()

    def close(self) -> None:
        for connection in self._connections:
            connection.close()

    def fill(self) -> None:
        from . import size_data

        for site, images in enumerate(self.images):
            self.use(site)
            size_data.fill(images)

    def compare(
        self, what: str, job: Callable[[int], Any], rounds: int, at_most: float | None
    ) -> Row:
        """Compare the job's time at both sites; it gets the number of the site's images."""
        from support.measuring import in_turns

        names = {"large": 0, "small": 1}
        times = in_turns(
            {name: (lambda: job(self.images[self._present])) for name in names},
            rounds,
            prepare=lambda name: self.use(names[name]),
            warm_up=1,
        )
        large, small = (times.of(name).median * 1000 for name in names)
        counts = {}
        for name, site in names.items():
            self.use(site)
            counts[f"queries, {name}"] = self._queries(job)
        if len(set(counts.values())) == 1:
            counts = {"queries": counts["queries, large"]}
        note = f"{large:.1f} ms beside {small:.1f} ms"
        ratio = times.ratio("large", to="small")
        return Row(what, *ratio, at_most=at_most, counts=counts, note=note)

    def _queries(self, job: Callable[[int], Any]) -> int:
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        with CaptureQueriesContext(connection) as made:
            job(self.images[self._present])
        return len(made)


def _jobs(quick: bool) -> Iterator[tuple[str, Callable[[int], Any], int, float | None]]:
    """Yield what is measured, the job, the rounds, and the ratio it may reach."""
    from . import size_jobs

    rounds = 1 if quick else 9
    for what, job in size_jobs.SMALL.items():
        yield what, job, rounds * 4, 1.5
    yield "The first look of a process, at most 20 000 rows", size_jobs.first_refresh, rounds, None
    with _review():
        for what, job in list(size_jobs.screens())[:: 3 if quick else 1]:
            yield what, job, rounds, 1.5
        yield "The export as CSV, its first 1000 rows", size_jobs.export, max(1, rounds // 3), None


@contextmanager
def _review() -> Iterator[None]:
    from django.test import override_settings

    changed = {**site_settings.WAGTAIL_SMART_RESIZE, "REVIEW": True}
    with override_settings(WAGTAIL_SMART_RESIZE=changed):
        yield
