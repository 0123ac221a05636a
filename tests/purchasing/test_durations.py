"""The status is asked for when the answer is likely, without asking more often."""

import datetime as dt
import json

import pytest
from django.utils import timezone
from support.factories import plain_image
from support.purchases import only, want

from wagtail_smart_resize.gateway.schema import parse_answer
from wagtail_smart_resize.models import GatewayRequest
from wagtail_smart_resize.purchasing import durations, polling

pytestmark = pytest.mark.django_db


def ended(*seconds, resolution="2K"):
    for each in seconds:
        GatewayRequest.objects.create(
            resolution=resolution, status=GatewayRequest.Status.DONE, service_seconds=each
        )
    durations.usual_durations.forget()


def polls(until=60.0, resolution="2K"):
    """The moments, in seconds from the POST, at which a request is asked about."""
    moments, now = [], 0.0
    while now < until:
        sent_at = timezone.now() - dt.timedelta(seconds=now)
        request = GatewayRequest(resolution=resolution, sent_at=sent_at)
        now += polling.interval(request).total_seconds()
        moments.append(now)
    return moments


@pytest.fixture(autouse=True)
def stopped(frozen_time):
    pass


@pytest.mark.parametrize("usual", [4.0, 6.0, 9.3, 11.0, 15.0, 21.5, 30.0, 44.4])
def test_a_poll_falls_right_behind_the_usual_end(usual):
    before = polls()
    ended(usual)
    after = polls()
    first_behind = next(each for each in after if each > usual)
    assert first_behind - usual < 0.6
    asked = sum(each <= first_behind for each in after)
    without = 1 + sum(each <= usual for each in before)
    assert asked <= without


@pytest.mark.parametrize("usual", [1.0, 4.0, 9.3, 21.5, 500.0])
def test_the_rhythm_stays_within_a_fifth(usual):
    ended(usual)
    moments = polls()
    steps = [b - a for a, b in zip([0.0, *moments], moments, strict=False)]
    for at, step in zip([0.0, *moments], steps, strict=False):
        plain = 2.5 * (1 + 3 * at / 600)
        assert 0.8 * plain - 0.001 <= step <= 1.2 * plain + 0.001


def test_without_any_it_is_as_before():
    assert polls(2.6)[0] == 2.5


def test_most_of_the_recent_ones_count():
    ended(*[100.0] * 30, *range(1, 21))
    assert durations.usual_durations.seconds("2K") == 15.0


def test_each_resolution_has_its_own():
    ended(11.0)
    assert durations.usual_durations.seconds("4K") is None
    assert durations.usual_durations.seconds("2K") == 11.0


def test_it_is_looked_up_once_a_minute(django_assert_num_queries):
    ended(11.0)
    with django_assert_num_queries(1):
        for _ in range(20):
            durations.usual_durations.seconds("2K")


def test_a_request_that_ends_teaches_it(gateway, run):
    want(plain_image(400, 300), "200x200")
    run()
    request = only(GatewayRequest)
    assert request.service_seconds is not None
    assert durations.usual_durations.seconds(request.resolution) == request.service_seconds


CREATED = "2026-03-31T10:00:00.000Z"
TIMES = [
    (CREATED, "2026-03-31T10:00:15.500Z", 15.5),
    (CREATED, "2026-03-31T12:00:15+02:00", 15.0),
    (CREATED, None, None),
    (None, None, None),
    (CREATED, CREATED, 0.0),
    (CREATED, "2026-03-31T09:59:00.000Z", None),
    (CREATED, "2027-03-31T10:00:00.000Z", None),
    (CREATED, "2026-03-31T10:00:15", None),
    (CREATED, "yesterday", None),
    (CREATED, 15, None),
    (CREATED, ["2026-03-31T10:00:15.000Z"], None),
    ("9" * 5000, CREATED, None),
]


@pytest.mark.parametrize(("created", "completed", "seconds"), TIMES)
def test_the_gateways_own_times_are_read_where_they_can_be(created, completed, seconds):
    assert parse_answer(body(created, completed)).seconds == seconds


def body(created, completed):
    fields = {"request_id": "a", "status": "COMPLETED", "output": {"media_url": ["https://a/b"]}}
    return json.dumps({**fields, "created_at": created, "completed_at": completed}).encode()
