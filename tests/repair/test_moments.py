"""A clock that was ahead and is right again: nothing waits for what is far in the future now."""

import datetime as dt

import pytest
from django.utils import timezone
from support.factories import plain_image
from support.purchases import Purchase, again, due, only, want

from wagtail_smart_resize.models import GatewayRequest, ImageVersion, PipelineState
from wagtail_smart_resize.purchasing import passes, polling
from wagtail_smart_resize.repair import moments, repairs
from wagtail_smart_resize.repair.report import Repair
from wagtail_smart_resize.runners import loop

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("form")]

DAY = dt.timedelta(days=1)


def work():
    """Make a pass and, if it is due, a repair, as a runner does."""
    passes.run_pass(workers=1)
    repairs.run_if_due(PipelineState.get_current())


def test_a_clock_that_was_a_day_ahead_stops_nobody(gateway, run, moving_clock):
    """What it wrote at each step of a purchase, the next repair makes due: that is at once."""
    rows = [want(plain_image(400, 300), "200x200")[0] for _ in range(2)]
    moving_clock.skip(days=1)
    due()
    gateway.misbehave("503")
    work()
    gateway.behave()
    state = PipelineState.get_current()
    assert state.last_repair_at > timezone.now() - DAY
    moving_clock.skip(days=-1)
    state = PipelineState.get_current()
    assert loop.next_due_at(state) <= timezone.now()
    work()
    run()
    assert {again(row).purchase for row in rows} == {Purchase.IDLE}


@pytest.mark.parametrize("moment", moments._MOMENTS, ids=lambda each: each.field)
def test_each_moment_is_found_beyond_its_maximum_and_not_within(moment):
    image = plain_image()
    row = want(image, "200x200")[0]
    ImageVersion.get_for(image.pk)
    PipelineState.get_current()
    GatewayRequest.objects.create(image=image, resolution="1K", source_hash=image.file_hash)
    if moment.rows == moments._WANTED & ~moments._NO_REASON:
        row.update_if(where={}, waiting_reason="private")
    if moment.rows == moments._FAILURES:
        PipelineState.get_current().update_if(where={}, circuit_code="failing")
    instance = moment.model._base_manager.get()
    for more, expected in [(dt.timedelta(0), 0), (dt.timedelta(hours=2), 1)]:
        instance.update_if(where={}, **{moment.field: timezone.now() + moment.most + more})
        assert repairs.run(dry_run=True).counts[Repair.AHEAD] == expected
    repairs.run()
    assert getattr(again(instance), moment.field) <= timezone.now()


def test_a_repair_of_the_future_does_not_put_off_the_next():
    state = PipelineState.get_current()
    state.update_if(where={}, last_repair_at=timezone.now() + DAY)
    assert repairs.next_repair_at(state) <= timezone.now()
    assert repairs.run_if_due(state)
    assert not repairs.run_if_due(only(PipelineState))


def test_a_request_sent_in_the_future_is_polled_at_the_usual_pace():
    request = GatewayRequest(resolution="1K", sent_at=timezone.now() + DAY)
    assert polling.interval(request) > dt.timedelta(0)
