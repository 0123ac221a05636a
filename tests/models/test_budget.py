"""Spending: reserved before the POST, on the day of the POST, and given back when not bought."""

import datetime as dt
from decimal import Decimal

import pytest
from django.utils import timezone
from support.factories import plain_image
from support.purchases import Purchase, Status, again, claimed, only, spent, want

from wagtail_smart_resize.core import clock
from wagtail_smart_resize.models import BudgetPeriod, GatewayRequest, PipelineState, Recomposition
from wagtail_smart_resize.purchasing import passes, schedule
from wagtail_smart_resize.rules import assess

pytestmark = pytest.mark.django_db


@pytest.fixture
def limits(settings):
    def limit(daily=50, monthly=500, **changes):
        settings.WAGTAIL_SMART_RESIZE = {
            **settings.WAGTAIL_SMART_RESIZE,
            "DAILY_LIMIT": daily,
            "MONTHLY_LIMIT": monthly,
            **changes,
        }

    return limit


def claim(row):
    return claimed(row.image_id, row.recipe)


def counted():
    return dict(BudgetPeriod.objects.order_by("period").values_list("period", "outputs"))


def test_a_budget_that_covers_part_is_spent_on_what_has_waited_longest(gateway, run, limits):
    limits(daily=2)
    image = plain_image(800, 600)
    rows = want(image, "200x200", "200x100", "100x200")
    for row, hours in zip(rows, (1, 3, 2), strict=True):
        row.update_if(where={}, wanted_at=row.wanted_at - dt.timedelta(hours=hours))
    run()
    assert [again(row).purchase for row in rows] == [
        Purchase.WANTED,
        Purchase.IDLE,
        Purchase.IDLE,
    ]
    assert (rows[0].waiting_reason, rows[0].next_attempt_at) == ("budget", clock.tomorrow())
    assert (len(gateway.requests), spent()) == (1, 2)


def test_what_waits_for_the_budget_is_bought_on_the_next_day(gateway, run, moving_clock, limits):
    limits(daily=1)
    moving_clock.set(2126, 11, 22, 12)
    rows = [want(plain_image(400, 300), "200x200")[0] for _ in range(3)]
    run()
    assert (spent(), len(gateway.requests)) == (1, 1)
    moving_clock.skip(hours=6)
    run()
    assert len(gateway.requests) == 1
    moving_clock.set(2126, 11, 23, 0, 1)
    run()
    moving_clock.set(2126, 11, 24, 0, 1)
    run()
    assert {again(row).purchase for row in rows} == {Purchase.IDLE}
    assert counted() == {"2126-11": 3, "2126-11-22": 1, "2126-11-23": 1, "2126-11-24": 1}


def test_the_month_s_limit_holds_over_its_days(gateway, run, moving_clock, limits):
    limits(monthly=1)
    moving_clock.set(2126, 11, 29, 12)
    rows = [want(plain_image(400, 300), "200x200")[0] for _ in range(2)]
    for day in (29, 30):
        moving_clock.set(2126, 11, day, 13)
        run()
        assert len(gateway.requests) == 1
    moving_clock.set(2126, 12, 1, 1)
    run()
    assert {again(row).purchase for row in rows} == {Purchase.IDLE}
    assert counted()["2126-12"] == 1


NOTHING_LEFT = [
    ({"daily": 0}, "no budget at all"),
    ({"monthly": 0}, "no budget at all"),
    ({"daily": 1, "CANDIDATES": 2}, "a shape's candidates come together or not at all"),
]


@pytest.mark.parametrize(("changes", "reason"), NOTHING_LEFT)
def test_without_budget_nothing_is_sent(gateway, run, limits, changes, reason):
    limits(**changes)
    (row,) = want(plain_image(400, 300), "200x200")
    run()
    assert (gateway.requests, spent()) == ([], 0), reason
    assert (again(row).waiting_reason, row.next_attempt_at) == ("budget", clock.tomorrow())


def test_a_request_reserved_before_midnight_counts_on_the_day_it_is_sent(
    gateway, run, moving_clock
):
    moving_clock.set(2126, 11, 30, 23, 59)
    (row,) = want(plain_image(400, 300), "200x200")
    claim(row)
    assert counted() == {"2126-11": 1, "2126-11-30": 1}
    moving_clock.set(2126, 12, 1, 0, 1)
    run()
    assert again(row).purchase == Purchase.IDLE
    assert counted() == {"2126-11": 0, "2126-11-30": 0, "2126-12": 1, "2126-12-01": 1}
    assert only(GatewayRequest).reserved_on == dt.date(2126, 12, 1)


