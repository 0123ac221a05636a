"""Each backend as docs/operations/running.md sets it up: its worker does the work, through kills
and restarts."""

import signal
from collections import Counter

import pytest
from support.waiting import TIMEOUT_SECONDS, until

from suites.servers.harness import free_port

pytestmark = pytest.mark.engines

CANDIDATES = "wagtail_smart_resize_candidate"


def roles(running):
    """Count the connections to the gateway by role since the last call."""
    connections = running.site.connections(running.gateway_port())
    (running.site.directory / "connections.log").unlink(missing_ok=True)
    return Counter(each.role for each in connections)


def bought_once(running):
    """Tell whether each request of the ledger was posted once; all must have ended well."""
    requests = running.site.requests()
    assert requests == [("done", "yes", "")] * len(requests)
    return len(requests) == len(running.gateway.requests)


def test_the_worker_does_all_the_work(running):
    running.serve()
    running.work()
    page = running.next_page()
    before = running.site.get(page)
    took = running.site.wait_until_recomposed(before, path=page)
    assert set(roles(running)) == {"worker"}
    assert bought_once(running)
    print(f"\nrecomposed after {took:.1f} s, of which the gateway took 2 s")


def test_what_was_wanted_while_no_worker_ran_is_done_when_one_starts(running):
    running.serve()
    page = running.next_page()
    before = running.site.get(page)
    running.work()
    running.site.wait_until_recomposed(before, path=page)
    assert bought_once(running)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "SIGKILL"])
def test_another_worker_finishes_what_one_left(running, number):
    running.serve()
    worker = running.work()
    page = running.next_page()
    posted = len(running.gateway.requests)
    before = running.site.get(page)
    until(lambda: len(running.gateway.requests) > posted, "it is submitted")
    until(lambda: "sent" in [row[0] for row in running.site.requests()], "its answer is stored")
    running.site.end(worker, number)
    if number == signal.SIGKILL:
        running.site.end_leases()
    running.work()
    # After a kill RQ's scheduler keeps its lock for a minute.
    running.site.wait_until_recomposed(before, TIMEOUT_SECONDS + 60, page)
    assert len(running.gateway.requests) == posted + 1
    assert bought_once(running)


def test_two_hosts_share_the_work(running, tmp_path):
    """The processes have their own directories for temporary files, and share storage and
    database."""
    # The gateway fetches the sources from the first host.
    ports = {"one": running.site.port, "two": free_port()}
    workers = {}
    for host, port in ports.items():
        own = tmp_path / host
        own.mkdir()
        running.serve(role=f"web {host}", port=port, TMPDIR=str(own))
        workers[f"worker {host}"] = running.work(role=f"worker {host}", TMPDIR=str(own))
    roles(running)
    all_live_on(running, ports)
    worked = set(roles(running))
    assert worked <= set(workers)
    if len(worked) == 1:
        # One worker was always the first to look: once it has ended the other must do the same
        # work.
        running.site.end(workers.pop(*worked))
        all_live_on(running, ports)
        assert set(roles(running)) == set(workers)
    assert bought_once(running)
    assert running.site.sql(f"SELECT count(*) FROM {CANDIDATES} WHERE NOT stored") == [(0,)]


def all_live_on(running, ports):
    """Want sixteen pictures on the first host, and wait until both hosts show them."""
    page = running.next_page(photos=8)
    before = running.site.get(page, ports["one"])
    assert len(before.pictures) == 16
    for port in ports.values():
        running.site.wait_until_recomposed(before, path=page, port=port)

    def both_show_the_same():
        one, two = (running.site.get(page, ports[host]).pictures for host in ("one", "two"))
        return one == two and not set(one) & set(before.pictures)

    # Each host has two web processes, and the second may learn of a flip up to two seconds later.
    until(both_show_the_same, "both hosts show the same", pause=0.1)
