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
from support.waiting import TIMEOUT_SECONDS, join, until

from wagtail_smart_resize import compat, tasks
from wagtail_smart_resize.asgi import finish_at_shutdown
from wagtail_smart_resize.models import PipelineState, Recomposition
from wagtail_smart_resize.purchasing import under_way
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
    """Record how often the embedded thread is woken, and don't start it."""
    calls = []
    monkeypatch.setattr(embedded_thread.embedded_thread, "wake", lambda: calls.append("thread"))
    return calls


@pytest.fixture
def ticks(monkeypatch):
    """The times for which ticks were enqueued."""
    enqueued = []
    monkeypatch.setattr(task_chain, "enqueue_tick", enqueued.append)
    return enqueued


@pytest.fixture
def passes(monkeypatch, frozen_time):
    """The passes that were made, in place of real ones; `passes.due` is what they return."""

    class Passes(list):
        due = timezone.now() + HOUR

    made = Passes()
    monkeypatch.setattr(loop, "close_old_connections", lambda: None)  # the test's own

    def work_once(state, go_on=None, pool=None, **_others):
        made.append(state)
        return loop.Work(0, made.due)

    monkeypatch.setattr(loop, "work_once", work_once)
    monkeypatch.setattr(loop, "next_due_at", lambda state: made.due)
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
    monkeypatch.setattr(modes.request_tracking, "has_answered", lambda: True)
    monkeypatch.setattr(embedded_thread.embedded_thread, "wake", fail)
    with transaction.atomic():
        modes.wake()
    assert "can't start new thread" in caplog.text


@pytest.mark.django_db
def test_a_backend_out_of_order_is_a_log_line(monkeypatch, caplog):
    def fail(*args, **kwargs):
        raise ConnectionError("no broker")

    monkeypatch.setattr(type(tasks.tick), "enqueue", fail)
    task_chain.start(timezone.now())
    assert "no broker" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_a_backend_that_runs_inline_gets_no_pass_out_of_a_request(woken, passes):
    task_chain.start(timezone.now())
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

    monkeypatch.setattr(request_tracking, "has_answered", lambda: True)
    runner("thread")
    monkeypatch.setattr(embedded_thread.embedded_thread, "wake", fail)
    demand_notes.note_demand(plain_image().pk, "400x400", "")
    end_a_request(monkeypatch)
    assert "no threads here" in caplog.text


# The loop


@pytest.fixture
def tick_on(monkeypatch):
    """Let time pass."""

    def tick_on(time):
        later = timezone.now() + time
        monkeypatch.setattr(timezone, "now", lambda: later)

    return tick_on


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
    """Count the passes of a loop until it has rested for a second, which takes no time."""
    monkeypatch.setattr(loop.connections, "close_all", lambda: None)  # the test's own

    def count(made, waking):
        rests = []

        def rest(seconds):
            rests.append(seconds)
            if sum(rests) >= 1:
                made.stop()

        monkeypatch.setattr(made.stopped, "wait", rest)
        # Who is woken all the time waits for that no longer than for nothing.
        monkeypatch.setattr(made._woken, "wait", lambda seconds: waking or rest(seconds))
        made.run()
        return made.rounds

    return count


@pytest.mark.parametrize(
    ("seconds", "waking", "most"), [(30, False, 1), (30, True, 6), (0.001, True, 6)]
)
def test_the_loop_never_spins(rounds_in_a_second, seconds, waking, most):
    assert 1 <= rounds_in_a_second(Counting(seconds), waking) <= most


def test_what_stays_due_slows_the_loop_down():
    made = loop.Loop(alone=True)
    overdue = timezone.now() - SECOND
    waits = [made._seconds_until(overdue, 0) for _ in range(6)]
    assert waits == [0.2, 0.4, 0.8, 1.6, 2.5, 2.5]
    assert made._seconds_until(timezone.now() + HOUR, 0) > 3500
    assert made._seconds_until(overdue, 0) == 0.2


def test_what_a_pass_had_no_room_for_does_not_slow_the_loop_down():
    made = loop.Loop(alone=True)
    overdue = timezone.now() - SECOND
    # It starts again with the shortest rest once nothing more is done.
    waits = [made._seconds_until(overdue, steps) for steps in (40, 40, 0, 0, 1, 0, 0)]
    assert waits == [0, 0, 0.2, 0.4, 0, 0.2, 0.4]


