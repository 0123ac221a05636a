"""What the check against the original lets go live by itself, and what becomes of the rest."""

import logging
from types import SimpleNamespace

import pytest
from django.contrib.auth import get_user_model
from support.factories import live, photo, plain_image
from support.purchases import again, candidates, due, only, want

from wagtail_smart_resize import actions
from wagtail_smart_resize.actions import GenerationOptions, ResizeTarget
from wagtail_smart_resize.editorial import states
from wagtail_smart_resize.exceptions import SourceUnavailable
from wagtail_smart_resize.integrity import extra
from wagtail_smart_resize.integrity.report import Box, Measures, Reason, Report
from wagtail_smart_resize.models import Recomposition
from wagtail_smart_resize.purchasing import source_image
from wagtail_smart_resize.purchasing.comparing import Comparer, focus_of, recipe_of
from wagtail_smart_resize.signals import recomposition_declined

pytestmark = pytest.mark.django_db

Decision, Purchase = Recomposition.Decision, Recomposition.Purchase
SLOT = "200x200"
GOOD = Report(Measures(found=True, agreement=0.97))
CHANGED = Report(Measures(found=True, agreement=0.6), (Reason.PART_CHANGED, Reason.REDRAWN))
NOT_FOUND = Report(Measures(found=False), (Reason.NOT_FOUND,))


@pytest.fixture
def user():
    return get_user_model().objects.create_superuser("ada", "ada@example.org", "secret")


@pytest.fixture
def found(monkeypatch):
    """Let the check find these, one after the other; None stands for a check that failed."""

    def find(*reports):
        left = list(reports)
        monkeypatch.setattr(Comparer, "_report", lambda self, result: left.pop(0))

    return find


def state_of(row):
    seen = states.with_state_relations(Recomposition.objects.filter(pk=row.pk)).get()
    return states.state_of(seen)


def buy(run, image=None, slot=SLOT):
    (row,) = want(image or plain_image(400, 300), slot)
    run()
    return again(row)


# What is stored


@pytest.mark.parametrize(
    ("report", "passed", "score"), [(GOOD, True, 0.97), (CHANGED, False, 0.6), (None, None, None)]
)
def test_what_was_found_is_stored_with_the_candidate(
    gateway, run, configure, found, report, passed, score
):
    configure(INTEGRITY="review")
    found(report)
    (stored,) = candidates(buy(run))
    assert (stored.passed, stored.score) == (passed, score)
    assert stored.checked == report
    assert stored.report == (report.to_json() if report else None)


def test_it_is_checked_once(gateway, run, configure, monkeypatch):
    configure(INTEGRITY="review")
    calls = []
    monkeypatch.setattr(Comparer, "_report", lambda self, result: calls.append(result))
    row = buy(run)
    for _ in range(2):
        run()
    assert len(calls) == len(candidates(row)) == 1


# The gate


@pytest.mark.parametrize("integrity", ["review", "strict"])
def test_what_passes_goes_live_as_without_a_check(gateway, run, configure, found, integrity):
    configure(INTEGRITY=integrity)
    found(GOOD)
    row = buy(run)
    assert (row.live, row.decision) == (candidates(row)[0], Decision.NONE)


def test_what_passes_waits_where_a_person_sees_each(gateway, run, configure, found):
    configure(INTEGRITY="review", REVIEW=True)
    found(GOOD)
    row = buy(run)
    assert row.live is None
    assert state_of(row).awaits_decision


WAITS = [
    ("review", CHANGED, "it differs"),
    ("review", NOT_FOUND, "the original is not found"),
    ("review", None, "it could not be checked"),
    ("strict", NOT_FOUND, "a subject may have been turned or moved"),
    ("strict", None, "it could not be checked"),
]


@pytest.mark.parametrize("review", [False, True])
@pytest.mark.parametrize(("integrity", "report", "why"), WAITS)
def test_it_waits_for_a_person(gateway, run, configure, found, integrity, report, why, review):
    configure(INTEGRITY=integrity, REVIEW=review)
    found(report)
    row = buy(run)
    assert (row.live, row.decision, row.purchase) == (None, Decision.NONE, Purchase.IDLE), why
    assert state_of(row).awaits_decision
    assert list(Recomposition.objects.awaiting_review()) == [row]


def test_with_the_check_off_nothing_is_read_and_all_goes_live(gateway, run, configure, monkeypatch):
    configure(INTEGRITY="off")
    monkeypatch.setattr(source_image, "reduced_original", None)
    row = buy(run)
    assert row.live == candidates(row)[0]
    assert row.live.report is None


