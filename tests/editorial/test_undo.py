"""A decision of the admin can be undone for some seconds, and is published after them."""

import datetime as dt

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone
from support.factories import candidate, photo, recomposition
from support.purchases import again
from wagtail.models import ModelLogEntry

from wagtail_smart_resize import actions
from wagtail_smart_resize.actions import Refused
from wagtail_smart_resize.editorial import states
from wagtail_smart_resize.models import ImageVersion, Recomposition
from wagtail_smart_resize.publishing import publication
from wagtail_smart_resize.purchasing import passes
from wagtail_smart_resize.repair import versions
from wagtail_smart_resize.signals import recomposition_declined

pytestmark = pytest.mark.django_db

Decision, Purchase = Recomposition.Decision, Recomposition.Purchase


@pytest.fixture
def people():
    create = get_user_model().objects.create_superuser
    return [create(name, f"{name}@example.org", "secret") for name in ("ada", "eve")]


@pytest.fixture
def ada(people):
    return people[0]


@pytest.fixture
def declined():
    rows = []

    def note(recomposition, **_kwargs):
        rows.append(recomposition.pk)

    recomposition_declined.connect(note)
    yield rows
    recomposition_declined.disconnect(note)


def ready(image, slot="400x400"):
    """Return a shape with a version that waits for a decision."""
    row = recomposition(image, slot, purchase=Purchase.IDLE)
    picture = candidate(row, "steelblue")
    Recomposition.objects.filter(pk=row.pk).note_review()
    return again(row), picture


def version_of(image):
    return ImageVersion.objects.get(pk=image.pk)


def let_time_pass(*rows):
    """Let the time to undo these decisions be over."""
    past = timezone.now() - dt.timedelta(seconds=1)
    for row in rows:
        Recomposition.objects.filter(pk=row.pk).update(takes_effect_at=past)
        ImageVersion.objects.filter(pk=row.image_id).update(publish_due_at=past)


def facts(row):
    names = ("live_id", "decision", "decided_by_id", "purchase", "takes_effect_at")
    return {name: getattr(again(row), name) for name in names}


class TestBeforeItTakesEffect:
    def test_nothing_is_published(self, ada, run):
        image = photo()
        row, picture = ready(image)
        actions.choose(picture, user=ada, undoable=True)
        assert again(row).live == picture
        run()
        assert version_of(image).live == []
        publication.publish(image.pk)
        assert version_of(image).live == []

    def test_the_runner_comes_back_when_it_does(self, ada, run):
        image = photo()
        row, picture = ready(image)
        actions.choose(picture, user=ada, undoable=True)
        assert version_of(image).publish_due_at == again(row).takes_effect_at
        run()
        assert version_of(image).publish_due_at == again(row).takes_effect_at

    def test_another_shape_that_goes_live_meanwhile_does_not_take_it_along(self, ada):
        image = photo()
        row, picture = ready(image)
        _other, its_picture = ready(image, "400x200")
        actions.choose(picture, user=ada, undoable=True)
        actions.choose(its_picture, user=ada)
        publication.publish(image.pk)
        assert [entry[3] for entry in version_of(image).live] == [its_picture.file.name]
        assert version_of(image).publish_due_at == again(row).takes_effect_at

    def test_what_was_live_before_stays_live(self, ada):
        image = photo()
        row, picture = ready(image)
        actions.choose(picture, user=ada)
        publication.publish(image.pk)
        before = version_of(image).live
        actions.use_crop(again(row), user=ada, undoable=True)
        publication.publish(image.pk)
        assert version_of(image).live == before

    def test_repairs_leave_it_alone(self, ada):
        image = photo()
        _row, picture = ready(image)
        actions.choose(picture, user=ada, undoable=True)
        assert list(versions.find_outdated_versions([image.pk])) == []

    def test_a_decision_does_not_put_off_an_earlier_one(self, ada):
        image = photo()
        row, picture = ready(image)
        other, its_picture = ready(image, "400x200")
        actions.choose(picture, user=ada, undoable=True)
        first = again(row).takes_effect_at
        actions.choose(its_picture, user=ada, undoable=True)
        assert again(other).takes_effect_at > first
        assert version_of(image).publish_due_at == first


