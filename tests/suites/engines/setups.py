"""The backends that docs/operations/running.md names, each with a site that runs on it."""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from support.waiting import until

from suites.servers.harness import Site, answers, free_port, has_module

from . import documented


class Engine(NamedTuple):
    heading: str
    """The heading in docs/operations/running.md."""
    index: int
    """The index of the set-up below that heading."""
    modules: list[str]
    settings: str = "suites.engines.settings"
    redis: bool = False

    def missing(self) -> list[str]:
        """Return the required modules that are not installed."""
        return [module for module in ["gunicorn", *self.modules] if not has_module(module)]

    def worker(self, redis_port: int | None = None) -> documented.Worker:
        """Return the documented worker, but with a Redis at this port."""
        worker = documented.workers(self.heading)[self.index]
        if redis_port is None:
            return worker
        return worker._replace(settings=worker.settings.replace("6379", str(redis_port)))


ENGINES = {
    "django-tasks-db": Engine("django-tasks-db", 0, ["django_tasks_db"]),
    "django-tasks-db of its own": Engine("django-tasks-db", 1, ["django_tasks_db"]),
    "RQ": Engine("RQ", 0, ["django_tasks_rq"], redis=True),
    "Celery": Engine(
        "Celery", 0, ["django_tasks_celery"], settings="suites.engines.project.settings", redis=True
    ),
}


@contextlib.contextmanager
def filled_site(
    directory: Path,
    database: str,
    gateway: str,
    photos: int,
    *,
    settings: str = "",
    module: str = "suites.engines.settings",
    photographs: bool = False,
    **environment: str,
) -> Iterator[Site]:
    """Create a site with this many photos, whose settings end with these lines of Python.

    The photos are of one colour, or real `photographs`, which take as long as those to encode.
    """
    file = directory / "documented.py"
    file.write_text(settings)
    named = {"DJANGO_SETTINGS_MODULE": module, "ENGINES_DOCUMENTED": str(file)}
    with contextlib.closing(Site(directory, database, gateway, **named, **environment)) as site:
        kind = ["photographs"] if photographs else []
        filling = site.start("suites.engines.fill", str(photos), *kind)
        assert filling.wait(400) == 0, site.log()
        yield site


@contextlib.contextmanager
def redis_server(directory: Path) -> Iterator[int]:
    """Run a Redis of our own and yield its port. Raises FileNotFoundError without redis-server."""
    program = shutil.which("redis-server")
    if not program:
        raise FileNotFoundError("there is no redis-server here")
    port = free_port()
    command = [program, "--port", str(port), "--save", "", "--dir", str(directory)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            until(lambda: answers(port), "Redis answers")
            yield port
        finally:
            process.terminate()
