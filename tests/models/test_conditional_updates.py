"""What was read may not be true any more: every change of state asks again, or locks first."""

import datetime as dt
import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from support.factories import candidate, plain_image, recomposition
from support.purchases import Purchase, again, claimed, spent, want

from wagtail_smart_resize import actions
from wagtail_smart_resize.core import clock
from wagtail_smart_resize.models import (
    BudgetPeriod,
    GatewayRequest,
    ImageVersion,
    PipelineState,
    PublicationCounter,
    Recomposition,
)
from wagtail_smart_resize.purchasing import outcomes, passes, plan
from wagtail_smart_resize.runners import loop

pytestmark = pytest.mark.django_db


def claim(row):
    return claimed(row.image_id, row.recipe)


def test_what_is_claimed_between_reading_and_writing_is_not_claimed_again(gateway, monkeypatch):
    (row,) = want(plain_image(400, 300), "200x200")
    write = plan.build_request

    def after_another(*args, **kwargs):
        Recomposition.objects.update(purchase=Purchase.REQUESTED)
        return write(*args, **kwargs)

    monkeypatch.setattr(plan, "build_request", after_another)
    assert claim(row) is None
    assert (GatewayRequest.objects.count(), spent()) == (0, 0)


def test_what_a_person_decides_between_reading_and_going_live_stands():
    row = recomposition(plain_image(), purchase="idle")
    made = candidate(row)
    stale = again(Recomposition.objects.get(pk=row.pk))
    actions.use_crop(row)
    assert stale.is_open
    assert not stale.go_live(made)
    assert (again(row).decision, row.live) == ("crop", None)


def test_a_request_that_another_has_taken_is_not_taken(gateway):
    (row,) = want(plain_image(400, 300), "200x200")
    first = claim(row)
    second = GatewayRequest.objects.get()
    assert first.take(timezone.now(), passes.STEP_LEASE)
    assert not second.take(timezone.now(), passes.STEP_LEASE)
    assert not second.step(error_code="mine")


def test_who_has_lost_the_lease_ends_nothing_and_gives_nothing_back(gateway):
    (row,) = want(plain_image(400, 300), "200x200")
    BudgetPeriod.ensure_rows(clock.today())
    BudgetPeriod.objects.update(outputs=5)
    slow = claim(row)
    quick = GatewayRequest.objects.get()
    assert slow.take(timezone.now(), passes.STEP_LEASE)
    assert quick.take(timezone.now() + 2 * passes.STEP_LEASE, passes.STEP_LEASE)
    outcomes.withdraw(quick, {}, "outdated")
    outcomes.withdraw(slow, {}, "outdated")
    assert spent() == 5


def choose(row):
    row.choose(None, None)


def decide(row):
    actions.use_crop(row)


def go_live(row):
    row.go_live(candidate(row))


def opt_out(row):
    actions.opt_out(row.image)


def withdraw(row):
    outcomes.withdraw(GatewayRequest.objects.get(), {}, "outdated")


@pytest.mark.parametrize("act", [claim, choose, decide, go_live, opt_out, withdraw])
def test_what_touches_an_images_purchases_locks_the_image_first(gateway, act):
    """The first statement of the transaction locks the image's row, and so waits for whoever has
    done the same."""
    (row,) = want(plain_image(400, 300), "200x200")
    ImageVersion.get_for(row.image_id)
    BudgetPeriod.ensure_rows(clock.today())
    if act is withdraw:
        claim(row)
    with CaptureQueriesContext(connection) as captured:
        act(row)
    statements = [query["sql"] for query in captured]
    begun = [at for at, sql in enumerate(statements) if sql.startswith("SAVEPOINT")]
    first = [statements[at + 1] for at in begun if not statements[at + 1].startswith("SAVEPOINT")]
    locks = re.compile("^UPDATE|FOR (NO KEY )?UPDATE")
    ours = [sql for sql in first if locks.search(sql) and "imageversion" in sql]
    assert ours, first


def test_a_flip_is_counted_in_one_statement_and_no_number_returns():
    PublicationCounter.advance()
    first = PublicationCounter.objects.current()
    with CaptureQueriesContext(connection) as captured:
        PublicationCounter.advance()
    assert [query["sql"].split()[0] for query in captured] == ["UPDATE"]
    second = PublicationCounter.objects.current()
    PublicationCounter.objects.all().delete()
    assert PublicationCounter.objects.current() == 0
    PublicationCounter.advance()
    assert first < second < PublicationCounter.objects.current()


def test_of_two_runners_that_found_a_pass_due_one_makes_it():
    PipelineState.get_current()
    now, until = timezone.now(), timezone.now() + loop.FOLLOW_AFTER
    assert PipelineState.begin_pass(now, until)
    assert not PipelineState.begin_pass(now, until)
    assert PipelineState.begin_pass(until, until + loop.FOLLOW_AFTER)


def test_what_comes_up_during_a_pass_is_not_put_off_by_its_end():
    PipelineState.get_current()
    now, until = timezone.now(), timezone.now() + loop.FOLLOW_AFTER
    hour = now + dt.timedelta(hours=1)
    assert PipelineState.begin_pass(now, until)
    assert PipelineState.bring_pass_forward(now)
    assert not PipelineState.bring_pass_forward(now)
    assert not PipelineState.end_pass(until, hour)
    assert PipelineState.get_current().next_pass_at == now
    assert PipelineState.begin_pass(now, until)
    assert PipelineState.end_pass(until, hour)
    assert PipelineState.get_current().next_pass_at == hour