class TestAfterwards:
    def test_it_goes_live_and_can_not_be_undone(self, ada):
        image = photo()
        row, picture = ready(image)
        actions.choose(picture, user=ada, undoable=True)
        let_time_pass(row)
        passes.run_pass()
        assert [entry[3] for entry in version_of(image).live] == [picture.file.name]
        assert facts(row)["takes_effect_at"] is None
        with pytest.raises(Refused) as raised:
            actions.undo(row, user=ada)
        assert raised.value.code == "too_late"
        assert again(row).live == picture

    def test_too_late_is_by_the_clock_not_by_the_runner(self, ada):
        image = photo()
        row, picture = ready(image)
        actions.choose(picture, user=ada, undoable=True)
        let_time_pass(row)
        with pytest.raises(Refused, match="too late"):
            actions.undo(row, user=ada)

    def test_for_the_crop_nobody_is_told_before(
        self, ada, declined, django_capture_on_commit_callbacks
    ):
        image = photo()
        row, _picture = ready(image)
        with django_capture_on_commit_callbacks(execute=True):
            actions.use_crop(row, user=ada, undoable=True)
            publication.publish(image.pk)
        assert declined == []
        let_time_pass(row)
        with django_capture_on_commit_callbacks(execute=True):
            publication.publish(image.pk)
            publication.publish(image.pk)
        assert declined == [row.pk]

    def test_from_code_it_takes_effect_at_once(
        self, ada, declined, django_capture_on_commit_callbacks
    ):
        image = photo()
        row, _picture = ready(image)
        with django_capture_on_commit_callbacks(execute=True):
            actions.use_crop(row, user=ada)
        assert declined == [row.pk]
        assert facts(row)["takes_effect_at"] is None


class TestUndoing:
    @pytest.mark.parametrize("what", ["choose", "use_crop"])
    def test_all_is_as_before(self, what, ada, declined):
        image = photo()
        row, picture = ready(image)
        before, since = facts(row), row.awaiting_review_since
        if what == "choose":
            actions.choose(picture, user=ada, undoable=True)
        else:
            actions.use_crop(row, user=ada, undoable=True)
        actions.undo(row, user=ada)
        assert facts(row) == before
        assert again(row).awaiting_review_since == since
        publication.publish(image.pk)
        assert version_of(image).live == []
        assert version_of(image).publish_due_at is None
        assert declined == []

    def test_what_would_have_been_bought_is_again(self, ada):
        row = recomposition(photo(), "400x400", next_attempt_at=timezone.now())
        actions.use_crop(row, user=ada, undoable=True)
        assert again(row).purchase == Purchase.IDLE
        actions.undo(row, user=ada)
        assert again(row).is_wanted
        assert again(row).next_attempt_at is not None

    def test_a_choice_among_versions_returns_to_the_one_before(self, ada):
        image = photo()
        row, first = ready(image)
        second = candidate(row, "gold")
        actions.choose(first, user=ada)
        publication.publish(image.pk)
        actions.choose(second, user=ada, undoable=True)
        actions.undo(row, user=ada)
        assert again(row).live == first
        publication.publish(image.pk)
        assert [entry[3] for entry in version_of(image).live] == [first.file.name]

    def test_the_last_of_two_decisions_is_undone_and_the_first_waits_on(self, ada):
        image = photo()
        row, first = ready(image)
        second = candidate(row, "gold")
        actions.choose(first, user=ada, undoable=True)
        takes_effect = again(row).takes_effect_at
        actions.choose(second, user=ada, undoable=True)
        actions.undo(row, user=ada)
        assert again(row).live == first
        assert again(row).takes_effect_at == takes_effect
        publication.publish(image.pk)
        assert version_of(image).live == []
        let_time_pass(row)
        publication.publish(image.pk)
        assert [entry[3] for entry in version_of(image).live] == [first.file.name]

    @pytest.mark.parametrize("what", ["choose", "use_crop"])
    def test_pressed_twice_one_undo_is_enough(self, what, ada):
        row, picture = ready(photo())
        before = facts(row)
        for _press in range(2):
            if what == "choose":
                actions.choose(picture, user=ada, undoable=True)
            else:
                actions.use_crop(again(row), user=ada, undoable=True)
        assert ModelLogEntry.objects.filter(object_id=str(row.image_id)).count() == 1
        actions.undo(row, user=ada)
        assert facts(row) == before

    def test_one_that_arrives_late_takes_back_no_newer_decision(self, ada):
        row, picture = ready(photo())
        actions.choose(picture, user=ada, undoable=True)
        first = again(row).decided_at
        actions.undo(row, user=ada, decided_at=first)
        actions.choose(picture, user=ada, undoable=True)
        with pytest.raises(Refused) as raised:
            actions.undo(row, user=ada, decided_at=first)
        assert raised.value.code == "decided_again"
        assert again(row).live == picture
        actions.undo(row, user=ada, decided_at=again(row).decided_at)
        assert again(row).is_open

    def test_it_can_not_be_undone_twice(self, ada):
        row, picture = ready(photo())
        actions.choose(picture, user=ada, undoable=True)
        actions.undo(row, user=ada)
        with pytest.raises(Refused, match="too late"):
            actions.undo(row, user=ada)

    def test_only_whoever_decided_may(self, people):
        row, picture = ready(photo())
        ada, eve = people
        actions.choose(picture, user=ada, undoable=True)
        with pytest.raises(Refused) as raised:
            actions.undo(row, user=eve)
        assert raised.value.code == "not_yours"
        assert again(row).live == picture

    def test_a_decision_of_somebody_else_that_came_after_is_not_undone(self, people):
        row, picture = ready(photo())
        ada, eve = people
        actions.choose(picture, user=ada, undoable=True)
        actions.use_crop(again(row), user=eve)
        with pytest.raises(Refused):
            actions.undo(row, user=ada)
        assert again(row).decision == Decision.CROP

    def test_the_history_tells_both(self, ada):
        image = photo()
        row, picture = ready(image)
        actions.choose(picture, user=ada, undoable=True)
        actions.undo(row, user=ada)
        entries = ModelLogEntry.objects.filter(object_id=str(image.pk)).order_by("pk")
        assert list(entries.values_list("action", flat=True)) == [
            "smart_resize.choose",
            "smart_resize.undo",
        ]


