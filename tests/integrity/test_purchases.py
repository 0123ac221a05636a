"""Which purchases the focal area saves: figures of the docs."""

import re

import pytest
from suites.integrity.photographs import HALVES
from suites.integrity.purchases import demo_photographs, demo_slots, is_cut, pairs, table
from support.paths import PAGES

from wagtail_smart_resize.core.sizes import Slot
from wagtail_smart_resize.rules.verdict import Reason

#: For these nothing is bought by itself, whatever the crop cuts.
NEVER = {Reason.HOPELESS_SHAPE, Reason.SMALL_SLOT}


@pytest.fixture(scope="module")
def all_pairs():
    return list(pairs(HALVES["all"]))


def test_no_subject_that_the_crop_cuts_is_left_unbought(all_pairs):
    cut = [each for each in all_pairs if is_cut(each) and each.by_subject.reason not in NEVER]
    assert len(cut) > 50
    assert all(each.by_subject.allowed for each in cut)


def test_nothing_is_bought_where_the_crop_keeps_the_subject(all_pairs):
    kept = [each for each in all_pairs if not is_cut(each)]
    assert len(kept) > 50
    assert not [each for each in kept if each.by_subject.allowed]


def test_less_than_half_is_bought_of_what_the_crops_loss_would_have_bought(all_pairs):
    by_loss = sum(each.by_loss.allowed for each in all_pairs)
    assert 0 < sum(each.by_subject.allowed for each in all_pairs) < by_loss / 2


def test_all_slots_of_the_demo_are_known():
    slots = set(demo_slots())
    assert {Slot.parse(each) for each in ("1920x600", "300x300-c60", "560x315")} <= slots
    assert len(demo_photographs()) == 7


def test_docs_tell_the_figures():
    rows = []
    for name, photographs in (("the demo's 7", demo_photographs()), ("all 17", HALVES["all"])):
        rows.append(re.sub(r"^\| all ", f"| {name} ", list(table(photographs))[-1]))
        assert rows[-1] in PAGES["integrity-check"].read_text()
    (_, by_loss, by_subject, _), (_, all_by_loss, all_by_subject, _) = (
        re.findall(r"\d+(?= \|)", re.sub(r"^\|[^|]+\|", "", row)) for row in rows
    )
    told = " ".join(PAGES["how-it-works"].read_text().split())
    assert f"buys {by_subject} recompositions where `MIN_CROP_LOSS` buys {by_loss}" in told
    assert f"For 17 photographs it is {all_by_subject} instead of {all_by_loss}." in told
