"""Starts, queries and ends server processes of the test site."""

import contextlib
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import dj_database_url
from support.paths import TESTS
from support.waiting import NEVER_SECONDS, TIMEOUT_SECONDS, until

from . import connection_log

#: Seconds until a worker that has locked itself is ended: far more than anything takes to settle.
STUCK_SECONDS = 60.0
TABLE = "wagtail_smart_resize_gatewayrequest"
VERSIONS = "wagtail_smart_resize_imageversion"

ENGINES = {
    "gunicorn sync": ["gunicorn", "suites.servers.wsgi:application", "--workers=2"],
    "gunicorn gthread": [
        "gunicorn",
        "suites.servers.wsgi:application",
        "--worker-class=gthread",
        "--threads=4",
    ],
    "gunicorn preload": ["gunicorn", "suites.servers.wsgi:application", "--workers=2", "--preload"],
    "uvicorn": ["uvicorn", "suites.servers.asgi:application"],
}


class Answer(NamedTuple):
    status: int
    text: str
    process: str

    @property
    def pictures(self) -> list[str]:
        """Return the addresses of all pictures, in order."""
        sets = re.findall(r'(?:src|srcset)="([^"]+)"', self.text)
        return [part.split()[0] for each in sets for part in each.split(", ")]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Site:
    """A site with a database and media of its own, and its processes."""

    def __init__(self, directory: Path, database: str, gateway: str, **environment: str) -> None:
        self.directory = directory
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._database = database
        self._processes: list[subprocess.Popen] = []
        self._ports: dict[int, int] = {}
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "suites.servers.settings",
            "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]),
            "SERVERS_DIR": str(directory),
            "SERVERS_DATABASE": database,
            "SERVERS_GATEWAY": gateway,
            "SERVERS_URL": self.url,
            # Settings create temporary directories, which are deleted with ours.
            "TMPDIR": str(directory),
            **environment,
        }

    # Processes

    def start(self, *command: str, role: str = "web", **options: Any) -> subprocess.Popen:
        """Start a process in its own group, in the site's environment."""
        with (self.directory / f"{role}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *command],
                env={**self.environment, connection_log.ROLE: role},
                cwd=self.directory,
                start_new_session=True,
                **{"stdout": log, "stderr": log, **options},
            )
        self._processes.append(process)
        return process

    @contextlib.contextmanager
    def with_environment(self, more: dict[str, str]) -> Iterator[None]:
        """Add variables to the environment of what is started within the block."""
        before = self.environment
        self.environment = {**before, **more}
        try:
            yield
        finally:
            self.environment = before

    def serve(self, engine: str, *more: str, port: int = 0, role: str = "web") -> subprocess.Popen:
        """Start a web server of this engine; it answers when this returns."""
        command = [*ENGINES[engine], *more]
        port = port or self.port
        if command[0] == "gunicorn":
            command += [f"--bind=127.0.0.1:{port}", "--log-level=warning", "--timeout=60"]
            # Its master must not kill workers: each must end by itself. But one with threads may
            # lock itself when it is told to quit twice, as by Ctrl-C in a terminal: the second
            # signal's handler waits for a lock that the first one's holds. Its master ends that.
            seconds = STUCK_SECONDS if "--worker-class=gthread" in command else NEVER_SECONDS
            command += [f"--graceful-timeout={seconds:.0f}"]
        else:
            command += [f"--port={port}", "--log-level=warning"]
        process = self.start(*command, role=role)
        self._ports[process.pid] = port
        until(lambda: answers(port) or process.poll() is not None, f"{engine} answers", pause=0.05)
        assert process.poll() is None, self.log()
        return process

    def work_on_tasks(self) -> subprocess.Popen:
        """Start a worker of django-tasks-db."""
        options = ("db_worker", "--interval=0.2", "--no-startup-delay")
        return self.start("django", *options, role="worker")

    def end(self, process: subprocess.Popen, number: int = signal.SIGTERM) -> float:
        """End a process (SIGKILL: and all its children); return the seconds it took."""
        began = time.monotonic()
        with contextlib.suppress(ProcessLookupError):
            if number == signal.SIGKILL:
                os.killpg(process.pid, number)
            else:
                process.send_signal(number)
        process.wait(TIMEOUT_SECONDS)
        took = time.monotonic() - began
        if process.stdout:
            process.stdout.close()
        if port := self._ports.pop(process.pid, 0):
            # Its children may end a moment later, and accept connections until then.
            until(lambda: not answers(port), "nobody answers any more")
        return took

    def close(self) -> None:
        for process in self._processes:
            self.end(process, signal.SIGKILL)

    # Pages

    def get(self, path: str = "/pictures/", port: int = 0) -> Answer:
        url = f"http://127.0.0.1:{port or self.port}{path}"
        try:
            with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as response:
                text = response.read().decode()
                return Answer(response.status, text, response.headers.get("X-Process", ""))
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, "", "")

    def wait_until_recomposed(
        self,
        before: Answer,
        seconds: float = TIMEOUT_SECONDS,
        path: str = "/pictures/",
        port: int = 0,
    ) -> float:
        """Request the page until no picture is what it was before; return the seconds."""
        began = time.monotonic()
        shown = set(before.pictures)
        assert shown

        def is_recomposed() -> bool:
            answer = self.get(path, port)
            assert answer.status == 200, f"a visitor got status {answer.status}"
            return not shown & set(answer.pictures)

        try:
            until(is_recomposed, "all is recomposed", seconds=seconds, pause=0.2)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.requests()}\n{self.log()}") from None
        return time.monotonic() - began

    def log(self) -> str:
        return "\n".join(path.read_text()[-6000:] for path in self.directory.glob("*.log"))

    def connections(self, gateway_port: int) -> list[connection_log.Connection]:
        """Return the connections to the gateway."""
        connections = connection_log.read(self.directory / "connections.log")
        return [each for each in connections if each.port == gateway_port]

    # Database

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        with connected(self._database) as connection:
            cursor = connection.cursor()
            cursor.execute(statement)
            rows = list(cursor.fetchall()) if cursor.description else []
            connection.commit()
        return rows

    def requests(self) -> list[tuple[Any, ...]]:
        return self.sql(f"SELECT status, charged, error_code FROM {TABLE} ORDER BY id")

    def end_leases(self) -> None:
        """Expire the leases, so that tests don't wait for minutes."""
        past = "'2020-01-01 00:00:00'"
        self.sql(f"UPDATE {TABLE} SET leased_until = {past} WHERE leased_until IS NOT NULL")
        self.sql(f"UPDATE {VERSIONS} SET publish_due_at = {past} WHERE publish_due_at IS NOT NULL")
        self.sql(f"UPDATE wagtail_smart_resize_pipelinestate SET next_pass_at = {past}")


