"""A busy hour of visitors, editors and flips: nothing grows, nobody gets an error, pages are fast.

First everything is shown, bought and approved once, and a quarter of an hour is played: caches,
pools and the allocator are as they will be. Then comes the hour that is judged, by the medians of
its first and its last third.
"""

import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.core import signing
from support.patience import until

from wagtail_smart_resize.purchasing import source_image

from . import figures, hour
from .database import Server, made
from .gateway import NotingGateway
from .samples import Sample, grown_classes, growth, medians
from .site import WORKERS, Site, sampled

pytestmark = pytest.mark.soak

HERE = Path(__file__).parent
SECONDS = 3600 / hour.PACE * hour.HOURS
#: Hours, however long the soak is: each process must have done all that it ever does.
WARM_UP = 0.25
#: Between two samples, and between two rounds of the probe, seconds.
PAUSE, PROBE_PAUSE = 2.0, 0.1

#: One after the other.
QUIET_LOOKS = 6

#: Blocks, of 1.4 million, by which caches and the map of live images differ at two moments;
#: and objects of a class that threads hold on to until their next request.
TURNED_OVER, IN_PASSING = 4_000, 100

ONE, OTHER, OURS = "one", "other", "ours"
TWINS = {ONE: "`fill`", OTHER: "`fill`, the same page again", OURS: "`smartresize`"}
PAIRS = {(OURS, ONE): "`smartresize` to `fill`", (OTHER, ONE): "`fill` to `fill`"}

#: What the log may say of the outage that is played.
OUTAGE = "ERROR wagtail_smart_resize.purchasing.outcomes: Nothing is asked of the gateway for now"


@dataclass
class Soak:
    before: Sample
    samples: list[Sample]
    after: Sample
    rounds: figures.Rounds
    warmed: dict[str, Any]
    told: dict[str, Any]
    facts: dict[str, Any]
    posts: list[int]
    """The rows of the ledger that were sent and accepted, one for each submission."""
    refused: int
    questions: int
    exit_status: int
    media: Path
    log: str

    @property
    def counts(self) -> Counter[str]:
        return Counter(self.told["counts"])

    @property
    def flips(self) -> int:
        return self.after.flips - self.before.flips

    @property
    def views(self) -> int:
        return self.counts["view"] + len(TWINS) * len(self.rounds)


@pytest.fixture(scope="module")
def soak(tmp_path_factory):
    directory = tmp_path_factory.mktemp("soak")
    latency = hour.GATEWAY_SECONDS / hour.PACE
    with made() as database, NotingGateway(latency=latency) as gateway:
        site = Site(directory, database, gateway.url)
        try:
            played = _play(site, database, gateway)
        finally:
            site.close()
    _tell(played)
    return played


def _play(site: Site, url: str, gateway: NotingGateway) -> Soak:
    site.run("suites.soak.fill")
    server, plan = Server(url), _plan(site)
    try:
        site.serve()
        opened = _open(site, plan, server)
        warmed = site.crowd(_part(plan, WARM_UP)).over()
        _settle(site, server)
        sampler = site.sampler(server)
        before = sampler.take(objects=True)
        probe = site.probe({**plan, "twins": list(TWINS), "pause": PROBE_PAUSE})
        crowd = site.crowd(_part(plan, hour.HOURS))
        outage = _Outage(gateway)
        samples = sampled(crowd, sampler, PAUSE, outage.look)
        told, rounds = crowd.over(), probe.over()
        _settle(site, server)
        after = sampler.take(objects=True)
    finally:
        server.close()
    status = site.end()
    return Soak(
        before,
        samples,
        after,
        rounds,
        {"errors": opened + warmed["errors"], "shown": warmed["shown"]},
        told,
        site.tell("facts"),
        [_request_of(body) for body in gateway.accepted],
        len(gateway.refused),
        gateway.questions,
        status,
        site.media,
        site.log(),
    )


def _plan(site: Site) -> dict[str, Any]:
    return {
        "url": site.url,
        "media": str(site.media),
        "galleries": hour.GALLERIES,
        "seed": "soak",
        **site.tell("site"),
    }


