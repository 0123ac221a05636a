"""Each row of the matrix, played twice: a fault that ends soon, and one that goes on for a day."""

import datetime as dt
from dataclasses import replace

import pytest

from .matrix import LIVE, MATRIX, Outcome, Reads, Row, Step
from .stage import SLOTS, Stage, charged, circuit, held, stored_files

pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True)]

LASTING = [row for row in MATRIX if row.lasting]
#: Where a fault lasts, passes are made no more often than this: hours in few of them.
STEP = dt.timedelta(minutes=80)


@pytest.mark.parametrize("row", MATRIX, ids=str)
def test_a_fault_that_ends(stage: Stage, row: Row) -> None:
    with row.way(stage) as struck:
        stage.go_on_until(struck)
        stage.finish_at_once()
        expect(stage, row.at_first, row.second)
    stage.live_through(hours=26)
    ended = row.over or row.at_first
    expect(stage, ended, row.second)
    expect_another_look(stage, row, ended)


@pytest.mark.parametrize("row", LASTING, ids=str)
def test_a_fault_that_lasts(stage: Stage, row: Row) -> None:
    with row.way(stage) as struck:
        stage.go_on_until(struck)
        stage.live_through(hours=26, step=STEP)
        expect(stage, row.lasting)
        posts = len(stage.gateway.requests)
    stage.live_through(hours=26)
    if row.lasting.purchase == "failed":
        expect(stage, row.lasting)
        assert len(stage.gateway.requests) == posts
        expect_another_look(stage, row, row.lasting)
    else:
        expect_live(stage)
        assert charged().count("yes") == 1


def expect_another_look(stage: Stage, row: Row, ended: Outcome) -> None:
    """Where an editor may look again, what has been paid for comes, and nothing is bought."""
    if not (row.second or ended).may_recheck:
        return
    stage.look_again()
    stage.live_through(hours=26, step=STEP)
    if row.step is Step.JOB:
        expect(stage, ended, row.second)
    else:
        expect(stage, replace(LIVE, posts=ended.posts))


def expect(stage: Stage, outcome: Outcome, second: Outcome | None = None) -> None:
    """All that the row says, of both shapes; what visitors see is looked at first."""
    outcomes = [outcome, second or outcome]
    with stage.standing_still():
        _expect_now(stage, outcomes)


def _expect_now(stage: Stage, outcomes: list[Outcome]) -> None:
    seen = stage.visit()
    with stage.quiet():
        for slot, pair, each in zip(SLOTS, seen, outcomes, strict=True):
            assert (pair.ours == pair.crop) is not each.live, f"{slot} on the page"
        _expect_rows(stage, outcomes)
        _expect_words(stage, outcomes)
        _expect_money(stage, outcomes[0])


def _expect_rows(stage: Stage, outcomes: list[Outcome]) -> None:
    rows = stage.rows()
    if not outcomes[0].purchase:
        assert rows == []
        return
    found = [(row.purchase, row.failure_code or row.waiting_reason) for row in rows]
    assert found == [(each.purchase, each.code) for each in outcomes]
    assert [row.live is not None for row in rows] == [_is_chosen(each) for each in outcomes]
    assert circuit() == outcomes[0].circuit


def _is_chosen(outcome: Outcome) -> bool:
    return outcome.live or outcome.reads == Reads.PUBLISHING


def _expect_words(stage: Stage, outcomes: list[Outcome]) -> None:
    for card, each in zip(stage.cards(), outcomes, strict=True):
        label, _colon, sentence = each.reads.partition(": ")
        assert label in card
        assert sentence in card
        assert ("Look again Try again" in card or "Look again Buy it again" in card) is (
            each.may_recheck
        )


def _expect_money(stage: Stage, outcome: Outcome) -> None:
    """Whatever was tried, one request at most may be paid for, and the budget holds just that."""
    posts = len(stage.gateway.requests)
    assert posts == outcome.posts or (outcome.posts is None and posts > 1)
    assert len(charged()) >= posts
    sources = [asked["image_url"] for asked in stage.gateway.requests]
    assert len(sources) == len(set(sources)), "no request is sent twice"
    paid = [each for each in charged() if each != "no"]
    assert paid == ([outcome.charged] if outcome.charged != "no" else [])
    is_held = outcome.purchase == "requested" or bool(paid)
    assert held() == (len(SLOTS) if is_held else 0)


def expect_live(stage: Stage) -> None:
    assert all(pair.ours != pair.crop for pair in stage.visit())
    assert len(stored_files()) == len(SLOTS)
    assert all(row.live for row in stage.rows())
