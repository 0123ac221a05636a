"""Everything at once, on each database: one purchase each, limits kept, no error, right
pictures."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.core import signing
from support.gateways import answering, picture
from support.paths import TESTS

from wagtail_smart_resize.purchasing import source_image
from wagtail_smart_resize.sandbox import SandboxGateway
from wagtail_smart_resize.sandbox.gateway import KEPT_CALLS
from wagtail_smart_resize.sandbox.responses import Reply

from .databases import DATABASES, mariadb

pytestmark = pytest.mark.races

IMAGES = 200
PROCESSES = 8
SECONDS = 1000

# Each image is shown in a square, something nearly square, a banner, and a portrait with a recipe
# of its own. In addition, editors ask for two candidates of some shapes.
SHAPES = 3
DEMAND = IMAGES * SHAPES
#: Less than is wanted; odd, so that the last image gets one of its two shapes.
DAY = 61
#: The limit of a month with three days of purchases: the third day, or a fourth, is cut short.
MONTH = 152
NO_LIMIT = 10_000
#: First within one day. Then through a midnight, with competition for the days and their month at
#: once, and two more days for what waits for them. Finally without limits.
PHASES = (
    {
        "begins": "2126-11-10T12:00+00:00",
        "limits": {"DAILY_LIMIT": DAY, "MONTHLY_LIMIT": NO_LIMIT},
        "operations": 18,
        "days_after": 0,
    },
    {
        "begins": "2126-11-11T23:59:52+00:00",
        "limits": {"DAILY_LIMIT": DAY, "MONTHLY_LIMIT": MONTH},
        "operations": 20,
        "days_after": 2,
    },
    {
        "begins": "2126-11-20T12:00+00:00",
        "limits": {"DAILY_LIMIT": NO_LIMIT, "MONTHLY_LIMIT": NO_LIMIT},
        "operations": 24,
        "days_after": 0,
    },
)


#: Logged because the gateway refuses, and the budget ends: what happens to purchases is told.
EXPECTED = "wagtail_smart_resize.purchases: "


class Post(NamedTuple):
    """A submission, with the request that the source's address names."""

    request: int
    sizes: tuple[str, ...]
    images_per_size: int

    @property
    def outputs(self) -> int:
        return len(self.sizes) * self.images_per_size


class Race:
    def __init__(self, result: dict[str, Any], gateway: SandboxGateway, answers: list[str]) -> None:
        assert len(gateway.calls) < KEPT_CALLS
        self.phases = result["phases"]
        self.requests = {request["pk"]: request for request in result["requests"]}
        self.rows = result["rows"]
        self.pages = result["pages"]
        self.files = result["files"]
        self.left = result["left"]
        self.posts = [_post(body) for body in gateway.requests]
        self.refusals = sum(
            " 500 " in line or " 503 " in line or " 429 " in line for line in answers
        )

    def bought(self) -> list[Post]:
        """Return the submissions that the gateway accepted."""
        return [post for post in self.posts if self.requests[post.request]["request_id"]]

    def outputs(self) -> int:
        return sum(post.outputs for post in self.bought())

    def purchases(self, by_person: bool) -> Counter[tuple[Any, ...]]:
        """Count the purchases of each shape: templates' by image and recipe; editors' by submitted
        form."""
        found: Counter[tuple[Any, ...]] = Counter()
        for post in self.bought():
            request = self.requests[post.request]
            if request["by_person"] is by_person:
                key = request["image_id"], request["recipe"], request["source_hash"]
                found.update((*key, request["batch"], _kind(size)) for size in post.sizes)
        return found

    def duplicates(self) -> int:
        bought = [*self.purchases(True).values(), *self.purchases(False).values()]
        return sum(bought) - len(bought)

    def lost(self) -> int:
        """Count the outputs that were bought and are missing."""
        return self.outputs() - sum(len(row["candidates"]) for row in self.rows)

    def orphans(self) -> int:
        return len(self.files["unreferenced"]) + len(self.files["missing"])

    def processes(self) -> list[dict[str, Any]]:
        return [process for phase in self.phases for process in phase["processes"]]

    def counts(self) -> Counter[str]:
        return sum((Counter(process["counts"]) for process in self.processes()), Counter())

    def errors(self) -> list[str]:
        return [text for process in self.processes() for text in process["errors"]]

    def refused(self) -> Counter[str]:
        """Count the statements that the database refused, whether or not they were tried again."""
        return sum((Counter(process["refused"]) for process in self.processes()), Counter())

    def logged(self) -> Counter[str]:
        return Counter(line for process in self.processes() for line in process["logged"])


