"""Who makes the passes, when, and that nothing of it can hold up a page or a process."""

import asyncio
import datetime as dt
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest
from asgiref.testing import ApplicationCommunicator
from django.core import mail
from django.core.handlers.asgi import ASGIHandler
from django.core.signals import request_finished, request_started
from django.db import DatabaseError, connection, transaction
from django.http import HttpResponse
from django.test.utils import CaptureQueriesContext
from django.urls import include, path
from django.utils import timezone
from support.factories import plain_image
from support.waiting import TIMEOUT_SECONDS

from wagtail_smart_resize import compat, tasks
from wagtail_smart_resize.asgi import finish_at_shutdown
from wagtail_smart_resize.models import PipelineState, Recomposition
from wagtail_smart_resize.purchasing.thread_pool import ThreadPool
from wagtail_smart_resize.renditions import demand_notes, request_tracking
from wagtail_smart_resize.runners import embedded_thread, loop, modes, task_chain

HOUR = dt.timedelta(hours=1)
SECOND = dt.timedelta(seconds=1)


@pytest.fixture
def runner(settings):
    def choose(name):
        settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, "RUNNER": name}

    return choose


@pytest.fixture
def defers(monkeypatch):
    """Choose whether the tasks backend can run a tick at a later time."""

    def choose(answer):
        backend = SimpleNamespace(supports_defer=answer)
        monkeypatch.setattr(compat, "get_task_backend", lambda: backend)

    return choose


@pytest.fixture
def woken(monkeypatch):
    """How often the embedded thread was woken; it does not start."""
    calls = []
    monkeypatch.setattr(embedded_thread.embedded_thread, "wake", lambda: calls.append("thread"))
    return calls


@pytest.fixture
def ticks(monkeypatch):
    """The ticks that were enqueued, as (when, lease, extra)."""
    enqueued = []

    def note(when=None, *, lease="", extra=False):
        enqueued.append((when, lease, extra))

    monkeypatch.setattr(task_chain, "enqueue_tick", note)
    return enqueued


@pytest.fixture
def passes(monkeypatch, frozen_time):
    """The passes that were made, in place of real ones; `passes.due` is what they return."""

    class Passes(list):
        due = None

    made = Passes()

    def work_once(state, go_on=None, crew=None):
        made.append(state)
        return made.due

    monkeypatch.setattr(loop, "work_once", work_once)
    monkeypatch.setattr(loop, "next_pass_at", lambda state: made.due)
    return made


# Which runner


@pytest.mark.parametrize(
    ("chosen", "can_defer", "expected"),
    [
        ("auto", True, "tasks"),
        ("auto", False, "thread"),
        ("tasks", True, "tasks"),
        ("tasks", False, "thread"),
        ("thread", True, "thread"),
        ("off", True, "off"),
    ],
)
def test_the_runner_is_what_setting_and_backend_allow(
    runner, defers, monkeypatch, chosen, can_defer, expected
):
    monkeypatch.delattr(mail, "outbox")
    runner(chosen)
    defers(can_defer)
    assert modes.mode() == expected


def test_auto_is_off_in_every_test_suite(runner, defers):
    runner("auto")
    defers(True)
    assert modes.mode() == "off"


# Waking


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "answers_requests", "expected"),
    [
        ("thread", True, ["thread"]),
        ("thread", False, []),  # a command's thread would die with it
        ("off", True, []),
    ],
)
def test_waking_waits_for_the_commit(
    runner,
    woken,
    monkeypatch,
    django_capture_on_commit_callbacks,
    name,
    answers_requests,
    expected,
):
    monkeypatch.setattr(request_tracking, "has_answered", lambda: answers_requests)
    runner(name)
    with django_capture_on_commit_callbacks(execute=True):
        modes.wake()
        assert woken == []
    assert woken == expected


@pytest.mark.django_db(transaction=True)
def test_a_transaction_that_is_rolled_back_wakes_nobody(runner, woken):
    runner("thread")
    with transaction.atomic():
        modes.wake()
        transaction.set_rollback(True)
    assert woken == []


@pytest.mark.django_db(transaction=True)
def test_a_thread_that_can_not_start_breaks_no_commit(runner, monkeypatch, caplog):
    def fail():
        raise RuntimeError("can't start new thread")

    runner("thread")
    monkeypatch.setattr(embedded_thread.embedded_thread, "wake", fail)
    with transaction.atomic():
        modes.wake()
    assert "can't start new thread" in caplog.text


