"""The runners in real processes: web servers, workers, signals, and a slow or absent gateway.

Each test has a site of its own. `SERVERS_DIR` of its processes holds its database, media and logs.
"""

import itertools
import os
import signal
import socket
import statistics
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.waiting import until

from wagtail_smart_resize.sandbox import SandboxGateway

from .harness import ENGINES, Site, Template, connected, free_port, has_module

pytestmark = pytest.mark.servers

PHOTOS = 2
POLL_INTERVAL = 0.5


def needs(*modules):
    missing = [name for name in modules if not has_module(name)]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}: pip install wagtail-smart-resize[engines]")


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    needs("gunicorn")
    made = Template(tmp_path_factory.mktemp("template"), os.environ.get("DATABASE_URL", ""))
    yield made
    made.close()


@pytest.fixture
def gateway():
    with SandboxGateway(latency=1.0, slow=3.0) as running:
        yield running


@pytest.fixture
def make_site(template, tmp_path_factory):
    """Return a function that creates sites for a gateway's address; their processes end with the
    test."""
    sites = []

    def make(gateway_url, **environment):
        directory = tmp_path_factory.mktemp("site")
        site = Site(directory, template.copy(directory), gateway_url, **environment)
        sites.append(site)
        return site

    yield make
    for site in sites:
        site.close()


def port_of(gateway):
    return int(gateway.origin.rpartition(":")[2])


def in_flight(gateway):
    """Tell whether all requests are in flight: a status is asked for only once the answer is
    stored."""
    return len(set(gateway.polls)) == PHOTOS


def wait_until_in_flight(gateway):
    """Wait until the gateway needs nothing more from the site, from which it fetches sources."""
    until(lambda: in_flight(gateway), "all is in flight")
    gateway.settle()


def is_ours(connection):
    return connection.thread.startswith("smart-resize")


# The embedded thread


@pytest.mark.parametrize(
    ("engine", "number"),
    [
        *((engine, signal.SIGTERM) for engine in ENGINES),
        ("gunicorn sync", signal.SIGKILL),
        ("uvicorn", signal.SIGKILL),
    ],
)
def test_a_server_ended_in_the_middle_finishes_after_its_restart_without_another_post(
    make_site, engine, number
):
    needs(ENGINES[engine][0])
    with SandboxGateway(latency=5) as gateway:
        site = make_site(gateway.url)
        process = site.serve(engine)
        first = site.get()
        assert first.status == 200
        wait_until_in_flight(gateway)
        took = site.end(process, number)
        if number == signal.SIGKILL and engine != "gunicorn sync":
            site.end_leases()  # one engine shows how long they last
        site.serve(engine)
        assert site.get().pictures == first.pictures
        seconds = site.wait_until_recomposed(first)
        assert len(gateway.requests) == PHOTOS
        assert all(is_ours(each) for each in site.connections(port_of(gateway)))
        assert {row[:2] for row in site.requests()} == {("done", "yes")}
    print(f"\n{engine}: ended in {took:.1f} s, recomposed {seconds:.1f} s after the restart")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
@pytest.mark.parametrize("step", ["submit", "status", "download"])
@pytest.mark.parametrize("engine", ["gunicorn sync", "gunicorn gthread", "uvicorn"])
def test_what_is_under_way_is_settled_before_the_process_ends(
    make_site, gateway, engine, step, number
):
    needs(ENGINES[engine][0])
    gateway.misbehave("slow", where=step)
    site = make_site(gateway.url, SERVERS_RUNNER="off")
    site.serve("gunicorn sync")  # stays, for the gateway to fetch pictures from
    site.environment["SERVERS_RUNNER"] = "thread"
    other = free_port()
    process = site.serve(engine, port=other)
    first = site.get(port=other)
    reached = {
        "submit": lambda: gateway.requests,
        "status": lambda: gateway.polls,
        "download": lambda: "fetching" in [row[0] for row in site.requests()],
    }
    until(reached[step], f"the step {step} is under way")
    if number == signal.SIGINT:
        # A terminal sends it to all processes of the group.
        os.killpg(process.pid, number)
    took = site.end(process, number)
    sent = len(gateway.requests)
    statuses = [row[0] for row in site.requests()]
    assert "unknown" not in statuses
    if step == "submit":
        assert statuses[:sent] == ["sent"] * sent
    else:
        assert set(statuses[:sent]) <= {"sent", "fetching", "done"}
    assert "Traceback" not in site.log()
    gateway.behave()
    site.end_leases()
    site.serve(engine, port=other)
    site.get(port=other)
    site.wait_until_recomposed(first)
    assert len(gateway.requests) == PHOTOS
    print(f"\n{engine}, {step}, {number.name}: ended in {took:.1f} s, an answer takes 3 s")


def test_a_hanging_submission_does_not_hold_a_process_up(make_site, gateway):
    gateway.misbehave("hang", where="submit")
    site = make_site(gateway.url)
    process = site.serve("gunicorn sync")
    site.get()
    until(lambda: gateway.requests, "it is submitted")
    site.end(process)
    # The process has not waited for the client's timeout.
    assert "sending" in [row[0] for row in site.requests()]


