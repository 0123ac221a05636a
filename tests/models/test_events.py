"""The log of purchases: a line for each thing that happens to one, and for each that stops them."""

import datetime as dt
import logging
import re
from pathlib import Path

import pytest
from django.db import transaction
from support.factories import photo, plain_image
from support.paths import ROOT
from support.purchases import only, want

from wagtail_smart_resize.models import GatewayRequest, PipelineState, Recomposition, events
from wagtail_smart_resize.purchasing import passes

pytestmark = pytest.mark.django_db(transaction=True)

LOGGER = "wagtail_smart_resize.purchases"


class Story:
    """The lines that were written."""

    def __init__(self, caplog):
        self._caplog = caplog

    @property
    def records(self):
        return [each for each in self._caplog.records if each.name == LOGGER]

    @property
    def events(self):
        return [each.event for each in self.records]

    def only(self, event):
        (found,) = [each for each in self.records if each.event == event]
        return found

    def levels(self, *events):
        return {each.levelname for each in self.records if each.event in events}


@pytest.fixture
def story(caplog):
    caplog.set_level(logging.INFO, LOGGER)
    return Story(caplog)


def wanted_image(title="Harbour", *slots):
    image = plain_image(400, 300, title=title)
    return want(image, *(slots or ["200x200"]))[0]


def test_one_that_goes_well_is_told_from_want_to_live(gateway, run, story, configure):
    configure(PRICE_PER_OUTPUT=("0.12", "USD"), KEEP_RETIRED_DAYS=7)
    row = wanted_image()
    run()
    assert story.events == ["wanted", "sent", "accepted", "done", "live"]
    assert story.levels(*story.events) == {"INFO"}
    request = only(GatewayRequest)
    wanted, sent, accepted, done, live = (each.getMessage() for each in story.records)
    image = f"image {row.image_id} (Harbour)"
    assert wanted == f"Wanted: {image}, 200x200, by a template"
    asked = request.sizes[0]["size"]
    assert sent == f"Sent: purchase {request.pk}, {image}, {asked}, outputs: 1, cost: 0.12 USD"
    assert accepted == f"Accepted: purchase {request.pk}, as request {request.request_id}"
    assert re.fullmatch(
        rf"Done: purchase {request.pk}, image {row.image_id} \(Harbour\), 1 of 1 outputs after "
        r"\d+ s",
        done,
    )
    row.refresh_from_db()
    assert live == f"Live: {image}, shape 1.000, {row.live.file_name}"


def test_the_values_are_attributes_for_handlers_that_group_by_them(gateway, run, story):
    row = wanted_image()
    run()
    sent, request = story.only("sent"), only(GatewayRequest)
    assert (sent.image_id, sent.purchase_id, sent.outputs) == (row.image_id, request.pk, 1)
    assert sent.cost == "no price set"
    assert story.only("done").gateway_request_id == request.request_id
    # What Sentry and others group by is the same in each line of an event.
    wanted_image("Tower")
    run()
    assert len({each.msg for each in story.records if each.event == "sent"}) == 1


def test_with_review_it_waits_for_a_person(gateway, run, story, configure):
    configure(REVIEW=True)
    wanted_image()
    run()
    assert story.events == ["wanted", "sent", "accepted", "awaiting_review", "done"]


def test_what_pages_no_longer_show_is_told_as_retired(gateway, run, story):
    row = wanted_image()
    row.image.get_rendition("smartresize-200x200")
    run()
    from wagtail_smart_resize.repair import repairs

    repairs.run(dry_run=False)
    retired = story.only("retired")
    assert (retired.image_id, retired.renditions) == (row.image_id, 1)


FAILURES = [
    ("400", "failed", "WARNING", "http_400"),
    ("413", "failed", "WARNING", "http_413"),
    ("FAILED", "failed", "WARNING", "failed"),
    ("empty", "failed", "WARNING", "empty"),
    ("svg", "failed", "WARNING", "not_a_picture"),
    ("502", "unknown", "ERROR", "unknown"),
    ("html@submit", "unknown", "ERROR", "unknown"),
]


@pytest.mark.parametrize(("word", "event", "level", "code"), FAILURES)
def test_one_that_fails_is_told_once_with_its_reason(gateway, run, story, word, event, level, code):
    wanted_image("Harbour", "200x200", "400x200")
    word, _, where = word.partition("@")
    gateway.misbehave(word, where=where or None)
    run()
    told = story.only(event)
    assert (told.levelname, told.code) == (level, code)
    assert told.purchase_id == only(GatewayRequest).pk
    assert told.detail
    assert told.detail in told.getMessage()
    assert "live" not in story.events