def _part(plan: dict[str, Any], hours: float) -> dict[str, Any]:
    people = {"visitors": hour.VISITORS, "editors": hour.EDITORS}
    seconds = hours * 3600 / hour.PACE
    load = {"views": hour.views(hours), "acts": hour.acts(hours), "seconds": seconds}
    return {**plan, **people, **load, "seed": f"soak {hours}"}


def _open(site: Site, plan: dict[str, Any], server: Server) -> list[str]:
    """Everything is shown and bought; then somebody approves it, and it goes live."""
    steps = {
        "show": {"views": 300, "acts": {}, "visitors": hour.VISITORS, "editors": 0},
        "approve": {"views": 0, "acts": {"clear": 1}, "visitors": 0, "editors": 1},
    }
    errors = []
    for step in steps.values():
        errors += site.crowd({**plan, **step, "seconds": 0}).over()["errors"]
        _settle(site, server)
    return errors


def _settle(site: Site, server: Server) -> None:
    """Until the app has nothing left to do, and a visit and a repair find nothing more."""
    site.run("django", "smart_resize_sync")
    quiet_looks = 0

    def settled() -> bool:
        nonlocal quiet_looks
        assert site.is_up()
        # What a visit has noted is a row a moment later.
        quiet_looks = quiet_looks + 1 if server.undone() == 0 else 0
        return quiet_looks == QUIET_LOOKS

    until(settled, "nothing is left to do", pause=0.3)


class _Outage:
    """In the middle of the hour the gateway refuses all submissions for a while."""

    def __init__(self, gateway: NotingGateway) -> None:
        self._gateway = gateway
        self._begins = SECONDS * 0.45
        self._ends = self._begins + hour.OUTAGE_SECONDS / hour.PACE
        self._begun = False

    def look(self, gone: float) -> None:
        if not self._begun and gone >= self._begins:
            self._gateway.misbehave("402", where="submit")
            self._begun = True
        # It goes on until somebody has come across it.
        if self._gateway.refused and gone >= self._ends:
            self._gateway.behave()


def _request_of(body: bytes) -> int:
    """The row of the ledger that a submission is of: the source's address names it."""
    token = json.loads(body)["image_url"].rstrip("/").rpartition("/")[2]
    request, _secret = signing.loads(token, salt=source_image.SALT)
    return int(request)


def _tell(soak: Soak) -> None:
    # The figures, for docs/reliability.md as well.
    print(
        f"\n{soak.told['seconds']:.0f} s: {figures.done(soak.counts)}, "
        f"{len(soak.posts)} purchases, {soak.refused} refused, {soak.questions} polls"
    )
    print(f"{soak.views} pages, {soak.flips} flips, {len(soak.samples)} samples\n")
    print(figures.held(soak.before, soak.samples, soak.after), end="\n\n")
    print(figures.pages(soak.rounds, TWINS), end="\n\n")
    print(figures.compared(soak.rounds, PAIRS), end="\n\n")
    grown = grown_classes(soak.before, soak.after, 1)
    print(f"Classes with more objects: {figures.worst(grown)}")
    print(f"Files that Wagtail's races left: {len(_of_wagtail(soak.facts))}")
    warnings = Counter(line for line in soak.log.splitlines() if line.startswith("WARNING"))
    print(f"Warnings: {dict(warnings.most_common(5)) or 'none'}")


# Nobody gets an error


def test_no_visitor_and_no_editor_gets_an_error(soak):
    assert soak.warmed["errors"] == []
    assert soak.told["errors"] == []


def test_the_log_tells_of_the_outage_alone(soak):
    lines = soak.log.splitlines()
    errors = [line for line in lines if re.match("ERROR|CRITICAL|Traceback", line)]
    told = [line for line in errors if line.startswith(OUTAGE)]
    assert told
    assert errors == told, soak.log[-8000:]


def test_the_server_ends_in_good_order(soak):
    assert soak.exit_status == 0


def test_the_hour_was_a_busy_one(soak):
    """Guards this file: people did what they came for, and it went through to the gateway."""
    acts, counts = hour.acts(), soak.counts
    assert counts["view"] == hour.views()
    assert {name: counts[name] for name in acts} == acts
    assert counts["nothing to choose"] + counts["nothing to ask for"] < acts.total() / 5
    assert soak.flips >= acts["choose"] / 2
    assert soak.refused
    assert len(soak.posts) > acts["ask"]