def test_a_submission_killed_in_the_middle_is_unknown_and_never_repeated(make_site, gateway):
    gateway.misbehave("slow", times=1, where="submit")
    site = make_site(gateway.url)
    process = site.serve("gunicorn sync")
    first = site.get("/pictures/?photo=1&spec=smartresize-1200x630")
    until(lambda: gateway.requests, "it is submitted")
    site.end(process, signal.SIGKILL)
    assert [row[0] for row in site.requests()] == ["sending"]
    site.end_leases()
    site.serve("gunicorn sync")
    site.get()
    until(lambda: sorted(row[0] for row in site.requests())[-1] == "unknown", "it is unknown")
    until(lambda: [row[0] for row in site.requests()].count("done") == 2, "the others are done")
    again = site.get("/pictures/?photo=1&spec=smartresize-1200x630")
    assert again.pictures == first.pictures
    asked = [tuple(body["target_sizes"]) for body in gateway.requests]
    assert len(asked) == len(site.requests()) == 3
    assert site.requests()[0] == ("unknown", "unknown", "unknown")


def test_processes_of_one_site_ask_for_the_status_once_per_interval(make_site):
    with SandboxGateway(latency=60) as gateway:
        site = make_site(gateway.url)
        site.serve("gunicorn preload", "--workers=4")
        ask_all_workers(site, 4)
        until(lambda: in_flight(gateway), "all is in flight")
        began, before = time.monotonic(), len(gateway.polls)
        until(lambda: len(gateway.polls) >= before + 10 * PHOTOS, "each was asked for ten times")
        polls = len(gateway.polls) - before
        seconds = time.monotonic() - began
    most = PHOTOS * (seconds / POLL_INTERVAL + 1)
    print(f"\n{polls} questions in {seconds:.1f} s for {PHOTOS} requests, at most {most:.0f}")
    assert polls <= most


def ask_all_workers(site, count):
    """View the page for the first time in `count` processes at the same moment."""
    with ThreadPoolExecutor(count) as pool:
        paths = [f"/pictures/?together={count}"] * count
        answers = list(pool.map(site.get, paths))
    assert {answer.status for answer in answers} == {200}
    assert len({answer.process for answer in answers}) == count


def test_ten_processes_rendering_a_page_at_the_same_moment_send_one_post_per_image(
    make_site, gateway
):
    site = make_site(gateway.url)
    site.serve("gunicorn preload", "--workers=10")
    ask_all_workers(site, 10)
    until(lambda: {row[0] for row in site.requests()} == {"done"}, "all is done")
    time.sleep(3)
    assert len(gateway.requests) == PHOTOS
    assert all(len(body["target_sizes"]) == 2 for body in gateway.requests)


def test_hot_processes_serve_what_a_third_makes_live(make_site, gateway):
    site = make_site(gateway.url, SERVERS_RUNNER="off")
    other = free_port()
    for port in (site.port, other):
        site.serve("gunicorn sync", "--workers=1", port=port)
    first = site.get()
    for port in (site.port, other):
        assert site.get(port=port).pictures == first.pictures
    worker = site.start("suites.servers.worker", role="worker", stdout=subprocess.PIPE, text=True)
    asked = {site.port: 0.0, other: 0.0}
    waiting = set(asked)

    def all_new():
        for port in list(waiting):
            began = time.time()
            if set(first.pictures) & set(site.get(port=port).pictures):
                asked[port] = began
            else:
                waiting.remove(port)
        return not waiting

    until(all_new, "both show the new pictures", pause=0.1)
    flipped = max(float(worker.stdout.readline()) for _ in range(PHOTOS))
    delays = [last_old - flipped for last_old in asked.values()]
    print(f"\nold at most until {max(delays):.1f} s after the last flip")


# The chain of ticks


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "SIGKILL"])
def test_a_tasks_worker_ended_in_the_middle_finishes_after_its_restart(make_site, number):
    needs("django_tasks_db")
    with SandboxGateway(latency=5) as gateway:
        site = make_site(gateway.url, SERVERS_TASKS="database")
        site.serve("gunicorn sync")
        worker = site.work_on_tasks()
        first = site.get()
        wait_until_in_flight(gateway)
        site.end(worker, number)
        if number == signal.SIGKILL:
            site.end_leases()
        site.work_on_tasks()
        seconds = site.wait_until_recomposed(first)
        assert len(gateway.requests) == PHOTOS
        connections = site.connections(port_of(gateway))
        assert {each.role for each in connections} == {"worker"}
    assert waiting_ticks(site) <= 1
    print(f"\nrecomposed {seconds:.1f} s after the worker's restart")


def waiting_ticks(site):
    ready = "SELECT count(*) FROM django_tasks_database_dbtaskresult WHERE status = 'READY'"
    return site.sql(ready)[0][0]