def _post(body: dict[str, Any]) -> Post:
    token = body["image_url"].rstrip("/").rpartition("/")[2]
    request, _secret = signing.loads(token, salt=source_image.SALT)
    return Post(request, tuple(body["target_sizes"]), body["num_images_per_size"])


def _kind(size: str) -> float:
    """Return the rounded ratio: square and nearly square are the same shape."""
    width, height = map(int, size.split("x"))
    return round(width / height, 1)


@pytest.fixture(scope="module", params=DATABASES)
def race(request, tmp_path_factory):
    directory = tmp_path_factory.mktemp(request.param)
    far_end = answering(Reply(200, picture(), "image/png"))
    answers: list[str] = []
    with (
        DATABASES[request.param](directory) as database,
        far_end as sources,
        SandboxGateway(report=answers.append) as gateway,
    ):
        plan = {"images": IMAGES, "processes": PROCESSES, "phases": PHASES, "seed": "races"}
        (directory / "plan.json").write_text(json.dumps(plan))
        environment = _environment(directory, database, gateway.url, sources.origin)
        result = _run_module("suites.races.coordinator", directory, environment, "plan.json")
        race = Race(result, gateway, answers)
    _print_figures(request.param, race)
    return race


def _environment(directory: Path, database: str, gateway: str, source: str) -> dict[str, str]:
    return {
        "DATABASE_URL": database,
        "DJANGO_SETTINGS_MODULE": "suites.races.settings",
        "PYTHONPATH": str(TESTS),
        "RACES_DIR": str(directory),
        "RACES_GATEWAY": gateway,
        "RACES_SOURCE": source,
        "TMPDIR": str(directory),
    }


def _run_module(module: str, directory: Path, environment: dict[str, str], *arguments: str) -> Any:
    """Run a module as a process; return what it wrote to the file named by its last argument."""
    with (directory / "log").open("w+") as log:
        ended = subprocess.run(
            [sys.executable, "-m", module, *arguments, "result.json"],
            env={**os.environ, **environment},
            cwd=directory,
            stdout=log,
            stderr=log,
            timeout=SECONDS,
        )
        log.seek(0)
        assert ended.returncode == 0, log.read()[-8000:]
    return json.loads((directory / "result.json").read_text())


def _print_figures(database: str, race: Race) -> None:
    print(f"\n{database}: {dict(race.counts())}")
    for phase in race.phases:
        took = f"{phase['race_seconds']:.0f} s + {phase['settle_seconds']:.0f} s"
        print(f"  {phase['bought_in_race']} of {phase['bought']} outputs in the race, {took}")
        print(f"  {phase['spent']}")
    counts = race.counts()
    print(
        f"  tries {len(race.posts)}, refused {race.refusals}, purchases {len(race.bought())} of "
        f"{race.outputs()} outputs, duplicates {race.duplicates()}, lost {race.lost()}, "
        f"orphans {race.orphans()} "
        f"(and {len(race.files['unreferenced_by_wagtail'])} of Wagtail's), "
        f"files checked {counts['files']}, compared {counts['compared']}, "
        f"errors {len(race.errors())}, refused statements {race.refused().total()}"
    )
    for text, count in [*race.refused().items(), *race.logged().items()]:
        print(f"  {count} times: {text}")


# Assertions


def test_nobody_gets_an_error(race):
    assert race.errors() == []


def test_no_lock_is_waited_for_in_vain_and_nothing_is_swallowed(race):
    """Not even where it would be tried again, or a page would be shown without it."""
    assert race.refused() == {}
    assert not [line for line in race.logged() if not line.startswith(EXPECTED)]


def test_all_is_done_that_was_wanted(race):
    assert not any(race.left.values()), race.left
    assert {request["status"] for request in race.requests.values()} <= {"done", "failed"}