def test_a_request_whose_new_day_is_used_up_waits_and_loses_nothing(
    gateway, run, moving_clock, limits
):
    limits(daily=1)
    moving_clock.set(2126, 11, 22, 23, 59)
    (late,) = want(plain_image(400, 300), "200x200")
    request = claim(late)
    moving_clock.set(2126, 11, 23, 0, 1)
    BudgetPeriod.objects.create(period="2126-11-23", outputs=1)
    passes.run_pass(workers=1)
    assert (again(request).status, request.reserved_on) == (Status.NEW, dt.date(2126, 11, 22))
    assert (request.error_code, request.next_step_at) == ("budget", clock.tomorrow())
    assert request.lease == ""
    assert counted() == {"2126-11": 1, "2126-11-22": 1, "2126-11-23": 1}
    moving_clock.set(2126, 11, 24, 0, 1)
    run()
    assert again(late).purchase == Purchase.IDLE
    assert counted() == {"2126-11": 1, "2126-11-22": 0, "2126-11-23": 1, "2126-11-24": 1}
    assert again(request).error_code == ""


def test_what_an_error_of_theirs_gives_back_returns_to_the_day_it_was_taken_from(
    gateway, run, moving_clock
):
    moving_clock.set(2126, 11, 22, 23, 59)
    want(plain_image(400, 300), "200x200")
    gateway.misbehave("ERROR", times=1)
    passes.run_pass(workers=1)
    moving_clock.set(2126, 11, 23, 0, 1)
    run()
    assert counted() == {"2126-11": 1, "2126-11-22": 0, "2126-11-23": 1}


def test_a_day_s_refusal_leaves_the_month_as_it_was(limits):
    from django.db import transaction

    today = clock.today()
    BudgetPeriod.ensure_rows(today)
    with transaction.atomic():
        assert not BudgetPeriod.reserve(2, today, daily=1, monthly=10)
        transaction.set_rollback(True)


def test_reserving_needs_no_rows_made_before():
    today = clock.today()
    assert BudgetPeriod.reserve(2, today, daily=2, monthly=2)
    assert not BudgetPeriod.reserve(1, today, daily=9, monthly=2)
    assert BudgetPeriod.spent_on(today) == (2, 2)


def test_giving_back_never_goes_below_nothing():
    BudgetPeriod.give_back(3, clock.today())
    assert BudgetPeriod.spent_on(clock.today()) == (0, 0)


def test_what_was_given_back_is_not_given_back_again(gateway, run):
    """A request that two processes end is ended by one of them."""
    (row,) = want(plain_image(400, 300), "200x200")
    claim(row)
    (other,) = want(plain_image(400, 300), "200x200")
    claim(other)
    from wagtail_smart_resize.purchasing import outcomes

    mine = GatewayRequest.objects.order_by("pk")[0]
    stale = GatewayRequest.objects.order_by("pk")[0]
    assert mine.take(timezone.now(), passes.STEP_LEASE)
    outcomes.withdraw(mine, {}, "outdated")
    stale.lease = "of an earlier holder"
    outcomes.withdraw(stale, {}, "outdated")
    assert spent() == 1


def test_the_ledger_knows_the_price(gateway, run, limits):
    limits(PRICE_PER_OUTPUT=("0.12", "USD"), CANDIDATES=2)
    want(plain_image(400, 300), "200x200")
    run()
    request = only(GatewayRequest)
    assert (request.price, request.currency) == (Decimal("0.24"), "USD")
    assert (request.outputs_asked, request.outputs_received) == (2, 2)


def test_no_more_requests_are_in_flight_than_allowed(gateway, limits, moving_clock, frozen_time):
    limits(MAX_IN_FLIGHT=2)
    gateway.misbehave("never")
    for _ in range(4):
        want(plain_image(400, 300), "200x200")
    for _ in range(3):
        passes.run_pass(workers=1)
        moving_clock.skip(seconds=5)
    assert len(gateway.requests) == 2
    assert GatewayRequest.objects.unfinished().count() == 2
    assert Recomposition.objects.wanted().count() == 2
    assert schedule.next_step_at() > timezone.now() - dt.timedelta(seconds=30)


def test_what_waits_for_its_place_in_flight_gets_it(gateway, run, limits):
    limits(MAX_IN_FLIGHT=1)
    rows = [want(plain_image(400, 300), "200x200")[0] for _ in range(3)]
    run()
    assert {again(row).purchase for row in rows} == {Purchase.IDLE}
    assert len(gateway.requests) == 3


def test_what_is_left_is_the_smaller_of_both_limits(limits):
    limits(daily=10, monthly=4)
    BudgetPeriod.reserve(1, clock.today(), 10, 4)
    assert assess.budget_left() == 3
    limits(daily=0, monthly=4)
    assert assess.budget_left() == 0


def test_a_probe_s_budget_goes_back_too(gateway, run, moving_clock):
    want(plain_image(400, 300), "200x200")
    gateway.misbehave("402")
    run(2)
    moving_clock.skip(minutes=6)
    run(2)
    assert PipelineState.get_current().circuit_open
    assert spent() == 0
