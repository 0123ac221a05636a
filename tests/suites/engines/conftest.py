import contextlib
import subprocess
from collections.abc import Callable, Iterator

import pytest

from suites.races.databases import DATABASES
from suites.servers.harness import Site
from wagtail_smart_resize.sandbox import SandboxGateway

from . import documented
from .setups import ENGINES, filled_site, redis_server

#: One for each test of a set-up, and some for the last one, in which two hosts share the work.
PHOTOS = 24

SETUPS = [
    ("django-tasks-db", "SQLite"),
    ("django-tasks-db", "PostgreSQL"),
    ("django-tasks-db", "MariaDB"),
    ("django-tasks-db of its own", "SQLite"),
    ("RQ", "PostgreSQL"),
    ("Celery", "PostgreSQL"),
]


class Running:
    """A site, its gateway, and its processes."""

    def __init__(self, site: Site, gateway: SandboxGateway, worker: documented.Worker) -> None:
        self.site = site
        self.gateway = gateway
        self.worker = worker
        self._processes: list[subprocess.Popen] = []
        self._photo = 0

    def serve(self, role: str = "web", port: int = 0, **environment: str) -> None:
        with self.site.with_environment(environment):
            self._processes.append(self.site.serve("gunicorn sync", port=port, role=role))

    def work(self, role: str = "worker", **environment: str) -> subprocess.Popen:
        with self.site.with_environment(environment):
            process = self.site.start(*self.worker.command, role=role)
        self._processes.append(process)
        return process

    def next_page(self, photos: int = 1) -> str:
        """Return a page with photographs that have not been viewed yet."""
        first = self._photo + 1
        self._photo += photos
        numbers = range(first, self._photo + 1)
        query = "&".join(f"photo={number}" for number in numbers)
        return f"/pictures/?{query}&spec=smartresize-400x210&spec=smartresize-300x300"

    def gateway_port(self) -> int:
        return int(self.gateway.origin.rpartition(":")[2])

    def stop(self) -> None:
        """Stop the processes with SIGTERM: RQ's scheduler keeps its lock for a minute after a
        kill."""
        for process in reversed(self._processes):
            self.site.end(process)
        self._processes.clear()


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], int]]:
    """Return a function that starts a Redis of our own when its port is first asked for."""
    with contextlib.ExitStack() as stack:
        ports: list[int] = []

        def port() -> int:
            if not ports:
                server = redis_server(tmp_path_factory.mktemp("redis"))
                try:
                    ports.append(stack.enter_context(server))
                except FileNotFoundError as error:
                    pytest.skip(f"Redis: {error}")
            return ports[0]

        yield port


@pytest.fixture(scope="module", params=SETUPS, ids=" on ".join)
def setup(request, tmp_path_factory, redis) -> Iterator[Running]:
    name, database = request.param
    engine = ENGINES[name]
    if missing := engine.missing():
        pytest.skip(f"{name} needs {', '.join(missing)}: pip install wagtail-smart-resize[engines]")
    directory = tmp_path_factory.mktemp("site")
    worker = engine.worker(redis() if engine.redis else None)
    with (
        DATABASES[database](directory) as url,
        SandboxGateway(latency=2, slow=0, trickle=0) as gateway,
        filled_site(
            directory,
            url,
            gateway.url,
            PHOTOS,
            settings=worker.settings,
            module=engine.settings,
        ) as site,
    ):
        yield Running(site, gateway, worker)


@pytest.fixture
def running(setup: Running) -> Iterator[Running]:
    """Provide the site, of which only what the test starts runs."""
    yield setup
    setup.stop()
