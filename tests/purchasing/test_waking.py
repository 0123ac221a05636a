"""What waits for money, the key or the service goes on within a minute of what it waits for."""

import datetime as dt

import pytest
from support.factories import plain_image, recomposition
from support.purchases import Purchase, again, circuit_is_open, only, want

from wagtail_smart_resize.core import clock
from wagtail_smart_resize.models import GatewayRequest, PipelineState, Recomposition
from wagtail_smart_resize.purchasing import passes, schedule, waking
from wagtail_smart_resize.purchasing.agenda import read_agenda
from wagtail_smart_resize.rules.verdict import Reason
from wagtail_smart_resize.settings import settings as ours

pytestmark = pytest.mark.django_db

A_MINUTE = dt.timedelta(minutes=1, seconds=5)


@pytest.fixture
def live(moving_clock):
    """Return a function that makes the passes that fall due within so many seconds."""

    def live(seconds):
        ends = moving_clock.now() + dt.timedelta(seconds=seconds)
        made = 0
        while made < 200:
            due = schedule.next_step_at()
            if due is None or due > ends:
                break
            if due > moving_clock.now():
                moving_clock.ahead += due - moving_clock.now()
            passes.run_pass(workers=1)
            made += 1
            moving_clock.skip(milliseconds=200)
        if moving_clock.now() < ends:
            moving_clock.ahead += ends - moving_clock.now()
        return made

    return live


def wanted(count=1):
    return [want(plain_image(400, 300), "200x200")[0] for _ in range(count)]


def test_a_raised_limit_is_noticed(gateway, live, configure):
    configure(DAILY_LIMIT=1)
    wanted(3)
    live(30)
    assert len(gateway.requests) == 1
    configure(DAILY_LIMIT=10)
    live(65)
    assert len(gateway.requests) == 3


def test_a_person_s_request_that_the_day_had_no_room_for_is_too(gateway, live, configure):
    configure(DAILY_LIMIT=10)
    wanted()
    passes.run_pass(workers=1, go_on=lambda: False)
    configure(DAILY_LIMIT=1)
    row = want(plain_image(400, 300), "200x200")[0]
    request = GatewayRequest.objects.create(
        image=row.image,
        source_hash=row.source_hash,
        source_token="t",
        resolution="1K",
        output_format="jpeg",
        by_person=True,
        sizes=[{"size": "200x200", "recomposition": row.pk}],
        outputs_asked=1,
        error_code="budget",
        next_step_at=clock.tomorrow(),
    )
    row.update_if(where={}, purchase=Purchase.REQUESTED, request=request)
    configure(DAILY_LIMIT=10)
    live(65)
    request.refresh_from_db()
    assert request.status == "done"


def test_what_the_limit_still_leaves_no_room_for_makes_one_pass_a_minute(gateway, live, configure):
    configure(DAILY_LIMIT=0)
    wanted(2)
    live(5)
    assert live(600) <= 12
    assert gateway.requests == []


def test_a_renewed_key_is_tried_at_once(gateway, live, configure):
    wanted(3)
    gateway.misbehave("401")
    live(30)
    tried = len(gateway.requests)
    assert circuit_is_open()
    gateway.behave()
    live(30)
    assert len(gateway.requests) == tried, "with the same key it waits for the probe"
    # Another name of the same machine: to the app, other settings.
    configure(SOURCE_BASE_URL=ours.SOURCE_BASE_URL.replace("127.0.0.1", "localhost"))
    live(65)
    assert not circuit_is_open()
    assert len(gateway.requests) == tried + 3


def test_settings_that_were_tried_in_vain_are_not_tried_again_and_again(gateway, live, configure):
    """While a site is deployed anew, old and new processes have different settings."""
    wanted(3)
    gateway.misbehave("401")
    live(10)
    tried = len(gateway.requests)
    for number in range(20):
        configure(SOURCE_BASE_URL=f"http://{'old' if number % 2 else 'new'}.localhost:9")
        live(5)
    assert len(gateway.requests) <= tried + 2


def test_a_key_that_was_missing_is_noticed(gateway, live, configure):
    row = recomposition(
        plain_image(400, 300),
        "200x200",
        waiting_reason="no_key",
        next_attempt_at=clock.tomorrow(),
    )
    live(65)
    assert again(row).purchase == Purchase.IDLE


def test_what_waited_for_the_circuit_goes_on_when_it_closes(gateway, live):
    rows = wanted(4)
    gateway.misbehave("402")
    live(20)
    Recomposition.objects.wanted().update(
        waiting_reason="circuit_open", next_attempt_at=clock.tomorrow()
    )
    gateway.behave()
    want(plain_image(400, 300), "200x200")
    live(6 * 60)
    assert not circuit_is_open()
    assert {again(row).purchase for row in rows} == {Purchase.IDLE}


def test_nothing_that_waits_needs_no_look(gateway, live):
    wanted()
    live(60)
    assert only(GatewayRequest).status == "done"
    assert waking.next_look_at(read_agenda(), schedule.timezone.now()) is None


@pytest.mark.parametrize("reason", ["opted_out", "private", "not_published", "enough_kept"])
def test_other_reasons_are_left_alone(gateway, live, reason):
    row = recomposition(plain_image(), waiting_reason=reason, next_attempt_at=clock.tomorrow())
    assert live(600) == 0
    assert again(row).waiting_reason == reason


def test_all_that_is_due_is_one_query_however_much_waits(
    django_assert_num_queries, django_assert_max_num_queries
):
    PipelineState.get_current()
    image = plain_image()
    for number in range(30):
        recomposition(image, f"{100 + number}x100", waiting_reason="budget", next_attempt_at=None)
    with django_assert_num_queries(1):
        agenda = read_agenda()
    assert agenda.waits == {Reason.BUDGET}
    # The limits are compared with what was bought.
    with django_assert_max_num_queries(1):
        waking.next_look_at(agenda, schedule.timezone.now())