@pytest.mark.django_db
def test_a_backend_out_of_order_is_a_log_line(monkeypatch, caplog):
    def fail(*args, **kwargs):
        raise ConnectionError("no broker")

    monkeypatch.setattr(type(tasks.tick), "enqueue", fail)
    task_chain.start()
    assert "no broker" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_a_backend_that_runs_inline_gets_no_pass_out_of_a_request(woken, passes):
    task_chain.start()
    assert woken == ["thread"]
    assert passes == []
    assert not task_chain.enqueuing_here()


# The end of a request


def end_a_request(monkeypatch):
    monkeypatch.setattr(modes._LastCheck, "at", time.monotonic())
    modes._on_request_finished()


@pytest.mark.django_db
def test_the_end_of_a_request_writes_what_was_wanted(monkeypatch):
    demand_notes.note_demand(plain_image().pk, "400x400", "")
    end_a_request(monkeypatch)
    assert [row.slots for row in Recomposition.objects.all()] == [["400x400"]]


@pytest.mark.django_db
def test_in_a_sites_test_suite_it_writes_and_asks_nothing(runner, monkeypatch):
    runner("auto")
    demand_notes.note_demand(plain_image().pk, "400x400", "")
    with CaptureQueriesContext(connection) as queries:
        end_a_request(monkeypatch)
    assert len(queries) == 0


@pytest.mark.django_db
def test_a_request_that_wanted_nothing_costs_no_query(runner, monkeypatch, woken):
    runner("thread")
    with CaptureQueriesContext(connection) as queries:
        end_a_request(monkeypatch)
    assert len(queries) == 0
    assert woken == []


@pytest.mark.django_db
def test_a_processs_first_request_and_one_from_time_to_time_wake_the_runner(
    runner, monkeypatch, woken
):
    runner("thread")
    monkeypatch.setattr(modes._LastCheck, "at", None)
    for _ in range(3):
        modes._on_request_finished()
    assert woken == ["thread"]
    long_ago = time.monotonic() - modes.CHECK_INTERVAL_SECONDS - 1
    monkeypatch.setattr(modes._LastCheck, "at", long_ago)
    modes._on_request_finished()
    assert woken == ["thread"] * 2


@pytest.mark.django_db
def test_trouble_at_the_end_of_a_request_reaches_nobody(runner, monkeypatch, caplog):
    def fail():
        raise RuntimeError("no threads here")

    runner("thread")
    monkeypatch.setattr(embedded_thread.embedded_thread, "wake", fail)
    demand_notes.note_demand(plain_image().pk, "400x400", "")
    end_a_request(monkeypatch)
    assert "no threads here" in caplog.text


# The loop


class Counting(loop.Loop):
    """Passes that take no time and find this to be due next."""

    def __init__(self, seconds):
        super().__init__(alone=False)
        self.seconds = seconds
        self.rounds = 0

    def _run_pass(self):
        self.rounds += 1
        assert self.rounds < 100, "it spins"
        return self.seconds


@pytest.fixture
def rounds_in_a_second(monkeypatch):
    """How many passes a loop makes until it has rested for a second, which takes no time."""
    monkeypatch.setattr(loop.connections, "close_all", lambda: None)  # the test's own

    def count(made, waking):
        rests = []

        def rest(seconds):
            rests.append(float("inf") if seconds is None else seconds)
            if sum(rests) >= 1:
                made.stop()

        monkeypatch.setattr(made.stopped, "wait", rest)
        # Who is woken all the time waits for that no longer than for nothing.
        monkeypatch.setattr(made._woken, "wait", lambda seconds: waking or rest(seconds))
        made.run()
        return made.rounds

    return count


@pytest.mark.parametrize(
    ("seconds", "waking", "most"), [(None, False, 1), (30, False, 1), (None, True, 6), (0, True, 6)]
)
def test_the_loop_never_spins(rounds_in_a_second, seconds, waking, most):
    assert 1 <= rounds_in_a_second(Counting(seconds), waking) <= most


