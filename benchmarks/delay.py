"""Measures the time from the gateway's result until a process without part in it shows it.

Real servers, workers and sockets: one web process notes the demand and, where there is no worker,
does the work in its thread; pages are requested from another process, which does none.
"""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django

django.setup()

from suites.engines.setups import ENGINES, Engine, filled_site, redis_server  # noqa: E402
from suites.servers.harness import Site, free_port  # noqa: E402
from support.measuring import spread  # noqa: E402
from support.waiting import until  # noqa: E402

from wagtail_smart_resize.models import GatewayRequest  # noqa: E402
from wagtail_smart_resize.sandbox import SandboxGateway, handler, jobs  # noqa: E402

from . import sites  # noqa: E402
from .rows import Row, Skipped  # noqa: E402

#: The aim in seconds. For two of them a process relies on what it last read.
AIM = 2.5
#: Number of pictures made beforehand, by which the site learns how long the gateway takes.
BEFORE = 2
#: Seconds between two pages that are requested, so that the trials meet all phases of all clocks.
APART = 1.13
THREAD = "the thread of a web process"


def measure(directory: Path, quick: bool) -> list[Row]:
    trials, latency = (2, 4.0) if quick else (8, 11.0)
    handler.Job = _Job
    rows = []
    for number, name in enumerate([THREAD, "django-tasks-db", "RQ", "Celery"]):
        here = directory / str(number)
        here.mkdir()
        try:
            rows.append(_row(name, here, trials, latency))
        except (Skipped, FileNotFoundError) as reason:
            print(f"without {name}: {reason}")
    return rows


class _Job(jobs.Job):
    """A job that records when it was COMPLETED."""

    known: dict[str, "_Job"] = {}
    gateway: SandboxGateway

    def start(self, *args: Any) -> None:
        super().start(*args)
        self._made: float = 0
        self._pictures.add_done_callback(self._note)
        self.known[self.request_id] = self

    def _note(self, _pictures: Any) -> None:
        self._made = time.time()

    @property
    def completed(self) -> float:
        return max(self._created + self._latency, self._made or float("inf"))


def _row(name: str, directory: Path, trials: int, latency: float) -> Row:
    with _site(name, directory, BEFORE + trials, latency) as (kind, site, elsewhere):
        _delays(site, elsewhere, range(1, BEFORE + 1))
        asked = len(_Job.gateway.polls)
        seconds = _delays(site, elsewhere, range(BEFORE + 1, BEFORE + trials + 1))
        polls = (len(_Job.gateway.polls) - asked) / trials
    note = f"On {kind}, the gateway takes {latency:g} s"
    return Row(
        f"From COMPLETED to the page, by {name}",
        *spread(seconds),
        unit="s",
        at_most=AIM,
        counts={"pictures": trials, "worst": round(max(seconds), 2), "polls of each": polls},
        note=note,
    )


@contextlib.contextmanager
def _site(
    name: str, directory: Path, trials: int, latency: float
) -> Iterator[tuple[str, Site, int]]:
    """Run a site with a picture for each trial; yield it, and the port of the process without
    part."""
    engine = ENGINES.get(name)
    if engine and (missing := engine.missing()):
        raise Skipped(", ".join(missing))
    with contextlib.ExitStack() as stack:
        port = None
        if engine and engine.redis:
            port = stack.enter_context(redis_server(directory))
        worker = engine.worker(port) if engine else None
        kind, database = stack.enter_context(sites.database(directory))
        gateway = _Job.gateway = stack.enter_context(SandboxGateway(latency=latency))
        site = stack.enter_context(
            filled_site(
                directory,
                database,
                gateway.url,
                trials,
                settings=sites.with_settings(worker.settings if worker else ""),
                module=(engine or Engine("", 0, [])).settings,
                SERVERS_RUNNER="tasks" if engine else "thread",
            )
        )
        site.serve("gunicorn sync", "--workers=1")
        elsewhere = free_port()
        with site.with_environment({"SERVERS_RUNNER": "off"}):
            site.serve("gunicorn sync", "--workers=1", port=elsewhere, role="elsewhere")
        running = site.start(*worker.command, role="worker") if worker else None
        try:
            yield kind, site, elsewhere
        finally:
            if running:
                site.end(running)


def _delays(site: Site, elsewhere: int, numbers: range) -> list[float]:
    """Return the seconds from COMPLETED until a page shows the picture, for each of these."""
    shown = {}
    for number in numbers:
        shown[number] = site.get(_page(number)).pictures
        assert shown[number] == site.get(_page(number), elsewhere).pictures
        time.sleep(APART)
    jobs_of = until(lambda: _jobs_of(site, numbers.stop - 1), "all jobs are known", pause=0.2)
    delays: dict[int, float] = {}
    ends = time.monotonic() + 120
    while len(delays) < len(numbers):
        assert time.monotonic() < ends, f"{delays}\n{site.requests()}\n{site.log()}"
        for number in sorted(shown.keys() - delays.keys()):
            answer = site.get(_page(number), elsewhere)
            now = time.time()
            assert answer.status == 200, site.log()
            if answer.pictures != shown[number]:
                delays[number] = now - jobs_of[number].completed
        time.sleep(0.1)
    return list(delays.values())


def _page(number: int) -> str:
    return f"/pictures/?photo={number}&spec=smartresize-1200x630"


def _jobs_of(site: Site, trials: int) -> dict[int, _Job]:
    """Return the gateway's job for each image, once each has one."""
    table = GatewayRequest._meta.db_table
    found = site.sql(f"SELECT image_id, request_id FROM {table} WHERE request_id <> ''")
    return {image: _Job.known[job] for image, job in found} if len(found) == trials else {}
