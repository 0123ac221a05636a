"""The circuit with a thousand rows behind it, and several runners at work at the same time."""

import datetime as dt
import threading
from collections import Counter

import pytest
from django.core.management import call_command
from django.db import connections
from django.utils import timezone
from support.factories import plain_image
from support.purchases import circuit_is_open
from support.waiting import TIMEOUT_SECONDS, join

from wagtail_smart_resize.models import BudgetPeriod, GatewayRequest, PipelineState, Recomposition
from wagtail_smart_resize.purchasing import circuit, passes, schedule

pytestmark = pytest.mark.django_db(transaction=True)

ROWS = 1000
RUNNERS = 6
THREADS = 4
"""Of each runner's pass."""
HALF_AN_HOUR = dt.timedelta(minutes=30)


@pytest.fixture
def rows(settings):
    """Images that share a file, each wanted in one shape, and a budget for all of them."""
    settings.WAGTAIL_SMART_RESIZE = {
        **settings.WAGTAIL_SMART_RESIZE,
        "DAILY_LIMIT": 2 * ROWS,
        "MONTHLY_LIMIT": 2 * ROWS,
    }
    first = plain_image(400, 300)
    model = type(first)
    fields = ("file", "file_hash", "file_size", "width", "height", "collection_id")
    same = {name: getattr(first, name) for name in fields}
    model.objects.bulk_create(model(title=f"{n}", **same) for n in range(ROWS - 1))
    past = timezone.now() - dt.timedelta(seconds=1)
    return Recomposition.objects.bulk_create(
        Recomposition(
            image_id=pk,
            source_hash=first.file_hash,
            shape=1,
            slots=["200x200"],
            next_attempt_at=past,
        )
        for pk in model.objects.values_list("pk", flat=True)
    )


def all_make_a_pass() -> None:
    """Every runner makes one, all at the same moment."""
    barrier, failed = threading.Barrier(RUNNERS), []

    def work():
        try:
            barrier.wait(TIMEOUT_SECONDS)
            failed.append(passes.run_pass(workers=THREADS).failed)
        except Exception as error:
            failed.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(RUNNERS)]
    for thread in threads:
        thread.start()
    join(*threads)
    assert failed == [0] * RUNNERS


def live_through(moving_clock, time: dt.timedelta) -> None:
    """Whenever a pass is due, every runner makes one."""
    ends = timezone.now() + time
    while (due := schedule.next_step_at()) is not None and due < ends:
        moving_clock.skip(seconds=max(0.0, (due - timezone.now()).total_seconds()) + 0.001)
        all_make_a_pass()
    moving_clock.skip(seconds=(ends - timezone.now()).total_seconds())


def open_the_circuit(gateway, moving_clock) -> int:
    """Until nothing more is sent; returns how many requests that took."""
    for _round in range(100):
        if circuit_is_open():
            return len(gateway.requests)
        moving_clock.skip(
            seconds=max(0.0, (schedule.next_step_at() - timezone.now()).total_seconds()) + 0.001
        )
        all_make_a_pass()
    raise AssertionError("the circuit stays closed")


TROUBLES = [
    ("401", 1, "the key is refused"),
    ("402", 1, "the balance is used up"),
    ("500", circuit.MAX_OUTAGES, "the gateway is out of order for good"),
]


@pytest.mark.races
@pytest.mark.parametrize(("word", "until_open", "reason"), TROUBLES)
def test_a_thousand_that_wait_make_one_try_in_each_interval(
    gateway, rows, moving_clock, word, until_open, reason
):
    gateway.misbehave(word)
    before = open_the_circuit(gateway, moving_clock)
    # What was on its way when the first answer came, and no more.
    assert until_open <= before < until_open + RUNNERS * THREADS, reason
    live_through(moving_clock, HALF_AN_HOUR)
    tries = HALF_AN_HOUR // circuit.PROBE_INTERVAL
    assert tries - 1 <= len(gateway.requests) - before <= tries
    assert_nothing_was_spent(gateway, word)
    assert_it_is_told(word)


def assert_nothing_was_spent(gateway, word):
    """Each try has its row in the ledger, and gave its budget back; who waits holds little."""
    tried = GatewayRequest.objects.exclude(sent_at=None)
    assert tried.count() == len(gateway.requests)
    said = tried.values_list("status", "error_code", "charged", "reserved_on")
    assert set(said) == {("failed", f"http_{word}", "no", None)}
    unsent = GatewayRequest.objects.filter(status="new").count()
    assert unsent <= 20
    assert set(BudgetPeriod.objects.values_list("outputs", flat=True)) <= {0, unsent}
    assert not Recomposition.objects.filter(purchase="failed").exists()


def assert_it_is_told(word):
    with pytest.raises(SystemExit) as ended:
        call_command("smart_resize_status")
    assert ended.value.code == 2
    assert PipelineState.peek().circuit_code == f"http_{word}"


@pytest.mark.races
def test_once_the_gateway_is_well_all_are_bought_once(gateway, rows, moving_clock, monkeypatch):
    from support.small_engine_presets import SMALL_ENGINE_PRESETS

    from wagtail_smart_resize.core import sizes

    monkeypatch.setattr(sizes, "ENGINE_PRESETS", SMALL_ENGINE_PRESETS)
    gateway.misbehave("401")
    refused = open_the_circuit(gateway, moving_clock)
    gateway.behave()
    most = 0
    while Recomposition.objects.exclude(purchase="idle").exists():
        moving_clock.skip(
            seconds=max(0.0, (schedule.next_step_at() - timezone.now()).total_seconds()) + 0.001
        )
        all_make_a_pass()
        gateway.settle()
        most = max(most, GatewayRequest.objects.unfinished().count())
    assert not circuit_is_open()
    assert len(gateway.requests) == refused + ROWS
    bought = GatewayRequest.objects.filter(charged="yes").values_list("image", flat=True)
    assert Counter(bought).most_common(1)[0][1] == 1
    assert len(bought) == ROWS
    assert most <= 20