def test_what_stays_due_slows_the_loop_down():
    made = loop.Loop(alone=True)
    overdue = timezone.now() - SECOND
    waits = [made._seconds_until(overdue) for _ in range(6)]
    assert waits == [0.2, 0.4, 0.8, 1.6, 2.5, 2.5]
    assert made._seconds_until(timezone.now() + HOUR) > 3500
    assert made._seconds_until(overdue) == 0.2


@pytest.mark.django_db
def test_an_idle_site_has_its_next_pass_in_an_hour():
    made = loop.Loop(alone=True)
    made._work()
    assert made._work() > 3500


@pytest.mark.django_db
def test_of_two_processes_one_works(passes):
    passes.due = timezone.now() + SECOND
    first, second = loop.Loop(alone=True), loop.Loop(alone=True)
    first._work()
    wait = second._work()
    assert len(passes) == 1
    assert loop.REST_SECONDS <= wait <= loop.NEAR.total_seconds() + 2
    first._work()
    assert len(passes) == 2


@pytest.mark.django_db
def test_a_dead_processs_lease_ends_within_a_minute(passes, monkeypatch):
    passes.due = timezone.now() + SECOND
    loop.Loop(alone=True)._work()
    later = timezone.now() + dt.timedelta(seconds=20)
    monkeypatch.setattr(loop.clock, "now", lambda: later)
    loop.Loop(alone=True)._work()
    assert len(passes) == 2


@pytest.mark.django_db
def test_a_process_that_ends_gives_its_lease_back(passes, monkeypatch):
    monkeypatch.setattr(loop.connections, "close_all", lambda: None)  # the test's own
    passes.due = timezone.now() + SECOND
    first = loop.Loop(alone=True)
    first._work()
    first._shut_down()
    loop.Loop(alone=True)._work()
    assert len(passes) == 2


@pytest.mark.django_db
def test_what_came_while_a_process_gave_its_lease_back_is_not_forgotten(passes, monkeypatch):
    monkeypatch.setattr(loop, "next_pass_at", lambda state: timezone.now() + 2 * SECOND)
    assert loop.Loop(alone=True)._work() < 3


@pytest.mark.django_db
def test_a_process_without_the_lease_writes_what_was_wanted(passes):
    passes.due = timezone.now() + SECOND
    loop.Loop(alone=True)._work()
    demand_notes.note_demand(plain_image().pk, "400x400", "")
    loop.Loop(alone=True)._work()
    assert Recomposition.objects.count() == 1


@pytest.mark.django_db
def test_a_database_in_trouble_is_tried_again_later(monkeypatch, caplog):
    def fail():
        raise DatabaseError("gone away")

    monkeypatch.setattr(PipelineState, "get_current", fail)
    assert loop.Loop(alone=True)._run_pass() == loop.ERROR_REST_SECONDS
    assert "gone away" in caplog.text


# The embedded thread


def test_nothing_runs_before_it_is_needed():
    assert not embedded_thread.embedded_thread.is_alive
    assert not [each for each in threading.enumerate() if each.name.startswith("smart-resize")]


def test_the_thread_is_a_daemon_starts_once_and_starts_again_after_its_end(monkeypatch):
    started = []

    def run(self):
        started.append(threading.current_thread())
        self.stopped.wait()

    monkeypatch.setattr(loop.Loop, "run", run)
    thread = embedded_thread.EmbeddedThread()
    thread.wake()
    thread.wake()
    assert thread.stop(TIMEOUT_SECONDS)
    thread.wake()
    assert thread.stop(TIMEOUT_SECONDS)
    assert len(started) == 2
    assert all(each.daemon for each in started)


def test_the_end_of_the_process_waits_for_seconds_only(monkeypatch, caplog):
    hanging = threading.Event()
    monkeypatch.setattr(loop.Loop, "run", lambda self: hanging.wait())
    monkeypatch.setattr(embedded_thread, "SHUTDOWN_SECONDS", 0.1)
    thread = embedded_thread.EmbeddedThread()
    thread.wake()
    thread.leave()
    assert thread.is_alive
    assert "in the middle of a step" in caplog.text
    hanging.set()
    assert thread.stop(TIMEOUT_SECONDS)


# The chain of ticks


@pytest.mark.django_db
def test_a_tick_enqueues_the_next_and_no_second_chain_starts(passes, ticks):
    passes.due = timezone.now() + 3 * SECOND
    task_chain.run_tick()
    task_chain.run_tick()
    task_chain.start()
    assert len(passes) == 1
    [(when, lease, extra)] = ticks
    assert (when, extra) == (passes.due, False)
    task_chain.run_tick(lease)
    assert len(passes) == 2


