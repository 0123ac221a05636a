"""How often the gateway is asked: one POST per image, polls that back off, each file once."""

import time
from collections import Counter
from types import SimpleNamespace

import pytest
from support.factories import plain_image

from wagtail_smart_resize.models import GatewayRequest
from wagtail_smart_resize.purchasing import demand, passes, schedule
from wagtail_smart_resize.renditions import demand_notes
from wagtail_smart_resize.sandbox import jobs
from wagtail_smart_resize.settings import settings

IMAGES, SLOTS = 3, ("400x200", "300x300", "200x400")


@pytest.mark.django_db
@pytest.mark.parametrize("latency", [5, 30])
def test_a_page_of_several_images_and_shapes(gateway, moving_clock, monkeypatch, latency):
    def ahead():
        return time.time() + moving_clock.ahead.total_seconds()

    monkeypatch.setattr(jobs, "time", SimpleNamespace(time=ahead))
    monkeypatch.setattr(gateway._handler, "_latency", latency)
    for _ in range(IMAGES):
        image = plain_image()
        for slot in SLOTS:
            demand_notes.note_demand(image.pk, slot, "")
    assert demand.write_noted_demand()
    while due := schedule.next_step_at():
        moving_clock.skip(seconds=max(0, (due - moving_clock.now()).total_seconds()))
        assert not passes.run_pass(workers=1).failed
        gateway.settle()
    assert GatewayRequest.objects.filter(status="done").count() == IMAGES
    assert [len(each["target_sizes"]) for each in gateway.requests] == [len(SLOTS)] * IMAGES
    names = Counter(gateway.downloads)
    assert len(names) == len(SLOTS)
    assert set(names.values()) == {IMAGES}
    polls = Counter(gateway.polls)
    assert len(polls) == IMAGES
    # One in each interval, which grows, and the one that hears the end.
    assert max(polls.values()) <= latency / settings.POLL_INTERVAL + 1
    moving_clock.skip(minutes=10)
    passes.run_pass(workers=1)
    assert Counter(gateway.polls) == polls
