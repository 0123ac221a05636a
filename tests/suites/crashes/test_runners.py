"""The same in real processes: the embedded thread, the chain of ticks, the worker.

It also covers a deploy, which sends SIGTERM first. The leases of a killed process last for minutes;
tests end them, as if the time had passed.
"""

import os
import signal

import pytest
from support.waiting import until

from suites.servers.harness import Site, Template, has_module
from wagtail_smart_resize.sandbox import SandboxGateway

from .apps import set_trap

pytestmark = pytest.mark.crashes

PHOTOS = 2
ENGINES = ("django_tasks_db", "uvicorn")


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    missing = [name for name in ENGINES if not has_module(name)]
    assert not missing, f"pip install wagtail-smart-resize[engines]: {', '.join(missing)}"
    made = Template(tmp_path_factory.mktemp("template"), os.environ.get("DATABASE_URL", ""))
    yield made
    made.close()


@pytest.fixture
def gateway():
    with SandboxGateway(latency=0.5, slow=0, trickle=0) as running:
        yield running


class Running:
    """A site whose pipeline one kind of runner runs."""

    def __init__(self, site, runner):
        self.site = site
        self.runner = runner
        # With the embedded thread the web server does the work.
        self.role = "web" if runner == "thread" else "worker"

    def start(self):
        """Start the web server and the runner; return the process that does the work."""
        web = self.site.serve("uvicorn")
        return web if self.runner == "thread" else self.start_worker()

    def restart(self):
        return self.site.serve("uvicorn") if self.runner == "thread" else self.start_worker()

    def start_worker(self):
        if self.runner == "tick":
            return self.site.work_on_tasks()
        return self.site.start("django", "smart_resize_worker", role="worker")

    def unreferenced(self):
        """Return the files that no row names."""
        media = self.site.directory / "media"
        stored = {str(path.relative_to(media)) for path in media.rglob("*") if path.is_file()}
        tables = ("wagtailimages_image", "wagtailimages_rendition", CANDIDATES)
        named = {row[0] for table in tables for row in self.site.sql(f"SELECT file FROM {table}")}
        return stored - named


CANDIDATES = "wagtail_smart_resize_candidate"
RUNNERS = {
    "thread": {"SERVERS_RUNNER": "thread"},
    "tick": {"SERVERS_RUNNER": "tasks", "SERVERS_TASKS": "database"},
    "worker": {"SERVERS_RUNNER": "off"},
}


@pytest.fixture
def make_running(template, tmp_path_factory, gateway):
    sites = []

    def make(runner):
        directory = tmp_path_factory.mktemp("site")
        settings = "suites.crashes.runner_settings"
        environment = {**RUNNERS[runner], "DJANGO_SETTINGS_MODULE": settings}
        site = Site(directory, template.copy(directory), gateway.url, **environment)
        sites.append(site)
        return Running(site, runner)

    yield make
    for site in sites:
        site.close()


# After a kill at these points nobody knows whether the recomposition was bought.
UNSURE = ("POST request", "answer to POST request")


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize(
    "point",
    [
        "INSERT gatewayrequest",
        "UPDATE budgetperiod",
        "HEAD source",
        *UNSURE,
        "GET status",
        "answer to GET status",
        "GET result",
        "answer to GET result",
        "INSERT candidate",
        "save candidate",
        "second half of candidate",
        "INSERT rendition",
        "save rendition",
        "second half of rendition",
        "UPDATE publicationcounter",
        "UPDATE imageversion",
    ],
)
def test_a_killed_runner_is_followed_by_one_that_finishes(make_running, gateway, runner, point):
    running = make_running(runner)
    site = running.site
    trap = set_trap(site.directory, running.role, point, signal.SIGKILL)
    process = running.start()
    first = site.get()
    assert process.wait(40) == -signal.SIGKILL, site.log()
    site.end(process)
    assert not trap.exists()
    unsure = [row[0] for row in site.requests()].count("sending")
    assert bool(unsure) == (point in UNSURE)
    site.end_leases()
    running.restart()
    ended = ["done"] * (PHOTOS - unsure) + ["unknown"] * unsure

    def all_ended():
        # The end of a visitor's request notices that no runner works any more.
        assert site.get().status == 200
        return sorted(row[0] for row in site.requests()) == ended

    until(all_ended, "all has ended", pause=0.5)
    if not unsure:
        site.wait_until_recomposed(first)
    # An unknown request may or may not have left the process.
    assert PHOTOS - unsure <= len(gateway.requests) <= PHOTOS
    until(lambda: not running.unreferenced(), "no unreferenced file is left")


@pytest.mark.parametrize(
    "point",
    [
        "answer to POST request",
        "answer to GET status",
        "answer to GET result",
        "UPDATE publicationcounter",
    ],
)
def test_a_worker_told_to_end_loses_nothing(make_running, gateway, point):
    running = make_running("worker")
    site = running.site
    trap = set_trap(site.directory, "worker", point, signal.SIGTERM)
    process = running.start()
    first = site.get()
    assert process.wait(40) == 0, site.log()
    assert not trap.exists()
    assert "sending" not in [row[0] for row in site.requests()]
    running.restart()
    site.wait_until_recomposed(first)
    assert site.requests() == [("done", "yes", "")] * PHOTOS
    assert len(gateway.requests) == PHOTOS
    assert not running.unreferenced()