@pytest.mark.django_db
def test_chains_that_were_started_one_after_another_leave_one(passes, ticks):
    passes.due = timezone.now() + HOUR
    for _ in range(5):
        task_chain.run_tick()
    assert len(passes) == len(ticks) == 5
    for _when, lease, _extra in list(ticks):
        task_chain.run_tick(lease)
    assert len(passes) == len(ticks) == 6


@pytest.mark.django_db
def test_the_chain_ends_where_nothing_is_to_come(passes, ticks):
    task_chain.run_tick()
    assert (len(passes), ticks) == (1, [])
    task_chain.start()
    assert ticks == [(None, "", False)]


@pytest.mark.django_db
def test_a_chain_that_died_is_followed_by_another_and_its_lost_tick_ends(
    passes, ticks, monkeypatch
):
    passes.due = timezone.now() + SECOND
    task_chain.run_tick()
    lost = ticks.pop()[1]
    later = timezone.now() + dt.timedelta(seconds=20)
    monkeypatch.setattr(loop.clock, "now", lambda: later)
    task_chain.start_if_due()
    assert ticks == [(None, "", False)]
    task_chain.run_tick()
    task_chain.run_tick(lost)
    assert len(passes) == 2


@pytest.mark.django_db
def test_a_check_starts_no_chain_for_what_is_to_come_later(passes, ticks):
    passes.due = timezone.now() + HOUR
    task_chain.start_if_due()
    passes.due = None
    task_chain.start_if_due()
    assert ticks == []
    passes.due = timezone.now() - SECOND
    task_chain.start_if_due()
    assert len(ticks) == 1


@pytest.mark.django_db
def test_what_stays_due_makes_no_more_than_a_tick_a_second(passes, ticks):
    passes.due = timezone.now() - HOUR
    task_chain.run_tick()
    assert ticks[0][0] >= timezone.now() + 0.9 * SECOND


@pytest.mark.django_db
def test_a_pass_that_fails_is_made_again(ticks, monkeypatch, caplog):
    def fail(*args):
        raise DatabaseError("gone away")

    monkeypatch.setattr(loop, "work_once", fail)
    monkeypatch.setattr(loop, "next_pass_at", lambda state: timezone.now())
    task_chain.run_tick()
    assert len(ticks) == 1
    assert "gone away" in caplog.text


@pytest.mark.django_db
def test_a_long_tick_calls_for_help_once_and_ends_in_time(ticks, monkeypatch):
    shift = task_chain._TickTimer()
    assert shift()
    assert ticks == []
    shift._began -= task_chain.HELP_AFTER_SECONDS + 1
    assert shift()
    assert shift()
    assert ticks == [(None, "", True)]
    shift._began -= loop.PASS_SECONDS
    assert not shift()


@pytest.mark.django_db
def test_an_extra_tick_makes_a_pass_beside_the_chain_and_enqueues_nothing(ticks, monkeypatch):
    made = []
    monkeypatch.setattr(
        "wagtail_smart_resize.purchasing.passes.run_pass", lambda **options: made.append(options)
    )
    PipelineState.get_current().take_lease(timezone.now(), HOUR)
    task_chain.run_tick(extra=True)
    assert (len(made), ticks) == (1, [])


# Several jobs at once


def test_jobs_run_on_daemon_threads_and_one_failure_stops_no_other(caplog):
    ran = []

    def job():
        ran.append(threading.current_thread())
        if len(ran) == 2:
            raise ValueError("unlucky")

    results = ThreadPool(4).run_jobs([job] * 9, lambda: True)
    assert sorted(results) == [False] + [True] * 8
    assert all(thread.daemon and thread.name.startswith("smart-resize-") for thread in ran)
    assert "unlucky" in caplog.text


def test_one_worker_is_the_calling_thread():
    ran = []
    assert ThreadPool(1).run_jobs(
        [lambda: ran.append(threading.current_thread())] * 3, lambda: True
    )
    assert set(ran) == {threading.current_thread()}


def test_jobs_that_are_not_begun_in_time_are_left():
    ran = []
    ThreadPool(1).run_jobs([lambda: ran.append(1)] * 9, lambda: len(ran) < 2)
    assert len(ran) == 2