# Nothing grows


def test_memory_that_python_uses_does_not_grow_with_pages(soak):
    """One object with attributes that each page forgets would be two blocks and more."""
    assert soak.after.blocks - soak.before.blocks < soak.views / 2 + TURNED_OVER


def test_objects_of_no_class_are_left_by_flips(soak):
    assert grown_classes(soak.before, soak.after, max(IN_PASSING, soak.flips / 2)) == {}


def test_memory_of_the_processes_does_not_grow(soak):
    """Beyond what the allocator may keep: an eighth. A decoded picture that each flip forgets
    would be more."""
    start, _middle, end = medians(soak.samples, lambda sample: sample.own_memory)
    assert end < start * 9 / 8


@pytest.mark.parametrize("what", ["threads", "files", "connections", "temporary"])
def test_what_is_held_does_not_grow(soak, what):
    """Visitors come and go, and so do threads at work: a few for each worker."""
    assert growth(soak.samples, lambda sample: getattr(sample, what)) <= 4 * WORKERS


def test_no_transaction_is_forgotten(soak):
    assert max(sample.forgotten for sample in soak.samples) < 10


# Pages do what they do with `fill`; how long it takes is printed, and held by the benchmarks


def test_twins_differ_in_the_filter_alone():
    ours, theirs = (HERE / "templates/soak" / f"{name}.html" for name in ("smartresize", "fill"))
    assert ours.read_text().replace("smartresize-", "fill-") == theirs.read_text()


def test_pages_ask_the_database_for_flips_and_new_renditions_only(soak):
    """What a flip makes new is read once by each process, and the flips of the last two seconds
    are asked for. A page has six pictures: a query for each of them would be twice as many."""
    queries = {twin: figures.total(soak.rounds, twin, "queries") for twin in TWINS}
    more = (queries[OURS] - queries[ONE]) / len(soak.rounds)
    assert more < hour.PHOTOS / 2


# Nothing is bought twice, lost or left over


def test_each_request_is_accepted_once(soak):
    charged = [each["pk"] for each in soak.facts["requests"] if each["charged"] != "no"]
    assert sorted(soak.posts) == charged


def test_nothing_is_bought_twice_by_itself(soak):
    bought = Counter(
        (each["source_hash"], size["recomposition"])
        for each in soak.facts["requests"]
        if each["charged"] != "no" and not each["by_person"]
        for size in each["sizes"]
    )
    assert bought
    assert set(bought.values()) == {1}


def test_what_is_spent_is_what_was_bought(soak):
    ledger = [each for each in soak.facts["requests"] if each["charged"] != "no"]
    asked = sum(each["outputs_asked"] for each in ledger)
    assert sum(each["outputs_received"] for each in ledger) == asked
    assert set(soak.facts["spent"].values()) == {asked}


def test_everything_comes_to_an_end(soak):
    assert not any(soak.facts["left"].values()), soak.facts["left"]
    assert {each["status"] for each in soak.facts["requests"]} <= {"done", "failed"}


def test_every_file_is_there_that_a_row_or_a_page_names(soak):
    assert soak.facts["files"]["missing"] == []
    shown = {*soak.warmed["shown"], *soak.told["shown"]}
    assert [name for name in sorted(shown) if not (soak.media / name).is_file()] == []


def test_no_file_of_ours_is_left_over(soak):
    of_nobody = soak.facts["files"]["of nobody"]
    assert [name for name in of_nobody if name not in _of_wagtail(soak.facts)] == []


def _of_wagtail(facts: dict[str, Any]) -> list[str]:
    """Two processes that make the same rendition: the loser's file stays, as with `fill`.

    What the app prepares has a token before the key, and is none of these.
    """
    prepared = re.compile(r"\.[0-9a-f]{12}\.[0-9a-f]{8}\.")
    of_nobody = facts["files"]["of nobody"]
    return [each for each in of_nobody if each.startswith("images/") and not prepared.search(each)]
