"""Runs the site's processes: gunicorn, and those that fill the site, use it and read the result."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import requests
from support.paths import TESTS
from support.waiting import until

from suites.servers.harness import free_port

from .samples import Sample, Sampler

WORKERS = 2
GUNICORN = (
    "gunicorn",
    "suites.soak.wsgi:application",
    f"--workers={WORKERS}",
    "--worker-class=gthread",
    "--threads=4",
    # As behind a proxy: visitors who keep their connection find it open.
    "--keep-alive=75",
    "--timeout=120",
    "--log-level=warning",
)


class Site:
    def __init__(self, directory: Path, database: str, gateway: str) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.media = directory / "media"
        self._directory = directory
        self._log = (directory / "log").open("w+")
        self._bind = f"--bind=127.0.0.1:{port}"
        self._temporary = directory / "tmp"
        self._temporary.mkdir()
        self._processes: list[subprocess.Popen] = []
        self._environment = {
            **os.environ,
            "DATABASE_URL": database,
            "DJANGO_SETTINGS_MODULE": "suites.soak.settings",
            "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]),
            "SOAK_DIR": str(directory),
            "SOAK_GATEWAY": gateway,
            "SOAK_URL": self.url,
            "TMPDIR": str(self._temporary),
        }

    def start(self, *command: str, **options: Any) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            env=self._environment,
            cwd=self._directory,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
            **options,
        )
        self._processes.append(process)
        return process

    def run(self, *command: str) -> None:
        ended = self.start(*command).wait(300)
        assert ended == 0, self.log()[-8000:]

    def query(self, what: str) -> Any:
        """Return the result of a query of `facts`."""
        path = self._directory / "facts.json"
        self.run("suites.soak.facts", what, str(path))
        return json.loads(path.read_text())

    def close(self) -> None:
        for process in self._processes:
            # Kill the children too.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(40)
        self._log.close()

    def log(self) -> str:
        return (self._directory / "log").read_text()

    # The web server

    def serve(self) -> None:
        """Start the server; it answers when this returns."""
        self._server = self.start(*GUNICORN, self._bind)
        until(self.is_up, "the front page answers")

    def is_up(self) -> bool:
        """Tell whether the front page answers, as a visitor sees it."""
        assert self._server.poll() is None, self.log()
        with contextlib.suppress(requests.ConnectionError):
            return requests.get(self.url, timeout=300).status_code == 200
        return False

    def sampler(self, database: Any) -> Sampler:
        return Sampler(self._server.pid, WORKERS, self.url, database, self._temporary)

    def end(self) -> int:
        """End the server as a deploy does; return its exit status."""
        self._server.send_signal(signal.SIGTERM)
        return self._server.wait(60)

    # Load and probe

    def start_load(self, plan: dict[str, Any]) -> "PlannedProcess":
        return PlannedProcess(self, "load_generator", plan)

    def start_probe(self, plan: dict[str, Any]) -> "PlannedProcess":
        return PlannedProcess(self, "probe", plan)

    def path(self, name: str) -> Path:
        return self._directory / name


class PlannedProcess:
    """A process that reads a plan and writes its result at the end."""

    def __init__(self, site: Site, name: str, plan: dict[str, Any]) -> None:
        self._site = site
        paths = [site.path(f"{name}-{what}.json") for what in ("plan", "result")]
        self._result = paths[1]
        self._result.unlink(missing_ok=True)
        paths[0].write_text(json.dumps(plan))
        self._process = site.start(f"suites.soak.{name}", *map(str, paths), stdin=subprocess.PIPE)

    def is_running(self) -> bool:
        return self._process.poll() is None

    def result(self) -> Any:
        """Close its standard input, wait until it ends, and return its result."""
        self._process.stdin.close()
        assert self._process.wait(1200) == 0, self._site.log()[-8000:]
        return json.loads(self._result.read_text())


def take_samples(load: PlannedProcess, sampler: Sampler, pause: float, every: Any) -> list[Sample]:
    """Take samples while the load lasts; `every` is called with the seconds that have passed."""
    began, samples = time.monotonic(), []
    while load.is_running():
        samples.append(sampler.take())
        every(time.monotonic() - began)
        time.sleep(pause)
    return samples