def test_a_job_that_waits_for_the_gateway_keeps_nobody_else_waiting(monkeypatch):
    answer, told = threading.Event(), threading.Event()
    crew = ThreadPool(2, patience=0.0, finished=told.set)
    assert crew.run_jobs([answer.wait] * 2, lambda: True) == []
    with monkeypatch.context() as patch:
        patch.setattr(crew, "_patience", TIMEOUT_SECONDS)
        assert crew.run_jobs([lambda: None], lambda: True) == [True]
    assert not told.is_set()
    answer.set()
    assert told.wait(TIMEOUT_SECONDS)
    crew.wait()


def test_jobs_left_before_their_thread_came_to_run_tell_when_they_end(monkeypatch):
    """The machine was busy: what is short by itself was not waited for, and ends later."""
    may_run, told = threading.Event(), threading.Event()
    work_apart = ThreadPool._run_worker

    def started_late(self, heap):
        assert may_run.wait(TIMEOUT_SECONDS)
        work_apart(self, heap)

    monkeypatch.setattr(ThreadPool, "_run_worker", started_late)
    crew = ThreadPool(2, patience=0.2, finished=told.set)
    assert crew.run_jobs([lambda: None], lambda: True) == []
    may_run.set()
    assert told.wait(TIMEOUT_SECONDS)
    crew.wait()


# Requests under way


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"environ": {"PATH_INFO": "/admin/pages/1/edit/preview/"}}, True),
        ({"environ": {"PATH_INFO": "/de/admin/pages/"}}, True),
        ({"environ": {"PATH_INFO": "/administration/"}}, False),
        ({"environ": {"PATH_INFO": "/"}}, False),
        ({"scope": {"path": "/admin/"}}, True),
        ({"scope": {"path": "/below/admin/", "root_path": "/below"}}, True),
        ({"scope": {"path": "/about-us/"}}, False),
        ({}, False),
    ],
)
@pytest.mark.django_db
def test_requests_to_the_admin_are_known_by_their_path(told, expected):
    request_started.send(sender=None, **told)
    assert request_tracking.in_admin() is expected
    request_finished.send(sender=None)
    assert request_tracking.in_admin() is False


def tell_where_we_are(request):
    return HttpResponse(f"{request_tracking.in_admin()} {request_tracking.has_answered()}")


urlpatterns = [
    path("admin/telling/", tell_where_we_are),
    path("admin/", include("wagtail.admin.urls")),
    path("telling/", tell_where_we_are),
]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("url", "expected"), [("/admin/telling/", "True True"), ("/telling/", "False True")]
)
def test_under_asgi_too_a_request_is_known_from_its_beginning_to_its_end(settings, url, expected):
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = []

    async def ask():
        scope = {"type": "http", "method": "GET", "path": url, "headers": [], "query_string": b""}
        server = ApplicationCommunicator(ASGIHandler(), scope)
        await server.send_input({"type": "http.request", "body": b""})
        assert (await server.receive_output(TIMEOUT_SECONDS))["status"] == 200
        body = (await server.receive_output(TIMEOUT_SECONDS))["body"].decode()
        await server.wait(TIMEOUT_SECONDS)
        return body

    assert asyncio.run(ask()) == expected


def test_the_thread_ends_with_an_asgi_server_that_tells_of_its_shutdown(monkeypatch):
    ended = []
    monkeypatch.setattr(embedded_thread.embedded_thread, "leave", lambda: ended.append(True))

    async def live():
        server = ApplicationCommunicator(finish_at_shutdown(ASGIHandler()), {"type": "lifespan"})
        await server.send_input({"type": "lifespan.startup"})
        assert await server.receive_output(TIMEOUT_SECONDS) == {"type": "lifespan.startup.complete"}
        assert not ended
        await server.send_input({"type": "lifespan.shutdown"})
        assert await server.receive_output(TIMEOUT_SECONDS) == {
            "type": "lifespan.shutdown.complete"
        }
        await server.wait(TIMEOUT_SECONDS)

    asyncio.run(live())
    assert ended == [True]


def test_an_asgi_module_may_wrap_its_application_before_django_is_set_up():
    code = "from wagtail_smart_resize.asgi import finish_at_shutdown; finish_at_shutdown(print)"
    subprocess.run([sys.executable, "-c", code], check=True)