@pytest.mark.django_db
def test_a_worker_goes_on_at_once_until_nothing_is_left(passes, monkeypatch):
    left = [40, 40, 3]

    def work_once(state, go_on=None, pool=None, **_others):
        steps = left.pop(0)
        return loop.Work(steps, timezone.now() + (dt.timedelta(0) if left else HOUR))

    monkeypatch.setattr(loop, "work_once", work_once)
    worker = loop.Loop(alone=False)
    rests = []
    monkeypatch.setattr(worker.stopped, "wait", rests.append)
    monkeypatch.setattr(worker._woken, "wait", lambda seconds: worker.stop())
    worker.run()
    assert (left, rests) == ([], [loop.REST_SECONDS])


@pytest.mark.django_db
def test_an_idle_site_has_its_next_pass_in_an_hour(monkeypatch):
    monkeypatch.setattr(loop, "close_old_connections", lambda: None)  # the test's own
    made = loop.Loop(alone=True)
    made._run_pass()
    assert made._run_pass() > 3500


@pytest.mark.django_db
def test_of_two_processes_one_works(passes, tick_on):
    passes.due = timezone.now() + SECOND
    first, second = loop.Loop(alone=True), loop.Loop(alone=True)
    assert first._run_pass() <= 1
    wait = second._run_pass()
    assert len(passes) == 1
    assert loop.FOLLOWER_REST_SECONDS <= wait <= loop.FOLLOWER_REST_SECONDS + 2
    tick_on(SECOND)
    first._run_pass()
    second._run_pass()
    assert len(passes) == 2