def test_each_shape_is_bought_once_for_each_image_and_recipe(race):
    by_templates, by_people = race.purchases(False), race.purchases(True)
    assert set(by_templates.values()) == {1}
    assert set(by_people.values()) == {1}
    shapes = {(*key[:3], key[4]) for key in [*by_templates, *by_people]}
    assert len(shapes) == DEMAND
    assert race.duplicates() == 0


def test_each_request_is_posted_once(race):
    posted = [post.request for post in race.posts]
    assert len(posted) == len(set(posted))
    charged = {pk for pk, request in race.requests.items() if request["charged"] != "no"}
    assert charged == {post.request for post in race.bought()}


def test_the_ledger_tells_each_refusal(race):
    refused = {post.request for post in race.posts if post not in race.bought()}
    assert len(refused) == race.refusals
    for pk in refused:
        request = race.requests[pk]
        assert (request["status"], request["charged"]) == ("failed", "no")
        assert request["error_code"] in {"http_429", "http_500", "http_503"}


def test_exactly_a_day_s_limit_is_bought_where_more_is_wanted(race):
    assert race.phases[0]["bought"] == DAY
    assert race.phases[0]["spent"] == {"2126-11": DAY, "2126-11-10": DAY}


def test_exactly_the_month_s_limit_is_bought_over_its_days(race):
    spent = race.phases[1]["spent"]
    days = {period: outputs for period, outputs in spent.items() if period != "2126-11"}
    assert race.phases[1]["bought"] == spent["2126-11"] == sum(days.values()) == MONTH
    assert max(days.values()) == DAY
    assert len([outputs for outputs in days.values() if outputs]) >= 3


def test_what_is_spent_is_what_was_asked_for_and_received(race):
    ledger = [request for request in race.requests.values() if request["charged"] != "no"]
    assert sum(request["outputs_asked"] for request in ledger) == race.outputs()
    assert sum(request["outputs_received"] for request in ledger) == race.outputs()
    month, *days = sorted(race.phases[-1]["spent"].items())
    assert month[1] == sum(outputs for _day, outputs in days) == race.outputs()
    assert race.lost() == 0


def test_no_file_is_without_its_row_and_no_row_without_its_file(race):
    assert race.files["unreferenced"] == []
    assert race.files["missing"] == []


def test_every_page_shows_what_its_version_says(race):
    assert len(race.pages) == IMAGES
    awaited = {row["image"] for row in race.rows if row["awaits_a_person"]}
    assert len(awaited) < IMAGES / 2
    for page in race.pages:
        assert page["hash"]
        for shown in page["shown"]:
            # What a person asked for goes live by itself nowhere: until then it is the crop.
            assert shown["says"] is not None or page["image"] in awaited, page
            assert shown["shows"] == (shown["says"] or ""), page


def test_what_was_recorded_last_is_what_is_served(race):
    decided = [row for row in race.rows if row["last_decision"]]
    assert decided
    for row in decided:
        assert [row["decision"], row["live"], row["decided_by"]] == row["last_decision"], row
    for row in race.rows:
        if row not in decided:
            assert row["decision"] == "none"
            assert row["live"] in row["candidates"] or row["awaits_a_person"], row
    assert len(race.rows) == DEMAND


def test_they_did_race(race):
    """Check that the processes did compete: enough was done while others were at work.

    How much depends on the machine's load: on a quiet one all of the first two limits and half of
    the rest.
    """
    assert race.phases[0]["bought_in_race"] > DAY / 4
    assert race.phases[1]["bought_in_race"] > DAY + 5
    assert race.phases[2]["bought_in_race"] > MONTH + 20
    counts = race.counts()
    assert counts["compared"] > 100
    assert counts["decided"] > 50
    assert counts["undone"] > 5
    assert counts["asked"] > PROCESSES
    assert counts["flipped"] > 5
    assert counts["repair"] >= PROCESSES
    assert race.refusals > 5


def test_no_conditional_update_locks_an_index_before_its_row(tmp_path):
    """MariaDB may find a row by an index of the condition. A transaction that holds the row and
    changes that index would then be in a deadlock with it. Eight processes meet like that only once
    in many races."""
    unused = "http://127.0.0.1:9"
    with mariadb(tmp_path) as database:
        environment = _environment(tmp_path, database, unused, unused)
        result = _run_module("suites.races.deadlock_check", tmp_path, environment)
    assert len(result) == 7
    assert not any(result.values()), result
