"""Failures of different images in a row: an alarm that stops the buying, and names the cause."""

import datetime as dt

import pytest
from support.commands import status
from support.factories import plain_image
from support.purchases import Purchase, circuit_is_open, only, want

from wagtail_smart_resize import actions
from wagtail_smart_resize.models import (
    GatewayRequest,
    PipelineState,
    Recomposition,
)
from wagtail_smart_resize.purchasing import circuit, source_image

pytestmark = pytest.mark.django_db

MANY = 8
LIMIT = 5


def want_many(count=MANY):
    return [want(plain_image(400, 300), "200x200")[0] for _ in range(count)]


def one_by_one(run, count=MANY):
    """Want an image, and see what becomes of it, so many times."""
    for _ in range(count):
        want_many(1)
        run()


USELESS = [
    ("FAILED", "the service fails them"),
    ("empty", "it says that it is done, and sends none"),
    ("svg", "what it sends is no picture"),
    ("not-an-image", "nor is this"),
    ("private-url", "they can't be fetched from there"),
    ("400", "it refuses them one by one"),
    ("422", "with other words"),
]


@pytest.mark.parametrize(("word", "reason"), USELESS)
def test_after_some_of_different_images_nothing_more_is_sent(gateway, run, word, reason):
    gateway.misbehave(word)
    one_by_one(run)
    assert len(gateway.requests) == LIMIT, reason
    assert circuit_is_open()
    assert Recomposition.objects.filter(purchase=Purchase.FAILED).count() == LIMIT
    code, text = status()
    assert code == 2
    assert "critical: Since" in text
    assert "One image after the other has failed" in text
    assert PipelineState.peek().circuit_detail in text


def test_how_many_is_a_setting(gateway, run, configure):
    configure(STOP_AFTER_FAILURES=2)
    gateway.misbehave("FAILED")
    one_by_one(run)
    assert len(gateway.requests) == 2


def test_and_none_goes_on_for_ever(gateway, run, configure):
    configure(STOP_AFTER_FAILURES=None)
    gateway.misbehave("FAILED")
    one_by_one(run)
    assert len(gateway.requests) == MANY
    assert not circuit_is_open()


def test_one_that_goes_well_in_between_ends_the_row(gateway, run):
    for word in ("FAILED", "", "empty"):
        gateway.behave()
        if word:
            gateway.misbehave(word)
        one_by_one(run, LIMIT - 1 if word else 1)
    assert not circuit_is_open()
    assert len(PipelineState.peek().failed_images) == LIMIT - 1


def test_the_same_image_again_and_again_is_no_alarm(gateway, run, people):
    """An editor who tries a difficult picture must not stop the others' work."""
    gateway.misbehave("FAILED")
    (row,) = want_many(1)
    run()
    for _ in range(LIMIT):
        row.refresh_from_db()
        actions.retry(row, user=people.superuser)
        run()
    assert len(gateway.requests) == LIMIT + 1
    assert not circuit_is_open()


def test_of_two_and_more_people_are_told_before_it_stops(gateway, run):
    gateway.misbehave("FAILED")
    one_by_one(run, 1)
    assert status()[0] == 0
    one_by_one(run, 1)
    code, text = status()
    assert code == 1
    assert "warning: Since" in text
    assert "2 images in a row have failed" in text


def test_unknown_outcomes_are_no_failures(gateway, run):
    """They count as outages, which stop the buying on their own account."""
    gateway.misbehave("502", where="submit")
    one_by_one(run, 2)
    assert PipelineState.peek().failed_images == []


# The way back


def test_probes_get_rarer_and_cost_no_day_s_budget(gateway, run, moving_clock, configure):
    configure(DAILY_LIMIT=50, MONTHLY_LIMIT=500)
    gateway.misbehave("FAILED")
    one_by_one(run)
    want_many(20)
    hours = 0
    while hours < 24:
        moving_clock.skip(minutes=15)
        hours += 0.25
        run()
    probes = len(gateway.requests) - LIMIT
    assert 5 <= probes <= 12
    held = GatewayRequest.objects.exclude(reserved_on=None).count()
    assert held == len(gateway.requests), "failed ones stay counted: they may be charged"


def test_an_accepted_request_proves_nothing_and_a_picture_closes_it(gateway, run, moving_clock):
    gateway.misbehave("FAILED")
    one_by_one(run, LIMIT)
    want_many(3)
    assert circuit_is_open()
    gateway.behave()
    gateway.misbehave("never")
    moving_clock.skip(minutes=20)
    run(3)
    assert len(gateway.requests) == LIMIT + 1
    assert circuit_is_open(), "accepted, and no picture yet"
    gateway.behave()
    moving_clock.skip(hours=5)
    run()
    assert not circuit_is_open()
    assert PipelineState.peek().failed_images == []
    moving_clock.skip(minutes=6)
    run()
    assert Recomposition.objects.filter(purchase=Purchase.WANTED).count() == 0


def test_a_key_that_is_refused_meanwhile_is_named_and_hides_nothing(gateway, run, moving_clock):
    gateway.misbehave("FAILED")
    one_by_one(run, LIMIT)
    want_many(3)
    gateway.behave()
    gateway.misbehave("401")
    moving_clock.skip(minutes=20)
    run()
    assert PipelineState.peek().circuit_code == "http_401"
    gateway.behave()
    gateway.misbehave("FAILED")
    moving_clock.skip(minutes=6)
    run()
    assert circuit_is_open()
    assert PipelineState.peek().circuit_code in circuit.FAILURE_CODES


# The cause


class TestASourceThatCantBeFetched:
    """The service takes the request, and fails it: it can't reach the site."""

    def test_is_named_as_the_likely_cause(self, gateway, run):
        gateway.misbehave("FAILED")
        one_by_one(run, LIMIT)
        assert PipelineState.peek().circuit_code == circuit.NOT_FETCHED
        text = status()[1]
        assert "fetched none of them" in text
        assert "Most likely the service can't reach this site" in text

    def test_is_not_named_where_the_service_fetched_it(self, gateway, run):
        gateway.misbehave("FAILED")
        one_by_one(run, LIMIT - 1)
        GatewayRequest.objects.update(source_fetched_at=dt.datetime.now(dt.UTC))
        one_by_one(run, 1)
        assert PipelineState.peek().circuit_code == circuit.FAILING

    def test_is_not_named_where_nothing_was_accepted(self, gateway, run):
        gateway.misbehave("400")
        one_by_one(run, LIMIT)
        assert PipelineState.peek().circuit_code == circuit.FAILING


@pytest.mark.django_db(transaction=True)
def test_that_the_service_fetched_a_picture_is_noted(site, run):
    want_many(1)
    run()
    assert only(GatewayRequest).source_fetched_at


@pytest.mark.parametrize(
    ("method", "agent", "noted"),
    [
        ("get", "anything", True),
        ("get", "", True),
        ("get", source_image.OWN_USER_AGENT, False),
        ("head", "anything", False),
    ],
)
def test_our_own_look_at_it_is_not(client, method, agent, noted):
    (row,) = want_many(1)
    asked = GatewayRequest.objects.create(
        image=row.image,
        source_hash=row.image.file_hash,
        source_token="t",
        resolution="2K",
        by_person=True,
        sizes=[{"size": "200x200", "recomposition": row.pk}],
    )
    url = source_image.source_url(asked)
    answer = getattr(client, method)(url, headers={"user-agent": agent})
    assert answer.status_code == 200
    assert bool(only(GatewayRequest).source_fetched_at) is noted
