"""When the next pass is due: never so that it spins, and never not at all while there is more."""

import datetime as dt

import pytest
from django.utils import timezone
from support.factories import candidate, plain_image
from support.purchases import Purchase, again, claimed, only, want

from wagtail_smart_resize.models import GatewayRequest, ImageVersion, PipelineState, Recomposition
from wagtail_smart_resize.purchasing import passes, schedule
from wagtail_smart_resize.rules.verdict import Reason

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_time")]


def one_pass():
    return passes.run_pass(workers=1)


def waits():
    """Seconds until the next pass; None for no next pass."""
    due = schedule.next_step_at()
    return None if due is None else (due - timezone.now()).total_seconds()


def test_nothing_to_do_is_nothing_due(gateway):
    assert one_pass() == passes._Pass(0, 0, None)


def test_a_fresh_want_is_due_when_it_has_gathered(gateway):
    (row,) = want(plain_image(), "200x200")
    row.update_if(where={}, next_attempt_at=timezone.now() + dt.timedelta(seconds=2))
    assert 1 < waits() <= 2
    assert one_pass().did == 0


def test_a_request_in_flight_is_due_at_its_next_question(gateway):
    gateway.misbehave("never")
    want(plain_image(), "200x200")
    one_pass()
    assert 1 < waits() <= 3


def test_a_request_that_another_process_works_on_is_due_when_its_lease_ends(gateway):
    (row,) = want(plain_image(), "200x200")
    request = claimed(row.image_id, "")
    assert request.take(timezone.now(), dt.timedelta(minutes=5))
    assert 290 < waits() <= 300
    assert one_pass().did == 0


def test_after_all_is_done_only_the_purge_is_due(gateway, run):
    want(plain_image(), "200x200")
    run()
    ImageVersion.objects.update(purge_due_at=None)
    assert schedule.next_step_at() is None


def open_circuit():
    PipelineState.get_current().open_circuit(
        "http_402", "No balance.", timezone.now() + dt.timedelta(minutes=5)
    )


def pause():
    PipelineState.get_current().update_if(
        where={}, paused_until=timezone.now() + dt.timedelta(minutes=2)
    )


BLOCKS = [(open_circuit, 300), (pause, 120)]


@pytest.mark.parametrize(("block", "seconds"), BLOCKS)
def test_what_is_blocked_is_due_when_the_block_ends(gateway, block, seconds):
    want(plain_image(), "200x200")
    block()
    assert seconds - 5 < waits() <= seconds
    assert (one_pass().did, gateway.requests) == (0, [])


@pytest.mark.parametrize(("block", "seconds"), BLOCKS)
def test_a_request_that_is_blocked_is_not_due_before(gateway, block, seconds):
    (row,) = want(plain_image(), "200x200")
    claimed(row.image_id, "")
    block()
    one_pass()
    assert seconds - 5 < waits() <= seconds
    assert gateway.requests == []


def test_of_two_blocks_the_later_counts(gateway):
    want(plain_image(), "200x200")
    open_circuit()
    pause()
    assert waits() > 290


def test_a_flip_is_due_at_once_and_its_purge_later(gateway, run):
    image = plain_image()
    row = Recomposition.objects.create(
        image=image, source_hash=image.file_hash, shape="1.000", purchase=Purchase.IDLE
    )
    row.choose(candidate(row), None)
    assert waits() <= 0
    one_pass()
    assert 0 < waits() <= 6


def test_without_a_key_wants_are_not_due_but_flips_are(gateway, settings):
    settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, "API_KEY": ""}
    image = plain_image()
    want(image, "200x200")
    assert schedule.next_step_at() is None
    ImageVersion.mark_publish_due(image.pk)
    assert waits() <= 0


HOURS = {
    Reason.PRIVATE: 24,
    Reason.OPTED_OUT: 24,
    Reason.NOT_PUBLISHED: 24,
    Reason.AUTOMATIC_OFF: 24,
    Reason.REFUSED_BY_SITE: 1,
    Reason.NO_KEY: 1,
    Reason.CIRCUIT_OPEN: 1,
    Reason.HOPELESS_SHAPE: 168,
    Reason.UNKNOWN_PRESET: 24,
    Reason.SMALL_SLOT: 168,
    Reason.CROP_KEEPS_SUBJECT: 168,
    Reason.CROP_KEEPS_ENOUGH: 168,
    Reason.SVG: None,
    Reason.ANIMATED: None,
    Reason.TRANSPARENT: None,
    Reason.TINY: None,
}


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason != Reason.BUDGET])
def test_each_reason_has_its_time_to_be_looked_at_again(reason):
    again = schedule.revisit_at(reason)
    hours = None if again is None else round((again - timezone.now()).total_seconds() / 3600)
    assert hours == HOURS[reason]


