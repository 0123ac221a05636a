"""A hundred kills of a site that is visited: nothing is bought twice, lost, stuck or left behind.

Real gunicorn and workers on PostgreSQL are ended with `kill -9` at random, while visitors come to a
plain view, to published pages and to an API. Then the site runs on, and one repair is made.
"""

import collections
import http.client
import json
import os
import random
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest
from django.core import signing
from support.waiting import TIMEOUT_SECONDS, join

from suites.races.databases import DATABASES
from suites.servers.harness import Site
from wagtail_smart_resize.purchasing import source_image
from wagtail_smart_resize.sandbox import SandboxGateway

pytestmark = pytest.mark.crashes

KILLS = 100
PHOTOS = 60
VISITORS = 3
WORKERS = 2
SPECS = ("smartresize-800x200", "smartresize-300x600")
OF_PAGE, OF_API = "smartresize-1200x630", "smartresize-400x400"
STEP = ("suites.crashes.kill_site",)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Make the run, and return it for the tests to read."""
    directory = tmp_path_factory.mktemp("kills")
    named = {"DJANGO_SETTINGS_MODULE": "suites.crashes.kill_settings"}
    with (
        DATABASES["PostgreSQL"](directory) as database,
        SandboxGateway(latency=0.3, slow=0, trickle=0) as gateway,
    ):
        site = Site(directory, database, gateway.url, **named)
        try:
            run = Run(site, gateway)
            run.make()
            yield run
        finally:
            site.close()


class Run:
    def __init__(self, site, gateway):
        self.site = site
        self.gateway = gateway
        self.random = random.Random(17)
        self.seen = set()
        """Photograph and spec of all that was shown."""
        self.statuses = {"smartresize": collections.Counter(), "fill": collections.Counter()}
        """Answers by their status, with our filter and with Wagtail's."""
        self.killed = collections.Counter()
        self._over = threading.Event()

    def make(self):
        assert self.site.start(*STEP, "fill", str(PHOTOS)).wait(TIMEOUT_SECONDS) == 0
        master = self.site.serve("gunicorn sync", "--workers=3")
        self.workers = [self._worker() for _ in range(WORKERS)]
        visitors = [threading.Thread(target=self._visit, args=(each,)) for each in range(VISITORS)]
        for visitor in visitors:
            visitor.start()
        for number in range(KILLS):
            # No wait for anything: moments that nobody has chosen are what is tried.
            time.sleep(self.random.uniform(0.5, 2.5))
            self._kill_one(master, number)
        self._over.set()
        join(*visitors)
        self._visit_all()
        for worker in self.workers:
            self.site.end(worker)
        self.site.end_leases()
        self.synced = self.site.start("django", "smart_resize_sync", "--wait", "--timeout=300")
        self.synced.wait(400)
        self._visit_all()
        self.facts = json.loads(self._output("facts"))

    def _worker(self):
        return self.site.start("django", "smart_resize_worker", role="worker")

    def _kill_one(self, master, number):
        if number % 2:
            place = self.random.randrange(WORKERS)
            self.site.end(self.workers[place], signal.SIGKILL)
            self.workers[place] = self._worker()
            self.killed["worker"] += 1
            return
        children = Path(f"/proc/{master.pid}/task/{master.pid}/children").read_text().split()
        if children:
            os.kill(int(self.random.choice(children)), signal.SIGKILL)
            self.killed["gunicorn"] += 1

    def _visit(self, seed):
        chosen = random.Random(seed)
        while not self._over.is_set():
            photo = chosen.randrange(PHOTOS)
            self._look(photo, chosen.choice((self._view, self._page, self._story, self._fill)))

    def _visit_all(self):
        """Come once more to all that was shown before, for what is shown now."""
        for photo in range(PHOTOS):
            for kind in (self._view, self._page, self._story):
                if any((photo, spec) in self.seen for spec in kind(photo)[1]):
                    self._look(photo, kind)

    def _look(self, photo, kind):
        path, specs = kind(photo)
        if not path:
            return
        statuses = self.statuses["smartresize" if specs else "fill"]
        try:
            answer = self.site.get(path)
        except (OSError, http.client.HTTPException):
            # The process that had taken the connection was killed.
            statuses["cut off"] += 1
            return
        statuses[answer.status] += 1
        if answer.status == 200:
            self.seen |= {(photo, spec) for spec in specs}

    def _fill(self, photo):
        return f"/pictures/?photo={photo + 1}&spec=fill-800x200&spec=fill-300x600", ()

    def _view(self, photo):
        specs = "&".join(f"spec={spec}" for spec in SPECS)
        return f"/pictures/?photo={photo + 1}&{specs}", SPECS

    def _page(self, photo):
        return (f"/picture-{photo}/" if photo % 3 == 0 else ""), (OF_PAGE,)

    def _story(self, photo):
        path = f"/api/v2/pages/?type=testapp.StoryPage&fields=smart&slug=story-{photo}"
        return (path if photo % 3 == 1 else ""), (OF_API,)

    def _output(self, *step):
        process = self.site.start(*STEP, *step, role="facts", stdout=subprocess.PIPE)
        output, _errors = process.communicate(timeout=TIMEOUT_SECONDS)
        return output

    # What became of it

    @property
    def rows(self):
        return self.facts["rows"]

    def told(self):
        """Return the rows of which a person is told: what became of the request is not known."""
        return [row for row in self.rows if row["purchase"] == "failed"]


def test_enough_was_tried(run):
    print(f"\n{dict(run.killed)}, shapes {len(run.rows)}")
    print(f"answers: { {name: dict(counted) for name, counted in run.statuses.items()} }")
    print(f"told to a person: {collections.Counter(row['failure_code'] for row in run.told())}")
    assert sum(run.killed.values()) >= 0.9 * KILLS
    assert min(run.killed.values()) > KILLS / 4
    assert len(run.rows) > PHOTOS


def test_no_visitor_gets_an_error(run):
    assert all(set(counted) <= {200, "cut off"} for counted in run.statuses.values())


def test_nothing_is_bought_twice(run):
    requests = {each["id"]: each for each in run.facts["requests"]}
    bought = collections.Counter()
    for asked in run.gateway.requests:
        token = asked["image_url"].rstrip("/").rpartition("/")[2]
        request = requests[signing.loads(token, salt=source_image.SALT)[0]]
        if request["charged"] != "no":
            bought.update(size["recomposition"] for size in request["sizes"])
    assert bought
    assert {row: count for row, count in bought.items() if count > 1} == {}


def test_nothing_is_lost(run):
    """What was shown is recomposed, or a person is told of it."""
    wanted = {(photo + 1, spec.removeprefix("smartresize-")) for photo, spec in run.seen}
    known = {(row["image_id"], slot) for row in run.rows for slot in row["slots"]}
    assert wanted - known == set()
    done = {row["id"] for row in run.rows if row["live_id"]}
    told = {row["id"] for row in run.told()}
    assert {row["id"] for row in run.rows} == done | told
    assert {row["failure_code"] for row in run.told()} <= {"unknown", "failed"}


def test_nothing_is_stuck(run):
    assert {row["purchase"] for row in run.rows} <= {"idle", "failed"}
    assert {each["status"] for each in run.facts["requests"]} <= {"done", "failed", "unknown"}


def test_nothing_is_left_behind(run):
    assert run.facts["orphans"] == []
    assert run.facts["missing"] == []


def test_visitors_see_all_that_was_bought(run):
    live = {row["image_id"]: row for row in run.rows if row["live_id"]}
    recomposed = {image for image, _spec in run.facts["recomposed"]}
    assert set(live) <= recomposed