class TestInAllShapes:
    def test_the_crop_is_chosen_in_each(self, ada):
        image = photo()
        live_row, picture = ready(image)
        waiting, _picture = ready(image, "400x200")
        wanted = recomposition(image, "200x400")
        already = recomposition(image, "300x100", purchase=Purchase.IDLE)
        actions.choose(picture, user=ada)
        actions.use_crop(already, user=ada)
        rows = actions.use_crop_everywhere(image, user=ada)
        assert {row.pk for row in rows} == {live_row.pk, waiting.pk, wanted.pk}
        assert {again(row).decision for row in rows} == {Decision.CROP}
        assert not Recomposition.objects.wanted().exists()
        publication.publish(image.pk)
        assert {entry[3] for entry in version_of(image).live} == {""}

    def test_it_can_be_undone_shape_by_shape(self, ada):
        image = photo()
        _row, picture = ready(image)
        actions.choose(picture, user=ada)
        publication.publish(image.pk)
        before = version_of(image).live
        for each in actions.use_crop_everywhere(image, user=ada, undoable=True):
            actions.undo(each, user=ada)
        publication.publish(image.pk)
        assert version_of(image).live == before

    def test_opting_out_goes_back_to_the_crop_if_that_is_wanted(self, ada):
        image = photo()
        row, picture = ready(image)
        actions.choose(picture, user=ada)
        actions.opt_out(image, user=ada)
        assert again(row).live == picture
        actions.opt_in(image, user=ada)
        actions.opt_out(image, user=ada, use_crop=True)
        assert again(row).live is None


def test_a_decision_that_can_be_undone_is_told_as_one(ada):
    image = photo()
    row, picture = ready(image)
    actions.choose(picture, user=ada, undoable=True)
    seen = states.with_state_relations(Recomposition.objects.filter(pk=row.pk)).get()
    assert states.state_of(seen, version_of(image)).name == states.StateName.PUBLISHING