def test_the_budget_s_reason_ends_with_the_day(moving_clock):
    moving_clock.set(2126, 11, 22, 23, 30)
    assert schedule.revisit_at(Reason.BUDGET) == dt.datetime(2126, 11, 23, tzinfo=dt.UTC)


NEVER_SPINS = ["400", "402", "429", "503", "502"]


@pytest.mark.parametrize("word", NEVER_SPINS)
def test_after_trouble_the_next_pass_is_never_due_at_once(gateway, word):
    gateway.misbehave(word, where="submit")
    want(plain_image(), "200x200")
    one_pass()
    assert waits() is None or waits() > 5


@pytest.mark.parametrize("word", ["502", "never", "html"])
def test_trouble_with_the_status_is_never_due_at_once(gateway, word):
    gateway.misbehave(word, where="status" if word != "never" else None)
    want(plain_image(), "200x200")
    for _ in range(3):
        GatewayRequest.objects.update(next_step_at=timezone.now())
        one_pass()
    assert waits() > 1


def test_a_step_that_fails_is_due_later_and_stops_no_other(gateway, run, monkeypatch):
    from wagtail_smart_resize.purchasing import polling

    first = want(plain_image(), "200x200")[0]
    other = want(plain_image(), "200x200")[0]
    poll = polling.poll_status

    def stumble(request, client):
        if request.image_id == first.image_id:
            raise RuntimeError("not foreseen")
        poll(request, client)

    with monkeypatch.context() as patch:
        patch.setattr(polling, "poll_status", stumble)
        run(10)
    request = again(first).request
    assert (request.status, request.lease, request.consecutive_errors > 0) == ("sent", "", True)
    assert request.next_step_at > timezone.now()
    assert again(other).purchase == Purchase.IDLE
    run()
    assert (again(first).purchase, len(gateway.requests)) == (Purchase.IDLE, 2)


def test_a_flip_that_fails_is_due_later_and_stops_no_other(gateway, run, monkeypatch):
    from wagtail_smart_resize.publishing import publication

    first, other = plain_image(), plain_image()
    for image in (first, other):
        ImageVersion.mark_publish_due(image.pk)
    publish = publication.publish

    def stumble(image_id, cuts=None):
        if image_id == first.pk:
            raise OSError("no storage")
        return publish(image_id)

    monkeypatch.setattr(publication, "publish", stumble)
    result = one_pass()
    assert result.failed == 1
    version = ImageVersion.objects.get(pk=first.pk)
    assert (version.publish_attempts, version.publish_due_at > timezone.now()) == (1, True)
    assert ImageVersion.objects.get(pk=other.pk).publish_due_at is None


def test_of_two_runners_one_prepares_an_image(gateway, monkeypatch):
    from wagtail_smart_resize.publishing import publication

    image = plain_image()
    ImageVersion.mark_publish_due(image.pk)
    publish, beside = publication.publish, []

    def meanwhile(image_id, cuts=None):
        beside.append(one_pass().did)
        return publish(image_id)

    monkeypatch.setattr(publication, "publish", meanwhile)
    assert one_pass().did == 1
    assert beside == [0]


def test_a_flip_whose_runner_died_is_anothers_within_a_minute(gateway, monkeypatch):
    from wagtail_smart_resize.publishing import publication

    image = plain_image()
    ImageVersion.mark_publish_due(image.pk)
    publish = publication.publish

    class Killed(BaseException):
        pass

    def die(image_id, cuts=None):
        raise Killed

    monkeypatch.setattr(publication, "publish", die)
    with pytest.raises(Killed):
        one_pass()
    wait = schedule.next_step_at() - timezone.now()
    assert dt.timedelta(seconds=50) < wait <= dt.timedelta(minutes=1)
    ImageVersion.objects.update(publish_due_at=timezone.now())
    monkeypatch.setattr(publication, "publish", publish)
    assert one_pass().did == 1
    assert ImageVersion.objects.get(pk=image.pk).publish_due_at is None


def test_a_claim_of_an_image_that_can_t_be_seen_is_not_due_again_at_once(gateway, monkeypatch):
    (row,) = want(plain_image(), "200x200")
    manager = type(row.image)._default_manager
    monkeypatch.setattr(
        type(manager), "get_queryset", lambda self: type(row.image)._base_manager.none()
    )
    one_pass()
    monkeypatch.undo()
    assert only(Recomposition).next_attempt_at > timezone.now()


def test_a_pass_tells_that_it_lives(gateway):
    one_pass()
    assert (timezone.now() - PipelineState.get_current().last_pass_at).total_seconds() < 5
