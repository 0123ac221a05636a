"""A busy hour of visitors, editors and flips: nothing grows, no errors, fast pages.

First everything is shown, bought and approved once, and a quarter of an hour is played, so that
caches, pools and the allocator have settled. Then comes the hour that is judged, by the medians of
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
from support.waiting import until

from wagtail_smart_resize.purchasing import source_image

from . import figures, load_profile
from .database import Server, temporary_database
from .gateway import RecordingGateway
from .samples import Sample, grown_classes, growth, medians
from .site import WORKERS, Site, take_samples

pytestmark = pytest.mark.soak

HERE = Path(__file__).parent
SECONDS = 3600 / load_profile.PACE * load_profile.HOURS
#: Hours of warm-up, however long the soak is: each process must have done all that it ever does.
WARM_UP = 0.25
#: Seconds between two samples, and between two rounds of the probe.
PAUSE, PROBE_PAUSE = 2.0, 0.1

#: Consecutive checks without work left until the site counts as settled.
QUIET_LOOKS = 6

#: Blocks, of 1.4 million, by which caches and the map of live images differ between two moments;
#: and objects of a class that threads hold until their next request.
TURNED_OVER, IN_PASSING = 4_000, 100

ONE, OTHER, OURS = "one", "other", "ours"
TWINS = {ONE: "`fill`", OTHER: "`fill`, the same page again", OURS: "`smartresize`"}
PAIRS = {(OURS, ONE): "`smartresize` to `fill`", (OTHER, ONE): "`fill` to `fill`"}

#: What editors achieve, besides being answered.
DONE = ("asked", "chosen", "crop chosen", "undone", "approved", "declined", "approved together")

#: What the log may say about the simulated outage.
OUTAGE = "ERROR wagtail_smart_resize.purchases: Nothing is sent to the service any more"


@dataclass
class Soak:
    before: Sample
    samples: list[Sample]
    after: Sample
    rounds: figures.Rounds
    warmed: dict[str, Any]
    result: dict[str, Any]
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
        return Counter(self.result["counts"])

    @property
    def flips(self) -> int:
        return self.after.flips - self.before.flips

    @property
    def views(self) -> int:
        return self.counts["view"] + len(TWINS) * len(self.rounds)


@pytest.fixture(scope="module")
def soak(tmp_path_factory):
    directory = tmp_path_factory.mktemp("soak")
    latency = load_profile.GATEWAY_SECONDS / load_profile.PACE
    with temporary_database() as database, RecordingGateway(latency=latency) as gateway:
        site = Site(directory, database, gateway.url)
        try:
            played = _play(site, database, gateway)
        finally:
            site.close()
    _print_figures(played)
    return played


def _play(site: Site, url: str, gateway: RecordingGateway) -> Soak:
    site.run("suites.soak.fill")
    server, plan = Server(url), _plan(site)
    try:
        site.serve()
        opened = _open(site, plan, server)
        warmed = site.start_load(_part(plan, WARM_UP)).result()
        _settle(site, server)
        sampler = site.sampler(server)
        before = sampler.take(objects=True)
        probe = site.start_probe({**plan, "twins": list(TWINS), "pause": PROBE_PAUSE})
        load = site.start_load(_part(plan, load_profile.HOURS))
        outage = _Outage(gateway)
        samples = take_samples(load, sampler, PAUSE, outage.update)
        result, rounds = load.result(), probe.result()
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
        result,
        site.query("facts"),
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
        "galleries": load_profile.GALLERIES,
        "seed": "soak",
        **site.query("site"),
    }


def _part(plan: dict[str, Any], hours: float) -> dict[str, Any]:
    people = {"visitors": load_profile.VISITORS, "editors": load_profile.EDITORS}
    seconds = hours * 3600 / load_profile.PACE
    load = {
        "views": load_profile.views(hours),
        "acts": load_profile.acts(hours),
        "seconds": seconds,
    }
    return {**plan, **people, **load, "seed": f"soak {hours}"}


def _open(site: Site, plan: dict[str, Any], server: Server) -> list[str]:
    """Have everything shown and bought, and approved so that it goes live."""
    steps = {
        "show": {"views": 300, "acts": {}, "visitors": load_profile.VISITORS, "editors": 0},
        "approve": {"views": 0, "acts": {"clear": 1}, "visitors": 0, "editors": 1},
    }
    errors = []
    for step in steps.values():
        errors += site.start_load({**plan, **step, "seconds": 0}).result()["errors"]
        _settle(site, server)
    return errors


def _settle(site: Site, server: Server) -> None:
    """Wait until the app has nothing left to do, and a visit and a repair find nothing more."""
    site.run("django", "smart_resize_sync")
    quiet_looks = 0

    def settled() -> bool:
        nonlocal quiet_looks
        assert site.is_up()
        # A visit's demand becomes a row a moment later.
        quiet_looks = quiet_looks + 1 if server.undone() == 0 else 0
        return quiet_looks == QUIET_LOOKS

    until(settled, "nothing is left to do", pause=0.3)


class _Outage:
    """Makes the gateway refuse all submissions for a while in the middle of the hour."""

    def __init__(self, gateway: RecordingGateway) -> None:
        self._gateway = gateway
        self._begins = SECONDS * 0.45
        self._ends = self._begins + load_profile.OUTAGE_SECONDS / load_profile.PACE
        self._begun = False

    def update(self, gone: float) -> None:
        if not self._begun and gone >= self._begins:
            self._gateway.misbehave("402", where="submit")
            self._begun = True
        # The outage lasts until a submission has met it.
        if self._gateway.refused and gone >= self._ends:
            self._gateway.behave()


def _request_of(body: bytes) -> int:
    """Return the ledger's row of a submission: the source's address names it."""
    token = json.loads(body)["image_url"].rstrip("/").rpartition("/")[2]
    request, _secret = signing.loads(token, salt=source_image.SALT)
    return int(request)


def _print_figures(soak: Soak) -> None:
    # These figures are for docs/evidence/reliability.md as well.
    print(
        f"\n{soak.result['seconds']:.0f} s: {figures.done(soak.counts)}, "
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


# Errors


def test_no_visitor_and_no_editor_gets_an_error(soak):
    assert soak.warmed["errors"] == []
    assert soak.result["errors"] == []


def test_the_log_tells_of_the_outage_alone(soak):
    lines = soak.log.splitlines()
    errors = [line for line in lines if re.match("ERROR|CRITICAL|Traceback", line)]
    expected = [line for line in errors if line.startswith(OUTAGE)]
    assert expected
    assert errors == expected, soak.log[-8000:]


def test_the_server_ends_in_good_order(soak):
    assert soak.exit_status == 0


def test_the_hour_was_a_busy_one(soak):
    """Check the load itself: all acts were done, and they led to requests to the gateway."""
    acts, counts = load_profile.acts(), soak.counts
    assert counts["view"] == load_profile.views()
    assert {name: counts[name] for name in acts} == acts
    assert counts["nothing to choose"] + counts["nothing to ask for"] < acts.total() / 5
    assert counts["refused"] < acts.total() / 10
    assert [each for each in DONE if not counts[each]] == []
    assert counts["undone"] >= acts["undo"] / 2
    assert soak.flips >= acts["choose"] / 2
    assert soak.refused
    assert len(soak.posts) > acts["ask"]


# Growth


def test_memory_that_python_uses_does_not_grow_with_pages(soak):
    """One object with attributes that each page leaks would be two blocks and more."""
    assert soak.after.blocks - soak.before.blocks < soak.views / 2 + TURNED_OVER


def test_objects_of_no_class_are_left_by_flips(soak):
    assert grown_classes(soak.before, soak.after, max(IN_PASSING, soak.flips / 2)) == {}


def test_memory_of_the_processes_does_not_grow(soak):
    """Allow an eighth for the allocator. A decoded picture that each flip leaks would be more."""
    start, _middle, end = medians(soak.samples, lambda sample: sample.own_memory)
    assert end < start * 9 / 8


@pytest.mark.parametrize("what", ["threads", "files", "connections", "temporary"])
def test_what_is_held_does_not_grow(soak, what):
    """Allow a few for each worker: visitors and working threads come and go."""
    assert growth(soak.samples, lambda sample: getattr(sample, what)) <= 4 * WORKERS


def test_no_transaction_is_forgotten(soak):
    assert max(sample.forgotten for sample in soak.samples) < 10


# Pages with our filter beside the same with `fill`; the benchmarks check the time, here it is
# printed


def test_twins_differ_in_the_filter_alone():
    ours, theirs = (HERE / "templates/soak" / f"{name}.html" for name in ("smartresize", "fill"))
    assert ours.read_text().replace("smartresize-", "fill-") == theirs.read_text()


def test_pages_ask_the_database_for_flips_and_new_renditions_only(soak):
    """Each process reads the result of a flip once, and asks for the flips of the last two seconds.
    A page has six pictures: a query for each of them would be twice as many."""
    queries = {twin: figures.total(soak.rounds, twin, "queries") for twin in TWINS}
    more = (queries[OURS] - queries[ONE]) / len(soak.rounds)
    assert more < load_profile.PHOTOS / 2


# Purchases and files


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
    shown = {*soak.warmed["shown"], *soak.result["shown"]}
    assert [name for name in sorted(shown) if not (soak.media / name).is_file()] == []


def test_no_file_of_ours_is_left_over(soak):
    unreferenced = soak.facts["files"]["unreferenced"]
    assert [name for name in unreferenced if name not in _of_wagtail(soak.facts)] == []


def _of_wagtail(facts: dict[str, Any]) -> list[str]:
    """Return files of Wagtail's own race: two processes make a rendition, and the loser's file
    stays.

    The same happens with `fill`. What the app prepares has a token before the key, and is none of
    these.
    """
    prepared = re.compile(r"\.[0-9a-f]{12}\.[0-9a-f]{8}\.")
    unreferenced = facts["files"]["unreferenced"]
    return [
        each for each in unreferenced if each.startswith("images/") and not prepared.search(each)
    ]
