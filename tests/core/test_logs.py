"""A traceback is written once in a while for each cause, however often it comes."""

import logging

import pytest

from wagtail_smart_resize.core import logs

logger = logs.get_logger("wagtail_smart_resize.tests.logs")


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test moves."""

    class Clock:
        now = 1000.0

        def monotonic(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(logs, "time", clock)
    return clock


def storage_is_down(name="a.jpg"):
    raise OSError(f"no such bucket for {name}")


def database_is_down():
    raise OSError("no such bucket for a.jpg")


def fail(why=storage_is_down, message="Can't read %s", *args):
    try:
        why()
    except OSError:
        logger.exception(message, *args or ("a picture",))


def test_the_first_is_written_whole(caplog):
    fail()
    (record,) = caplog.records
    assert record.exc_info
    assert record.getMessage() == "Can't read a picture"


def test_the_same_cause_is_not_repeated_and_counted(caplog, clock):
    for number in range(50):
        fail(lambda number=number: storage_is_down(f"{number}.jpg"), "Can't read %s", number)
    assert len(caplog.records) == 1
    clock.now += logs.REPEAT_AFTER_SECONDS + 1
    fail()
    assert len(caplog.records) == 2
    assert "49 times more" in caplog.messages[-1]
    clock.now += logs.REPEAT_AFTER_SECONDS + 1
    fail()
    assert caplog.messages[-1] == "Can't read a picture"


def test_another_cause_is_written(caplog):
    fail()
    fail(database_is_down)
    fail(message="Can't show %s")
    assert len(caplog.records) == 3


def test_lines_without_a_traceback_are_left_alone(caplog):
    caplog.set_level(logging.INFO)
    for _ in range(3):
        logger.info("Nothing special")
    assert len(caplog.records) == 3


def test_what_is_remembered_is_bounded(caplog, monkeypatch):
    monkeypatch.setattr(logs, "MAX_CAUSES", 3)
    for number in range(10):
        fail(message=f"Can't do {number} with %s")
    assert len(caplog.records) == 10
    assert len(logs.repeats._told) == 3


def test_a_percent_sign_in_a_message_stays_what_it_is(caplog, clock):
    for _ in range(2):
        fail(message="Can't read %s at 100 %%")
    clock.now += logs.REPEAT_AFTER_SECONDS + 1
    fail(message="Can't read %s at 100 %%")
    assert caplog.messages[-1].startswith("Can't read a picture at 100 % (and 1 times more")


def test_all_of_ours_that_can_be_are_of_this_kind():
    """But for the sandbox and the gateway's client, which stand alone."""
    from wagtail_smart_resize import apps  # noqa: F401

    names = [
        name
        for name, found in logging.Logger.manager.loggerDict.items()
        if name.startswith("wagtail_smart_resize.") and isinstance(found, logging.Logger)
    ]
    alone = ("wagtail_smart_resize.sandbox", "wagtail_smart_resize.gateway")
    plain = [
        name
        for name in names
        if not name.startswith((*alone, "wagtail_smart_resize.purchases"))
        and logs.repeats not in logging.getLogger(name).filters
    ]
    assert plain == []