def test_a_file_that_is_gone_fails_without_a_request(gateway, run, story):
    row = wanted_image()
    row.image.file.storage.delete(row.image.file.name)
    run()
    told = story.only("failed")
    assert (told.levelname, told.code) == ("WARNING", "file_missing")
    assert not GatewayRequest.objects.exists()


STOPS = [("401", "http_401"), ("503", "http_503")]


@pytest.mark.parametrize(("word", "code"), STOPS)
def test_a_service_that_takes_nothing_is_an_error_once_and_told_when_it_takes_again(
    gateway, run, story, moving_clock, word, code
):
    for title in "AB":
        wanted_image(title)
    gateway.misbehave(word)
    for _ in range(3):
        run()
        moving_clock.skip(minutes=6)
    stopped = story.only("stopped")
    assert (stopped.levelname, stopped.code) == ("ERROR", code)
    gateway.behave()
    run()
    assert story.only("resumed").code == code
    assert story.levels("stopped") == {"ERROR"}


def test_another_cause_of_the_same_stop_is_told(gateway, run, story, moving_clock):
    for title in "ABC":
        wanted_image(title)
    gateway.misbehave("401")
    run()
    gateway.behave()
    gateway.misbehave("402")
    moving_clock.skip(minutes=6)
    run()
    assert [each.code for each in story.records if each.event == "stopped"] == [
        "http_401",
        "http_402",
    ]


def test_a_pause_is_told_once_however_many_meet_it(gateway, run, story):
    for title in "ABC":
        wanted_image(title)
    gateway.misbehave("429")
    run()
    assert story.only("paused").levelname == "WARNING"
    assert "until" in story.only("paused").getMessage()


def test_a_limit_that_keeps_purchases_waiting_is_told_once_a_day(
    gateway, run, story, configure, moving_clock
):
    configure(DAILY_LIMIT=1, MONTHLY_LIMIT=100)
    for title in "ABC":
        wanted_image(title)
    run()
    run()
    told = story.only("budget")
    assert (told.levelname, told.limit, told.used, told.allowed) == ("WARNING", "day", 1, 1)
    moving_clock.skip(days=1)
    Recomposition.objects.wanted().update(next_attempt_at=moving_clock.now())
    run()
    run()
    assert story.events.count("budget") == 2


def test_the_month_is_named_where_it_is_the_month(gateway, run, story, configure):
    configure(DAILY_LIMIT=100, MONTHLY_LIMIT=1)
    for title in "AB":
        wanted_image(title)
    run()
    assert story.only("budget").limit == "month"


def test_what_is_rolled_back_is_not_told(story):
    with transaction.atomic():
        wanted_image()
        transaction.set_rollback(True)
    assert story.events == []


HOSTILE = [
    "two\nlines",
    "a forged line\r\nERROR wagtail_smart_resize.purchases Sent: nothing",
    "\x1b[31mred\x1b[0m",
    "100 %(image_id)s %s",
    "right‮left",
]


@pytest.mark.parametrize("title", HOSTILE)
def test_a_title_can_neither_forge_a_line_nor_break_one(gateway, run, story, title):
    wanted_image(title)
    run()
    for record in story.records:
        line = record.getMessage()
        assert line.isprintable(), line
        assert "image" in line or "Accepted" in line


def test_no_line_holds_the_key_or_a_signed_address(gateway, run, story, settings):
    for word in ("FAILED", "401", "502", "empty"):
        gateway.behave()
        gateway.misbehave(word)
        wanted_image(word)
        run()
    said = "\n".join(f"{each.getMessage()} {vars(each)}" for each in story.records)
    assert gateway.key not in said
    assert "/smart-resize/source/" not in said
    for request in GatewayRequest.objects.all():
        assert request.source_token not in said


def test_a_log_that_nobody_reads_costs_nothing(django_assert_num_queries, caplog):
    caplog.set_level(logging.ERROR, LOGGER)
    image = photo()
    row = Recomposition(image=image, shape=1, slots=["10x10"])
    with django_assert_num_queries(0):
        events.wanted(row, image)
    assert caplog.records == []


def test_every_event_is_shown_in_the_documentation():
    shown = (ROOT / "docs/operations/monitoring.md").read_text()
    code = Path(events.__file__).read_text()
    names = set(re.findall(r"_tell\(\s*\"(\w+)\"", code)) | {"unknown", "failed"}
    assert len(names) > 10
    cells = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", shown, re.MULTILINE)
    listed = {name for cell in cells for name in re.findall(r"\w+", cell)}
    assert sorted(names - listed) == []


def test_a_pause_that_another_prolongs_is_no_news(story):
    state, now = PipelineState.get_current(), passes.timezone.now()
    for seconds in (30, 60, 10):
        state.pause(now + dt.timedelta(seconds=seconds), "slow down")
    state.refresh_from_db()
    assert state.paused_until == now + dt.timedelta(seconds=60)
    assert story.events == ["paused"]
