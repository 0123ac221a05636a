"""Runs each row of the matrix twice: with a fault that ends soon, and one that lasts a day."""

import datetime as dt
from dataclasses import replace

import pytest

from .fault_site import SLOTS, FaultSite, charged, open_circuit_code, reserved_outputs, stored_files
from .matrix import LIVE, MATRIX, Outcome, Reads, Row, Step

pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True)]

LASTING = [row for row in MATRIX if row.lasting]
#: The least time between passes while a fault lasts, so that hours take few of them.
STEP = dt.timedelta(minutes=80)


@pytest.mark.parametrize("row", MATRIX, ids=str)
def test_a_fault_that_ends(fault_site: FaultSite, row: Row) -> None:
    with row.inject(fault_site) as struck:
        fault_site.run_until(struck)
        fault_site.run_due()
        expect(fault_site, row.at_first, row.second)
    fault_site.run_for(hours=26)
    ended = row.over or row.at_first
    expect(fault_site, ended, row.second)
    expect_another_look(fault_site, row, ended)


@pytest.mark.parametrize("row", LASTING, ids=str)
def test_a_fault_that_lasts(fault_site: FaultSite, row: Row) -> None:
    with row.inject(fault_site) as struck:
        fault_site.run_until(struck)
        fault_site.run_for(hours=26, step=STEP)
        expect(fault_site, row.lasting)
        posts = len(fault_site.gateway.requests)
    fault_site.run_for(hours=26)
    if row.lasting.purchase == "failed":
        expect(fault_site, row.lasting)
        assert len(fault_site.gateway.requests) == posts
        expect_another_look(fault_site, row, row.lasting)
    else:
        expect_live(fault_site)
        assert charged().count("yes") == 1


def expect_another_look(fault_site: FaultSite, row: Row, ended: Outcome) -> None:
    """Expect "Look again" to fetch what has been paid for, and to buy nothing."""
    if not (row.second or ended).may_recheck:
        return
    fault_site.recheck()
    fault_site.run_for(hours=26, step=STEP)
    if row.step is Step.JOB:
        expect(fault_site, ended, row.second)
    else:
        expect(fault_site, replace(LIVE, posts=ended.posts))


def expect(fault_site: FaultSite, outcome: Outcome, second: Outcome | None = None) -> None:
    """Check all that the row says of both shapes; the visitor's view comes first."""
    outcomes = [outcome, second or outcome]
    with fault_site.frozen_time():
        _expect_now(fault_site, outcomes)


def _expect_now(fault_site: FaultSite, outcomes: list[Outcome]) -> None:
    seen = fault_site.visit()
    with fault_site.database_working():
        for slot, pair, each in zip(SLOTS, seen, outcomes, strict=True):
            assert (pair.ours == pair.crop) is not each.live, f"{slot} on the page"
        _expect_rows(fault_site, outcomes)
        _expect_words(fault_site, outcomes)
        _expect_money(fault_site, outcomes[0])


def _expect_rows(fault_site: FaultSite, outcomes: list[Outcome]) -> None:
    rows = fault_site.rows()
    if not outcomes[0].purchase:
        assert rows == []
        return
    found = [(row.purchase, row.failure_code or row.waiting_reason) for row in rows]
    assert found == [(each.purchase, each.code) for each in outcomes]
    assert [row.live is not None for row in rows] == [_is_chosen(each) for each in outcomes]
    assert open_circuit_code() == outcomes[0].circuit


def _is_chosen(outcome: Outcome) -> bool:
    return outcome.live or outcome.reads == Reads.PUBLISHING


def _expect_words(fault_site: FaultSite, outcomes: list[Outcome]) -> None:
    for tile, each in zip(fault_site.tiles(), outcomes, strict=True):
        if each.reads is Reads.NOTHING:
            assert tile is None
            continue
        assert tile is not None
        assert tile.group == each.group
        assert tile.shows_version is each.live
        label, _colon, sentence = each.reads.partition(": ")
        assert label in tile.words
        assert sentence in tile.words
        assert tile.words == each.reads or not each.live, "what is live is not to be dealt with"
        offers = ("Look again Try again", "Look again Buy it again")
        assert any(words in tile.words for words in offers) is each.may_recheck


def _expect_money(fault_site: FaultSite, outcome: Outcome) -> None:
    """Expect at most one paid request after all tries, and a budget that holds just that."""
    posts = len(fault_site.gateway.requests)
    assert posts == outcome.posts or (outcome.posts is None and posts > 1)
    assert len(charged()) >= posts
    sources = [asked["image_url"] for asked in fault_site.gateway.requests]
    assert len(sources) == len(set(sources)), "no request is sent twice"
    paid = [each for each in charged() if each != "no"]
    assert paid == ([outcome.charged] if outcome.charged != "no" else [])
    is_held = outcome.purchase == "requested" or bool(paid)
    assert reserved_outputs() == (len(SLOTS) if is_held else 0)


def expect_live(fault_site: FaultSite) -> None:
    assert all(pair.ours != pair.crop for pair in fault_site.visit())
    assert len(stored_files()) == len(SLOTS)
    assert all(row.live for row in fault_site.rows())
