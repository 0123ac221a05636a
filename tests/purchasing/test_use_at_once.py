"""What a person asked for never goes live by itself, unless they said so."""

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone
from support.factories import candidate, photo, recomposition
from support.purchases import again, only

from wagtail_smart_resize import actions
from wagtail_smart_resize.actions import GenerationOptions, ResizeTarget
from wagtail_smart_resize.editorial import listings, states
from wagtail_smart_resize.models import GatewayRequest, Recomposition

pytestmark = pytest.mark.django_db

SMALL = ResizeTarget.parse("200x200")
AT_ONCE = GenerationOptions(use_at_once=True)
Decision = Recomposition.Decision


@pytest.fixture
def user():
    return get_user_model().objects.create_superuser("ada", "ada@example.org", "secret")


def ask(image, user, options=None):
    actions.request_recomposition(image, [SMALL], user=user, options=options)


def state_name(row):
    seen = states.with_state_relations(Recomposition.objects.filter(pk=row.pk)).get()
    return states.state_of(seen).name


@pytest.mark.parametrize("review", [False, True])
def test_it_waits_for_somebody_to_choose(user, gateway, run, configure, review):
    configure(REVIEW=review)
    ask(photo(), user)
    run()
    row = only(Recomposition)
    assert row.candidates.filter(stored=True).exists()
    assert (row.live, row.decision) == (None, Decision.NONE)
    assert list(listings.waiting_for(user, 10)) == [row]
    assert state_name(row) == states.StateName.REVIEW


@pytest.mark.parametrize("review", [False, True])
def test_used_at_once_it_is_that_persons_decision(user, gateway, run, configure, review):
    configure(REVIEW=review)
    ask(photo(), user, AT_ONCE)
    run()
    row = only(Recomposition)
    assert row.live == row.candidates.first()
    assert (row.decision, row.decided_by) == (Decision.CANDIDATE, user)
    assert not listings.waiting_for(user, 10)


def test_used_at_once_it_replaces_what_was_chosen_before(user, gateway, run):
    image = photo()
    row = recomposition(image, "200x200", purchase=Recomposition.Purchase.IDLE)
    before = candidate(row, "gold")
    row.choose(before, user)
    ask(image, user, AT_ONCE)
    run()
    assert again(row).live not in (None, before)


def test_what_somebody_decided_since_stands(user, gateway, run):
    image = photo()
    ask(image, user, AT_ONCE)
    row = only(Recomposition)
    row.choose(None, user)
    run()
    assert again(row).live is None
    assert again(row).decision == Decision.CROP
    assert row.candidates.filter(stored=True).exists()


def test_a_version_of_a_shape_that_is_decided_waits_to_be_looked_at(user, gateway, run):
    image = photo()
    row = recomposition(image, "200x200", purchase=Recomposition.Purchase.IDLE)
    before = candidate(row, "gold")
    row.choose(before, user)
    ask(image, user)
    run()
    assert again(row).live == before
    assert list(listings.waiting_for(user, 10)) == [row]
    actions.use_crop(again(row), user=user)
    assert not listings.waiting_for(user, 10)


def test_what_a_template_wanted_still_goes_live_by_itself(user, gateway, run, configure):
    configure(REVIEW=False)
    row = recomposition(photo(), "200x200", wanted_by="template", next_attempt_at=timezone.now())
    run()
    assert again(row).live is not None
    assert again(row).decision == Decision.NONE


@pytest.mark.parametrize(("by", "at_once"), [("ada", True), ("bob", False)])
def test_asked_again_it_is_to_be_used_at_once_if_the_same_person_asks(user, by, at_once):
    get_user_model().objects.create_user("bob")
    ask(photo(), user, AT_ONCE)
    row = only(Recomposition)
    row.fail("error", "")
    GatewayRequest.objects.update(status=GatewayRequest.Status.FAILED)
    request = actions.retry(again(row), user=get_user_model().objects.get(username=by))
    assert request.use_at_once is at_once


def test_asked_again_by_somebody_who_has_lost_the_right_it_waits_to_be_chosen(user):
    ask(photo(), user, AT_ONCE)
    row = only(Recomposition)
    row.fail("error", "")
    GatewayRequest.objects.update(status=GatewayRequest.Status.FAILED)
    type(user).objects.filter(pk=user.pk).update(is_superuser=False)
    request = actions.retry(again(row), user=get_user_model().objects.get(pk=user.pk))
    assert request.use_at_once is False
