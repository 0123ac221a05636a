"""A raised budget, a renewed key and a lifted stop: how soon each runner sends the next request.

A limit and a key are settings, so processes are started anew with them, as a deploy does.
"""

import itertools
import time

import pytest
from support.waiting import until

from wagtail_smart_resize.sandbox import SandboxGateway

from .harness import ENGINES, has_module
from .test_servers import make_site, needs, template

__all__ = ["make_site", "template"]

pytestmark = pytest.mark.servers

#: Seconds within which the docs promise that it is noticed; a process needs a few to start.
PROMISED, STARTING = 60, 30
#: Seconds between two runs of cron: its shortest interval.
CRON_INTERVAL = 60

RUNNERS = ["thread, gunicorn", "thread, uvicorn", "tasks", "worker", "cron"]


class Runner:
    """A site with its web processes, and what does the work of the pipeline."""

    def __init__(self, name, make_site, gateway):
        self.name = name
        kind = name.partition(",")[0]
        environment = {
            "thread": {"SERVERS_RUNNER": "thread"},
            "tasks": {"SERVERS_TASKS": "database"},
        }.get(kind, {"SERVERS_RUNNER": "off"})
        self.site = make_site(gateway.url, **environment)
        self._engine = "uvicorn" if name.endswith("uvicorn") else "gunicorn sync"
        self._kind = kind
        self._processes = []
        self._shapes = itertools.count(300, 40)

    def start(self, **environment):
        """Start all processes, as a deploy with these settings does, and have a page visited."""
        self.site.environment.update(environment)
        self._processes.append(self.site.serve(self._engine))
        if self._kind == "tasks":
            self._processes.append(self.site.work_on_tasks())
        elif self._kind == "worker":
            self._processes.append(self.site.start("django", "smart_resize_worker", role="worker"))
        self.site.get("/pictures/?photo=1&spec=fill-50x50")

    def end(self):
        for process in reversed(self._processes):
            self.site.end(process)
        self._processes.clear()

    def want(self):
        """Show a shape that no page has shown."""
        spec = f"smartresize-{next(self._shapes)}x300"
        assert self.site.get(f"/pictures/?photo=1&spec={spec}").status == 200

    def wait_for(self, fact, what, seconds):
        """Wait for what the runner does; cron's runs are made here."""
        if self._kind != "cron":
            return until(fact, f"{self.name}: {what}", seconds=seconds, pause=0.2)
        ends = time.monotonic() + seconds
        while not fact():
            assert time.monotonic() < ends, f"{self.name}: waited in vain until {what}"
            began = time.monotonic()
            self.run("smart_resize_sync", "--wait", "--timeout", "20")
            next_run = began + CRON_INTERVAL
            while time.monotonic() < next_run and not fact():
                time.sleep(0.2)
        return True

    def run(self, *command):
        self.site.start("django", *command, role="command").wait()


def waits(runner, reason):
    rows = runner.site.sql(
        "SELECT count(*) FROM wagtail_smart_resize_recomposition "
        f"WHERE purchase = 'wanted' AND waiting_reason = '{reason}'"
    )
    return rows[0][0] == 1


def is_open(runner):
    state = "SELECT circuit_opened_at FROM wagtail_smart_resize_pipelinestate"
    return runner.site.sql(state)[0][0] is not None


def seconds_until_sent(runner, gateway, act):
    """Return the seconds from the end of an act until the gateway has a request more."""
    sent = len(gateway.requests)
    act()
    began = time.monotonic()
    seconds = PROMISED + STARTING + (CRON_INTERVAL if runner.name == "cron" else 0)
    runner.wait_for(lambda: len(gateway.requests) > sent, "a request is sent", seconds)
    return time.monotonic() - began


@pytest.mark.parametrize("name", RUNNERS)
def test_it_is_noticed_within_a_minute(make_site, name):
    needs(ENGINES["uvicorn" if name.endswith("uvicorn") else "gunicorn sync"][0])
    if name == "tasks" and not has_module("django_tasks_db"):
        needs("django_tasks_db")
    took = {}
    with SandboxGateway(latency=0.2) as gateway:
        runner = Runner(name, make_site, gateway)

        runner.start(SERVERS_DAILY_LIMIT="0")
        runner.want()
        runner.wait_for(lambda: waits(runner, "budget"), "it waits for the budget", 60)
        runner.end()
        took["a raised budget"] = seconds_until_sent(
            runner, gateway, lambda: runner.start(SERVERS_DAILY_LIMIT="100")
        )
        runner.end()

        runner.start(SERVERS_KEY="withdrawn")
        runner.want()
        runner.wait_for(lambda: is_open(runner), "the circuit is open", 60)
        runner.end()
        took["a renewed key"] = seconds_until_sent(
            runner, gateway, lambda: runner.start(SERVERS_KEY="sandbox-key")
        )

        runner.run("smart_resize_buying", "stop")
        runner.want()
        time.sleep(5)
        took["a lifted stop"] = seconds_until_sent(
            runner, gateway, lambda: runner.run("smart_resize_buying", "resume")
        )
        runner.end()
    told = ", ".join(f"{what}: {seconds:.1f} s" for what, seconds in took.items())
    print(f"\n{name}: {told}")
