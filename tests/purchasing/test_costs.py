"""What a recomposition costs in bulk, in counts that are the same on every machine."""

import time
from collections import Counter
from types import SimpleNamespace

import pytest
from support.costs import counted
from support.factories import plain_image
from support.purchases import due

from wagtail_smart_resize.models import GatewayRequest, ImageVersion
from wagtail_smart_resize.purchasing import demand, passes, schedule
from wagtail_smart_resize.renditions import demand_notes
from wagtail_smart_resize.runners import loop
from wagtail_smart_resize.sandbox import jobs

IMAGES = 20
SLOT = "300x150"
#: Seconds that the sandbox takes for each, in which it is asked some four times.
LATENCY = 11
#: Of each recomposition, and of each pass whatever it does: what is due, and leases of polls.
STATEMENTS, STATEMENTS_OF_A_PASS = 30, 6


@pytest.mark.django_db
@pytest.mark.parametrize("output_format", ["jpeg", "webp"])
def test_many_pictures_in_bulk(gateway, moving_clock, monkeypatch, settings, output_format):
    settings.WAGTAIL_SMART_RESIZE = {
        **settings.WAGTAIL_SMART_RESIZE,
        "OUTPUT_FORMAT": output_format,
        "REVIEW": False,
        "POLL_INTERVAL": 2.5,
    }

    def ahead():
        return time.time() + moving_clock.ahead.total_seconds()

    monkeypatch.setattr(jobs, "time", SimpleNamespace(time=ahead))
    monkeypatch.setattr(gateway._handler, "_latency", LATENCY)
    for _ in range(IMAGES):
        image = plain_image(900, 600)
        image.get_rendition(f"format-jpeg|smartresize-{SLOT}")
        demand_notes.note_demand(image.pk, SLOT, "")
    assert demand.write_noted_demand()
    due()
    costs, made = Counter[str](), 0
    while ImageVersion.objects.exclude(published_at=None).count() < IMAGES:
        rest = (schedule.next_step_at() - moving_clock.now()).total_seconds()
        moving_clock.skip(seconds=max(loop.REST_SECONDS, rest))
        with counted(costs):
            assert not passes.run_pass(workers=1).failed
        made += 1
        gateway.settle()
    assert GatewayRequest.objects.filter(status="done").count() == IMAGES
    costs["statements"] -= made * STATEMENTS_OF_A_PASS
    each = {name: count / IMAGES for name, count in costs.items()}
    assert len(gateway.requests) == IMAGES
    assert each["statements"] <= STATEMENTS
    # The original, once: by the claim. The gateway's own fetch is another process's.
    assert each["reads"] == 1
    # The original, and what came of it.
    assert each["decoded"] == 2
    assert max(Counter(gateway.polls).values()) <= 5
