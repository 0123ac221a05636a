"""That the threads of the embedded runner give way to requests, and those of a worker do not."""

import os
import sys
import threading

import pytest
from django.core.signals import request_finished, request_started
from django.http import HttpResponse
from django.test import Client
from django.urls import include, path
from django.utils import timezone
from support.waiting import NEVER_SECONDS, TIMEOUT_SECONDS, join

from wagtail_smart_resize.core import answering
from wagtail_smart_resize.purchasing.source_image import test_url as url_of_test_picture
from wagtail_smart_resize.runners import embedded_thread, giving_way, loop


@pytest.fixture(autouse=True)
def quiet():
    """No request is under way before and after a test."""
    answering.under_way.reset()
    yield
    answering.under_way.reset()


@pytest.fixture
def request_under_way():
    answering.under_way.begin()


@pytest.fixture
def waits_for_ever(monkeypatch):
    monkeypatch.setattr(giving_way, "MAX_SECONDS", NEVER_SECONDS)


@pytest.fixture
def steps(monkeypatch):
    """Let a pass consist of one step; list whether a request was under way when it began."""
    begun = []

    def work_once(state, go_on, pool, **repairs):
        pool.run_jobs([lambda: begun.append(bool(answering.under_way))], go_on)
        pool.close()
        return loop.Work(1, timezone.now())

    monkeypatch.setattr(loop, "work_once", work_once)
    return begun


class WatchedEvent(threading.Event):
    """An event that tells when somebody begins to wait for it."""

    def __init__(self):
        super().__init__()
        self.waited = threading.Event()

    def wait(self, timeout=None):
        self.waited.set()
        return super().wait(timeout)


def embedded_loop():
    made = embedded_thread.EmbeddedThread()._loop
    made.stopped = WatchedEvent()
    return made


def pass_of(made):
    thread = threading.Thread(target=made._work, args=(None,))
    thread.start()
    return thread


# Waiting


def test_a_step_begins_when_the_request_has_been_answered(request_under_way, waits_for_ever, steps):
    made = embedded_loop()
    working = pass_of(made)
    assert made.stopped.waited.wait(TIMEOUT_SECONDS)
    assert steps == []
    answering.under_way.end()
    join(working)
    assert steps == [False]


def test_on_a_busy_site_it_begins_after_a_while(request_under_way, monkeypatch, steps):
    monkeypatch.setattr(giving_way, "MAX_SECONDS", 0.05)
    made = embedded_loop()
    join(pass_of(made))
    assert made.stopped.waited.is_set()
    assert steps == [True]


def test_nothing_waits_without_a_request(waits_for_ever, steps):
    made = embedded_loop()
    join(pass_of(made))
    assert not made.stopped.waited.is_set()
    assert steps == [False]


def test_who_waits_ends_with_the_process(request_under_way, waits_for_ever, steps):
    made = embedded_loop()
    working = pass_of(made)
    assert made.stopped.waited.wait(TIMEOUT_SECONDS)
    made.stop()
    join(working)
    assert steps == []


def test_a_worker_process_never_waits(request_under_way, waits_for_ever, steps):
    made = loop.Loop(alone=False)
    made.stopped = WatchedEvent()
    join(pass_of(made))
    assert not made.stopped.waited.is_set()
    assert steps == [True]


# Priority


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has priorities of threads")
def test_the_embedded_threads_rank_lower_and_all_others_as_before(monkeypatch, steps):
    ours = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    if ours + giving_way.NICENESS > 19:
        pytest.skip("this process ranks so low that a thread can't rank lower by as much")
    found = []

    def note():
        found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    def run(self):
        note()
        self._work(None)

    def work_once(state, go_on, pool, **repairs):
        pool.run_jobs([note], go_on)
        pool.close()
        return loop.Work(1, timezone.now())

    monkeypatch.setattr(loop.Loop, "run", run)
    monkeypatch.setattr(loop, "work_once", work_once)
    thread = embedded_thread.EmbeddedThread()
    thread.wake()
    join(thread._thread)
    # The thread itself, and one that makes a step.
    assert found == [ours + giving_way.NICENESS] * 2
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == ours


def test_a_greenlet_does_not_lower_the_priority_of_the_process(monkeypatch):
    changed = []
    monkeypatch.setattr(os, "setpriority", lambda *args: changed.append(args))
    monkeypatch.setattr(threading, "get_native_id", os.getpid)
    giving_way.lower_priority()
    assert changed == []


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no priority is asked for")
def test_a_system_that_refuses_stops_nothing(monkeypatch):
    asked = []

    def refuse(*args):
        asked.append(args)
        raise PermissionError

    monkeypatch.setattr(os, "setpriority", refuse)
    thread = threading.Thread(target=giving_way.lower_priority)
    thread.start()
    join(thread)
    assert len(asked) == 1


# The requests under way


def tell(request):
    return HttpResponse(f"{bool(answering.under_way)}")


def fail(request):
    seen.append(bool(answering.under_way))
    raise RuntimeError("no page today")


seen: list[bool] = []

urlpatterns = [
    path("telling/", tell),
    path("failing/", fail),
    path("smart-resize/", include("wagtail_smart_resize.urls")),
]


@pytest.fixture
def site(settings):
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = []
    return Client(raise_request_exception=False)


@pytest.mark.django_db
def test_a_request_counts_from_its_beginning_to_its_end(site):
    assert site.get("/telling/").content == b"True"
    assert not answering.under_way


@pytest.mark.django_db
def test_a_request_that_fails_ends_too(site):
    seen.clear()
    assert site.get("/failing/").status_code == 500
    assert seen == [True]
    assert not answering.under_way


@pytest.mark.django_db
def test_the_source_picture_that_a_step_has_fetched_does_not_count(site, monkeypatch):
    """Nobody waits for it, but other steps would wait for each other."""
    from wagtail_smart_resize.delivery import source_view

    counted = []
    monkeypatch.setattr(
        source_view, "is_test", lambda token: counted.append(bool(answering.under_way)) or True
    )
    assert site.get(url_of_test_picture()).status_code == 200
    assert counted == [False]


@pytest.mark.django_db
def test_a_request_whose_end_is_not_told_of_counts_for_seconds_only(monkeypatch):
    request_started.send(sender=None, environ={"PATH_INFO": "/stream/"})
    assert answering.under_way
    monkeypatch.setattr(answering, "MAX_AGE_SECONDS", -1.0)
    assert not answering.under_way
    monkeypatch.undo()
    assert not answering.under_way  # it has been forgotten
    request_finished.send(sender=None)


def test_a_thread_answers_one_request_at_a_time():
    answering.under_way.begin()
    answering.under_way.begin()
    answering.under_way.end()
    assert not answering.under_way
    answering.under_way.end()
    answering.under_way.begin()
    assert answering.under_way


def test_of_several_requests_the_last_one_counts():
    answering.under_way.begin()
    other = threading.Thread(target=lambda: (answering.under_way.begin(), ended.wait()))
    ended = threading.Event()
    other.start()
    ended.set()
    join(other)
    answering.under_way.end()
    assert answering.under_way


def test_a_forked_child_starts_with_none():
    answering.under_way.begin()
    pid = os.fork()
    if pid == 0:
        os._exit(1 if answering.under_way else 0)
    assert os.waitpid(pid, 0)[1] == 0
    assert answering.under_way