def test_a_backend_that_runs_tasks_inline_leaves_them_to_the_thread(make_site, gateway):
    site = make_site(gateway.url, SERVERS_RUNNER="tasks")
    site.serve("gunicorn gthread")
    first = site.get()
    site.wait_until_recomposed(first)
    connections = site.connections(port_of(gateway))
    assert connections
    assert all(is_ours(each) for each in connections)


# A gateway that is absent or hangs


@pytest.mark.parametrize("runner", ["thread", "tasks"])
def test_the_first_view_takes_as_long_as_fill_whatever_the_gateway_does(make_site, gateway, runner):
    gateway.misbehave("hang", where="submit")
    dead_port = free_port()
    hanging = make_site(gateway.url, SERVERS_RUNNER=runner)
    dead = make_site(f"http://127.0.0.1:{dead_port}/v1", SERVERS_RUNNER=runner)
    for site in (hanging, dead):
        site.serve("gunicorn sync", "--workers=1")
        site.get("/pictures/?spec=fill-20x20")
    cases = {
        "fill": (dead, "fill"),
        "dead": (dead, "smartresize"),
        "hanging": (hanging, "smartresize"),
    }
    seconds = {name: [] for name in cases}
    for width, (name, (site, filter_name)) in itertools.product(range(300, 312), cases.items()):
        began = time.monotonic()
        answer = site.get(f"/pictures/?photo=1&spec={filter_name}-{width}x300")
        seconds[name].append(time.monotonic() - began)
        assert answer.status == 200
    medians = {name: statistics.median(each) * 1000 for name, each in seconds.items()}
    print(f"\n{runner}: " + ", ".join(f"{name} {ms:.0f} ms" for name, ms in medians.items()))
    for site, port in ((hanging, port_of(gateway)), (dead, dead_port)):
        connections = until(lambda site=site, port=port: site.connections(port), "somebody calls")
        assert all(is_ours(each) for each in connections)


# Databases


@pytest.mark.parametrize("mode", ["", "IMMEDIATE"], ids=["unset", "IMMEDIATE"])
@pytest.mark.parametrize("runner", ["thread", "off", "tasks"])
def test_no_first_view_fails_while_a_runner_writes_to_sqlite(make_site, gateway, mode, runner):
    """Nor because a process writes what is wanted after its response, whoever does the work."""
    named = {"SERVERS_RUNNER": runner, "SERVERS_TASKS": "database" if runner == "tasks" else ""}
    site = make_site(gateway.url, SERVERS_ATOMIC="1", SERVERS_TRANSACTION_MODE=mode, **named)
    if not site.environment["SERVERS_DATABASE"].startswith("sqlite"):
        pytest.skip("is about SQLite: run it without DATABASE_URL")
    site.serve("gunicorn gthread")
    if runner == "off":
        site.start("django", "smart_resize_worker", role="worker")
    elif runner == "tasks":
        site.work_on_tasks()
    at_once = 4
    # New shapes all the time, so that the thread always has something to write.
    widths = itertools.count(300, 6)
    ends = time.monotonic() + 10

    def view_pages(_number):
        answers = []
        while time.monotonic() < ends:
            specs = [f"spec=smartresize-{next(widths)}x400" for _ in range(2)]
            answers.append(site.get("/pictures/?" + "&".join(specs)))
        return answers

    with ThreadPoolExecutor(at_once) as pool:
        answers = [answer for found in pool.map(view_pages, range(at_once)) for answer in found]
    failed = sum(answer.status != 200 for answer in answers)
    print(f"\n{runner}, {mode or 'unset'}: {failed} of {len(answers)} first views failed")
    assert failed == 0
    until(lambda: ("done", "yes", "") in site.requests(), "something is done")


def test_an_idle_thread_holds_no_connection_to_the_database(make_site, gateway):
    site = make_site(gateway.url)
    database = site.environment["SERVERS_DATABASE"]
    if not database.startswith("postgres"):
        pytest.skip("counts PostgreSQL's connections: set DATABASE_URL=postgres://...")
    site.serve("gunicorn preload", "--workers=4")
    ask_all_workers(site, 4)
    until(lambda: {row[0] for row in site.requests()} == {"done"}, "all is done")
    counted = []

    def none_is_open():
        with connected(database) as connection:
            row = connection.execute(
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            ).fetchone()
        counted.append(row[0])
        return row[0] == 0

    until(none_is_open, "no connection is open", pause=0.5)
    time.sleep(3)
    assert none_is_open()
    print(f"\nopen connections, every half second: {counted}")


def test_a_server_that_never_answered_a_request_has_no_thread_and_no_connection(make_site):
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        site = make_site(f"http://127.0.0.1:{nobody.getsockname()[1]}/v1")
        process = site.serve("gunicorn preload")
        time.sleep(1)
        children = subprocess.run(
            ["ps", "-o", "nlwp=", "--ppid", str(process.pid)], capture_output=True, check=True
        )
    assert {int(count) for count in children.stdout.split()} == {1}