def test_without_the_extra_all_is_as_it_was(gateway, run, configure, monkeypatch):
    configure(INTEGRITY=None)
    monkeypatch.setattr(extra, "is_installed", lambda: False)
    row = buy(run)
    assert row.live == candidates(row)[0]
    assert row.live.checked is None


def test_a_check_that_can_t_be_made_is_not_taken_for_one_that_passed(
    gateway, run, configure, monkeypatch
):
    configure(INTEGRITY="review")
    monkeypatch.setattr(extra, "is_installed", lambda: False)
    row = buy(run)
    assert (row.live, len(candidates(row))) == (None, 1)
    assert state_of(row).awaits_decision


def test_of_several_the_first_that_passes_goes_live(gateway, run, configure, found):
    configure(INTEGRITY="review", CANDIDATES=3)
    found(CHANGED, GOOD, GOOD)
    row = buy(run)
    assert row.live == candidates(row)[1]


# Declined by the check


def test_strict_declines_what_differs(gateway, run, configure, found):
    configure(INTEGRITY="strict")
    found(CHANGED)
    row = buy(run)
    assert (row.live, row.decision, row.purchase) == (None, Decision.CHECK, Purchase.IDLE)
    assert row.decided_by is None
    assert state_of(row).name == states.StateName.NOT_TRUE
    assert not Recomposition.objects.awaiting_review()
    assert not Recomposition.objects.overlooked()


def test_it_is_told_once_that_it_was_declined(
    gateway, run, configure, found, caplog, django_capture_on_commit_callbacks
):
    configure(INTEGRITY="strict")
    found(CHANGED)
    told = []
    recomposition_declined.connect(lambda **named: told.append(named), weak=False, dispatch_uid="t")
    caplog.set_level(logging.INFO, "wagtail_smart_resize.purchases")
    with django_capture_on_commit_callbacks(execute=True):
        row = buy(run)
    recomposition_declined.disconnect(dispatch_uid="t")
    assert [each["recomposition"] for each in told] == [row]
    (line,) = [each for each in caplog.records if each.event == "not_true"]
    assert "Declined by the check" in line.getMessage()


def test_what_was_declined_is_not_bought_again(gateway, run, configure, found):
    configure(INTEGRITY="strict")
    found(CHANGED)
    image = plain_image(400, 300)
    buy(run, image)
    want(image, SLOT)
    due()
    run()
    assert len(gateway.requests) == 1


def test_a_person_may_choose_what_was_declined(gateway, run, configure, found, user):
    configure(INTEGRITY="strict")
    found(CHANGED)
    row = buy(run)
    actions.choose(candidates(row)[0], user=user)
    assert (again(row).live, row.decision) == (candidates(row)[0], Decision.CANDIDATE)


def test_an_undo_brings_back_that_it_was_declined(gateway, run, configure, found, user):
    configure(INTEGRITY="strict")
    found(CHANGED)
    row = buy(run)
    actions.choose(candidates(row)[0], user=user, undoable=True)
    actions.undo(again(row), user=user)
    assert (again(row).live, row.decision) == (None, Decision.CHECK)


def test_of_several_those_left_to_people_wait(gateway, run, configure, found):
    configure(INTEGRITY="strict", CANDIDATES=2)
    found(CHANGED, NOT_FOUND)
    row = buy(run)
    assert (row.live, row.decision) == (None, Decision.NONE)
    assert state_of(row).awaits_decision


def test_strict_leaves_what_a_person_has_chosen(gateway, run, configure, found, user):
    configure(INTEGRITY="strict")
    image = photo()
    chosen = live(image, SLOT)
    actions.choose(chosen, user=user)
    found(CHANGED)
    actions.request_recomposition(image, [ResizeTarget.parse(SLOT)], user=user)
    run()
    row = only(Recomposition)
    assert (row.live, row.decision, row.decided_by) == (chosen, Decision.CANDIDATE, user)
    assert len(candidates(row)) == 2
    assert row.awaiting_review_since is None


# What a person wanted used at once


def use_at_once(image, user):
    options = GenerationOptions(use_at_once=True)
    actions.request_recomposition(image, [ResizeTarget.parse(SLOT)], user=user, options=options)


@pytest.mark.parametrize("report", [CHANGED, NOT_FOUND, None])
def test_used_at_once_it_waits_all_the_same(gateway, run, configure, found, user, report):
    configure(INTEGRITY="review")
    found(report)
    use_at_once(photo(), user)
    run()
    row = only(Recomposition)
    assert (row.live, row.decision) == (None, Decision.NONE)
    assert state_of(row).awaits_decision


def test_used_at_once_it_goes_live_if_it_passes(gateway, run, configure, found, user):
    configure(INTEGRITY="review")
    found(GOOD)
    use_at_once(photo(), user)
    run()
    row = only(Recomposition)
    assert (row.live, row.decided_by) == (candidates(row)[0], user)