def answers(port: int) -> bool:
    """Tell whether a process accepts connections at this port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def mysql_options(url: str) -> dict[str, Any]:
    """Return PyMySQL's options for a database, or for a server whose URL names none."""
    server = dj_database_url.parse(url)
    names = {
        "host": "HOST",
        "port": "PORT",
        "user": "USER",
        "password": "PASSWORD",
        "database": "NAME",
    }
    return {theirs: server[ours] for theirs, ours in names.items() if server[ours]}


@contextlib.contextmanager
def connected(database: str) -> Iterator[Any]:
    if database.startswith("sqlite"):
        connection: Any = sqlite3.connect(database.removeprefix("sqlite:///"), timeout=20)
    elif database.startswith("mysql"):
        import pymysql

        connection = pymysql.connect(**mysql_options(database))
    else:
        import psycopg

        connection = psycopg.connect(database)
    with contextlib.closing(connection):
        yield connection


class Template:
    """A migrated database with photographs, which is created once and copied for each site."""

    def __init__(self, directory: Path, base: str = "") -> None:
        self._directory = directory
        self._base = base
        self._count = 0
        self._made: list[str] = []
        site = Site(directory, self._new_database(directory), "http://127.0.0.1:9/v1")
        site.environment["SERVERS_TASKS"] = "database" if has_module("django_tasks_db") else ""
        process = site.start("suites.servers.fill")
        assert process.wait(120) == 0, site.log()
        shutil.rmtree(directory / "together", ignore_errors=True)

    def copy(self, directory: Path) -> str:
        """Copy the database and media to another directory; return the database's URL."""
        shutil.copytree(self._directory / "media", directory / "media")
        return self._new_database(directory)

    def _new_database(self, directory: Path) -> str:
        """Create a database: on PostgreSQL beside the one that is named, for SQLite a file."""
        original = self._directory / "db.sqlite3"
        if not self._base.startswith("postgres"):
            if original.exists():
                shutil.copy(original, directory / "db.sqlite3")
            return f"sqlite:///{directory}/db.sqlite3"
        name = f"smart_resize_{os.getpid()}_{self._count}"
        like = f" TEMPLATE {self._made[0]}" if self._made else ""
        self._on_server(f"CREATE DATABASE {name}{like}")
        self._made.append(name)
        self._count += 1
        return re.sub(r"/[^/]*$", f"/{name}", self._base)

    def close(self) -> None:
        for name in self._made:
            self._on_server(f"DROP DATABASE {name} WITH (FORCE)")

    def _on_server(self, statement: str) -> None:
        import psycopg

        with psycopg.connect(self._base, autocommit=True) as connection:
            connection.execute(statement)


def has_module(name: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(name) is not None
