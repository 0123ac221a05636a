"""Measures what grows with a site: each operation at 100 000 images and at a hundredth of them.

Both databases are open in this process, on the default connection in turns. `BENCH_PLANS` names a
file for the plans of the queries that matter: docs/evidence/query-plans.md.
"""

import gc
import os
import time
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
    with ExitStack() as stack:
        urls = [_database(stack, directory) for _size in range(2)]
        os.environ["DATABASE_URL"] = urls[0]
        django.setup()
        from . import size_data

        images = size_data.IMAGES // (100 if quick else 1)
        sites = _Sites(urls, (images, images // (10 if quick else SHARE)))
        stack.callback(sites.close)
        sites.fill()
        rows = [sites.compare(*job) for job in _jobs(quick)]
        rows += sites.sync()
        if plans := os.environ.get("BENCH_PLANS"):
            from . import size_plans

            sites.use(0)
            Path(plans).write_text(size_plans.page(images))
        return rows


def _database(stack: ExitStack, directory: Path) -> str:
    """Create a database and return its URL. Raises Skipped where there is no server."""
    from _pytest.outcomes import Skipped as Missing

    try:
        return stack.enter_context(postgresql(directory))
    except Missing as reason:
        raise Skipped(str(reason)) from None


class _Sites:
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

    def sync(self) -> list[Row]:
        """Measure a sync that finds nothing to do, and the growth of this process meanwhile."""
        from wagtail_smart_resize.repair import repairs

        found = []
        for site in (1, 0):
            self.use(site)
            gc.collect()
            with _peak() as growth:
                began = time.perf_counter()
                report = repairs.run()
                took = time.perf_counter() - began
            assert not report.failed
            assert not report.counts, report.lines()
            found.append((took, growth[0]))
        (small, little), (large, much) = found
        memory = Row(
            "By how much the process grows at its peak",
            much,
            much,
            much,
            unit="MB",
            note=f"{little:.1f} MB at the small site",
        )
        ratio = large / small
        share = self.images[0] // self.images[1]
        note = f"{large:.1f} s beside {small:.2f} s, for {share} times the rows"
        return [Row("A sync with nothing to do", ratio, ratio, ratio, note=note), memory]


@contextmanager
def _peak() -> Iterator[list[float]]:
    """Yield a list that gets the growth of this process to its peak, in MB, as Linux measures
    it."""
    Path("/proc/self/clear_refs").write_text("5")
    before, growth = _kilobytes("VmRSS"), []
    yield growth
    growth.append((_kilobytes("VmHWM") - before) / 1000)


def _kilobytes(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


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