# Nothing is lost


class Broken(Exception):
    pass


@pytest.fixture
def checked(monkeypatch):
    """Let the check itself be a function of a test's."""
    pytest.importorskip("cv2")
    from wagtail_smart_resize.integrity import checking

    return lambda function: monkeypatch.setattr(checking, "check", function)


@pytest.mark.parametrize("error", [Broken("no"), MemoryError(), ImportError("libGL.so.1")])
def test_a_check_that_fails_loses_nothing(gateway, run, configure, checked, error, caplog):
    def fail(*args, **kwargs):
        raise error

    configure(INTEGRITY="review")
    checked(fail)
    row = buy(run, photo())
    (stored,) = candidates(row)
    assert (stored.report, stored.passed, stored.stored) == (None, None, True)
    assert (row.purchase, row.live) == (Purchase.IDLE, None)
    assert "Can't compare what purchase" in caplog.text


def test_an_original_that_can_t_be_read_loses_nothing(gateway, run, configure, monkeypatch):
    def fail(*args):
        raise SourceUnavailable("storage", "The storage failed.")

    monkeypatch.setattr(extra, "is_installed", lambda: True)
    configure(INTEGRITY="review")
    monkeypatch.setattr(source_image, "reduced_original", fail)
    row = buy(run, photo())
    (stored,) = candidates(row)
    assert (stored.report, stored.stored, row.live) == (None, True, None)


def test_the_original_is_read_once_for_all_shapes(gateway, run, configure, monkeypatch):
    read = []
    monkeypatch.setattr(extra, "is_installed", lambda: True)
    monkeypatch.setattr(Comparer, "_report", lambda self, result: self._original and GOOD)
    original = source_image.reduced_original
    monkeypatch.setattr(
        source_image, "reduced_original", lambda *args: read.append(args) or original(*args)
    )
    configure(INTEGRITY="review", CANDIDATES=2)
    rows = want(photo(), "200x200", "200x100")
    run()
    assert [len(candidates(row)) for row in rows] == [2, 2]
    assert len(read) == 1


def test_a_result_of_a_former_file_is_not_compared_with_the_present_one(configure):
    configure(INTEGRITY="review")
    request = SimpleNamespace(pk=1, source_hash="another", recipe="")
    assert Comparer(request, photo())._original is None


FOCUS = [
    ((10, 20, 100, 50), Box(10, 20, 100, 50), "within"),
    ((-20, -10, 100, 50), Box(0, 0, 80, 40), "it reaches beyond the start"),
    ((380, 280, 100, 50), Box(380, 280, 20, 20), "and beyond the end"),
    ((500, 20, 100, 50), None, "outside"),
    ((10, 20, 1, 1), None, "a point is no area"),
]


@pytest.mark.parametrize(("area", "box", "why"), FOCUS)
def test_the_focal_area_is_that_part_of_it_within_the_image(area, box, why):
    left, top, width, height = area
    image = plain_image(
        400,
        300,
        focal_point_x=left + width // 2,
        focal_point_y=top + height // 2,
        focal_point_width=width,
        focal_point_height=height,
    )
    assert focus_of(image, source_image.Size(400, 300)) == box, why


# The check itself


@pytest.mark.django_db(transaction=True)
def test_a_faithful_result_passes(site, run, configure):
    pytest.importorskip("cv2")
    configure(INTEGRITY="review")
    row = buy(run, photo("astronaut.png"), "400x200")
    (stored,) = candidates(row)
    assert (stored.passed, row.live) == (True, stored)
    assert stored.checked.measures.found


@pytest.mark.django_db(transaction=True)
def test_another_picture_is_not_found(site, run, configure, monkeypatch):
    pytest.importorskip("cv2")
    configure(INTEGRITY="review")
    other = source_image.reduced_original(photo("chelsea.png"), 1600)
    monkeypatch.setattr(source_image, "reduced_original", lambda *args: other)
    row = buy(run, photo("astronaut.png"), "400x200")
    (stored,) = candidates(row)
    assert (stored.checked.reasons, row.live) == ((Reason.NOT_FOUND,), None)


def test_thresholds_are_those_of_the_recipe(configure):
    configure(
        INTEGRITY_THRESHOLDS={"part": 0.2},
        PRESETS={"hero": {"size": "1920x600", "integrity_thresholds": {"subject": 0.3}}},
    )
    named = {name: recipe_of(name).thresholds for name in ("", "hero", "gone")}
    assert (named[""].part, named[""].subject) == (0.2, 0.045)
    assert (named["hero"].part, named["hero"].subject) == (0.2, 0.3)
    assert named["gone"] == named[""]