@pytest.mark.django_db
def test_a_dead_process_is_followed_within_a_minute(passes, tick_on, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(PipelineState, "end_pass", lambda *args: False)
        loop.Loop(alone=True)._run_pass()
    loop.Loop(alone=True)._run_pass()
    assert len(passes) == 1
    tick_on(dt.timedelta(seconds=20))
    loop.Loop(alone=True)._run_pass()
    assert len(passes) == 2


@pytest.mark.django_db
def test_who_was_woken_makes_the_pass_at_its_time(passes):
    loop.Loop(alone=True)._run_pass()
    PipelineState.bring_pass_forward(timezone.now() + 2 * SECOND)
    woken = loop.Loop(alone=True)
    woken.wake()
    assert 1 < woken._run_pass() <= 2
    assert len(passes) == 1


@pytest.mark.django_db
def test_what_came_during_a_pass_is_not_forgotten(passes, monkeypatch):
    def work_once(state, go_on=None, pool=None, **_others):
        PipelineState.bring_pass_forward(timezone.now() + 2 * SECOND)
        return loop.Work(0, passes.due)

    monkeypatch.setattr(loop, "work_once", work_once)
    assert loop.Loop(alone=True)._run_pass() < 3


@pytest.mark.django_db
def test_who_checks_finds_what_nobody_has_told_of(passes):
    loop.Loop(alone=True)._run_pass()
    passes.due = timezone.now() - SECOND
    made = loop.Loop(alone=True)
    made._run_pass()
    assert len(passes) == 1
    made.wake()
    made._run_pass()
    assert len(passes) == 2


@pytest.mark.django_db
def test_a_process_whose_turn_it_is_not_writes_what_was_wanted(passes):
    loop.Loop(alone=True)._run_pass()
    demand_notes.note_demand(plain_image().pk, "400x400", "")
    loop.Loop(alone=True)._run_pass()
    assert Recomposition.objects.count() == 1
    assert PipelineState.get_current().next_pass_at <= timezone.now() + 2 * SECOND


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


def test_the_end_of_the_process_waits_for_the_answer_to_a_request(monkeypatch, caplog):
    """What is cut off may have been bought: for that it waits longer than for anything else."""
    sending, answered, left = threading.Event(), threading.Event(), threading.Event()

    def run(self):
        with under_way.posts.one_more():
            sending.set()
            assert answered.wait(TIMEOUT_SECONDS)

    monkeypatch.setattr(loop.Loop, "run", run)
    monkeypatch.setattr(embedded_thread, "SHUTDOWN_SECONDS", 0.01)
    monkeypatch.setattr(embedded_thread, "ANSWER_SECONDS", TIMEOUT_SECONDS)
    thread = embedded_thread.EmbeddedThread()
    thread.wake()
    assert sending.wait(TIMEOUT_SECONDS)
    leaving = threading.Thread(target=lambda: (thread.leave(), left.set()))
    leaving.start()
    assert not left.is_set()
    answered.set()
    join(leaving)
    assert left.is_set()
    assert "being sent" not in caplog.text


def test_and_says_so_where_the_answer_does_not_come(monkeypatch, caplog):
    hanging = threading.Event()

    def run(self):
        with under_way.posts.one_more():
            hanging.wait()

    monkeypatch.setattr(loop.Loop, "run", run)
    monkeypatch.setattr(embedded_thread, "SHUTDOWN_SECONDS", 0.01)
    monkeypatch.setattr(embedded_thread, "ANSWER_SECONDS", 0.01)
    thread = embedded_thread.EmbeddedThread()
    thread.wake()
    until(lambda: not under_way.posts.wait(0), "a request is being sent")
    thread.leave()
    assert "it counts as unknown" in caplog.text
    hanging.set()
    assert thread.stop(TIMEOUT_SECONDS)


# The chain of ticks


def run_tick(when):
    task_chain.run_tick(when.isoformat())


@pytest.mark.django_db
def test_a_tick_enqueues_the_next_and_no_second_chain_starts(passes, ticks, tick_on):
    passes.due = timezone.now() + 3 * SECOND
    run_tick(timezone.now())
    run_tick(timezone.now())
    task_chain.start(passes.due + SECOND)
    assert (len(passes), ticks) == (1, [passes.due])
    tick_on(3 * SECOND)
    run_tick(ticks[0])
    assert len(passes) == 2


@pytest.mark.django_db
def test_chains_that_were_started_one_after_another_leave_one(passes, ticks, tick_on):
    for number in range(5):
        run_tick(timezone.now())
        task_chain.start(timezone.now() - number * SECOND)
    assert len(passes) == 5
    tick_on(HOUR)
    later = [when for when in ticks if when == passes.due]
    passes.due += HOUR
    for when in later:
        run_tick(when)
    assert (len(later), len(passes)) == (5, 6)
    assert ticks.count(passes.due) == 1


@pytest.mark.django_db
def test_what_was_just_wanted_gets_a_tick_before_those_that_are_appointed(passes, ticks):
    run_tick(timezone.now())
    soon = timezone.now() + 2 * SECOND
    task_chain.start(soon)
    task_chain.start(soon)
    assert ticks == [passes.due, soon]


@pytest.mark.django_db
def test_a_tick_that_comes_a_little_early_works_and_one_far_too_early_does_not(passes, ticks):
    soon, late = timezone.now() + 2 * SECOND, timezone.now() + HOUR
    task_chain.start(late)
    run_tick(late)
    assert len(passes) == 0
    task_chain.start(soon)
    run_tick(soon)
    assert len(passes) == 1


@pytest.mark.django_db
def test_a_lost_tick_is_replaced_and_ends_if_it_turns_up(passes, ticks, tick_on):
    passes.due = timezone.now() + SECOND
    run_tick(timezone.now())
    lost = ticks.pop()
    task_chain.restart_if_lost()
    assert ticks == []
    tick_on(20 * SECOND)
    passes.due = timezone.now() + HOUR
    task_chain.restart_if_lost()
    task_chain.restart_if_lost()
    (when,) = ticks
    run_tick(when)
    run_tick(lost)
    assert len(passes) == 2


@pytest.mark.django_db
def test_a_killed_worker_is_followed_by_another(passes, ticks, tick_on, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(PipelineState, "end_pass", lambda *args: False)
        run_tick(timezone.now())
    task_chain.restart_if_lost()
    assert ticks == []
    tick_on(20 * SECOND)
    task_chain.restart_if_lost()
    assert len(ticks) == 1


@pytest.mark.django_db
def test_a_check_starts_no_chain_for_what_is_to_come_later(passes, ticks):
    task_chain.restart_if_lost()
    run_tick(ticks.pop())
    assert ticks.pop() == passes.due
    task_chain.restart_if_lost()
    assert ticks == []
    passes.due = timezone.now() - SECOND  # by SQL, and nobody has told of it
    task_chain.restart_if_lost()
    assert len(ticks) == 1


@pytest.mark.django_db
def test_what_stays_due_makes_no_more_than_two_ticks_a_second(passes, ticks):
    passes.due = timezone.now() - HOUR
    run_tick(timezone.now())
    assert ticks[0] >= timezone.now() + 0.45 * SECOND


@pytest.mark.django_db
def test_a_pass_that_fails_is_made_again(ticks, monkeypatch, caplog):
    def fail(*args, **_others):
        raise DatabaseError("gone away")

    monkeypatch.setattr(loop, "work_once", fail)
    run_tick(timezone.now())
    assert len(ticks) == 1
    assert "gone away" in caplog.text


@pytest.mark.django_db
def test_a_long_tick_calls_for_help_once_and_ends_in_time(ticks):
    timer = task_chain._TickTimer()
    assert timer()
    assert ticks == []
    timer._began -= task_chain.HELP_AFTER_SECONDS + 1
    assert timer()
    assert timer()
    assert len(ticks) == 1
    timer._began -= loop.PASS_SECONDS
    assert not timer()


@pytest.mark.django_db
def test_who_is_called_for_help_goes_on_with_the_chain(passes, ticks, monkeypatch):
    def work_once(state, go_on):
        passes.append(state)
        if len(passes) == 1:
            task_chain.start(timezone.now())
            run_tick(ticks.pop())
        return loop.Work(0, passes.due)

    monkeypatch.setattr(loop, "work_once", work_once)
    run_tick(timezone.now())
    assert (len(passes), ticks) == (2, [passes.due])


# Several jobs at once


def test_jobs_run_on_daemon_threads_and_one_failure_stops_no_other(caplog):
    ran = []

    def job():
        ran.append(threading.current_thread())
        if len(ran) == 2:
            raise ValueError("unlucky")

    pool = ThreadPool(4, patience=TIMEOUT_SECONDS)
    results = pool.run_jobs([job] * 9, lambda: True)
    pool.close()
    assert sorted(results) == [False] + [True] * 8
    assert all(thread.daemon and thread.name.startswith("smart-resize-") for thread in ran)
    assert "unlucky" in caplog.text


def test_one_worker_is_the_calling_thread():
    ran = []
    assert ThreadPool(1).run_jobs(
        [lambda: ran.append(threading.current_thread())] * 3, lambda: True
    )
    assert set(ran) == {threading.current_thread()}


@pytest.mark.parametrize("workers", [1, 4])
def test_what_a_job_returns_is_done_before_what_waits(workers):
    ran = []

    def first():
        ran.append("first")
        return [lambda: ran.append("its own"), lambda: ran.append("its other")]

    pool = ThreadPool(workers)
    assert pool.run_jobs([first, lambda: ran.append("second")]) == [True] * 4
    assert sorted(ran) == ["first", "its other", "its own", "second"]
    if workers == 1:
        assert ran == ["first", "its own", "its other", "second"]
    pool.close()


def test_jobs_that_one_returns_are_shared_by_all_threads():
    meeting = threading.Barrier(3)

    def meet():
        meeting.wait(TIMEOUT_SECONDS)

    pool = ThreadPool(3)
    assert pool.run_jobs([lambda: [meet] * 3]) == [True] * 4
    pool.close()


def test_threads_serve_several_batches_and_end_when_told():
    seen = []
    pool = ThreadPool(2, patience=TIMEOUT_SECONDS)
    for _ in range(5):
        pool.run_jobs([lambda: seen.append(threading.current_thread())] * 2)
    assert len(set(seen)) <= 2
    pool.close()
    assert not any(thread.is_alive() for thread in seen)


def test_what_is_not_begun_any_more_leaves_no_thread_waiting():
    pool = ThreadPool(2)
    assert pool.run_jobs([lambda: None] * 3, lambda: False) == []
    pool.close()


def test_jobs_that_are_not_begun_in_time_are_left():
    ran = []
    ThreadPool(1).run_jobs([lambda: ran.append(1)] * 9, lambda: len(ran) < 2)
    assert len(ran) == 2


def test_a_job_that_waits_for_the_gateway_keeps_nobody_else_waiting(monkeypatch):
    answer, told = threading.Event(), threading.Event()
    pool = ThreadPool(2, patience=0.0, finished=told.set)
    assert pool.run_jobs([lambda: answer.wait() and None] * 2, lambda: True) == []
    with monkeypatch.context() as patch:
        patch.setattr(pool, "_patience", TIMEOUT_SECONDS)
        assert pool.run_jobs([lambda: None], lambda: True) == [True]
    assert not told.is_set()
    answer.set()
    assert told.wait(TIMEOUT_SECONDS)
    pool.close()


def test_jobs_left_before_their_thread_came_to_run_tell_when_they_end(monkeypatch):
    """The machine was busy: what is short by itself was not waited for, and ends later."""
    may_run, told = threading.Event(), threading.Event()
    work_apart = ThreadPool._run_worker

    def started_late(self):
        assert may_run.wait(TIMEOUT_SECONDS)
        work_apart(self)

    monkeypatch.setattr(ThreadPool, "_run_worker", started_late)
    pool = ThreadPool(2, patience=0.2, finished=told.set)
    assert pool.run_jobs([lambda: None], lambda: True) == []
    may_run.set()
    assert told.wait(TIMEOUT_SECONDS)
    pool.close()


# Requests under way


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"environ": {"PATH_INFO": "/admin/pages/1/edit/preview/"}}, True),
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
