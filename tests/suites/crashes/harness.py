"""Starts the child processes, kills them, and reads what is left."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.paths import TESTS

from wagtail_smart_resize.sandbox import SandboxGateway
from wagtail_smart_resize.sandbox.contract import STATUS_PATH, status_body
from wagtail_smart_resize.sandbox.responses import as_json

KILLED_STATUS = -9


class PromptGateway(SandboxGateway):
    """A sandbox that answers the same in every run: PROCESSING to the first question, then done."""

    def __init__(self) -> None:
        super().__init__(slow=0, trickle=0)
        self._asked: set[str] = set()

    def _answer(self, method: str, path: str, *call: Any) -> Any:
        if path.startswith(STATUS_PATH):
            self.settle()
        reply, word = super()._answer(method, path, *call)
        if path.startswith(STATUS_PATH) and path not in self._asked:
            self._asked.add(path)
            request_id = path.removeprefix(STATUS_PATH)
            times = {"created": 0, "updated": 0}
            reply = as_json(status_body(request_id, "PROCESSING", error=None, output=None, **times))
        return reply, word


class ForkServer:
    """A directory with a site, and a fork server whose children work on it."""

    def __init__(self, directory: Path, gateway: str, source: str) -> None:
        self._directory = directory
        self._site = directory / "site"
        self._site.mkdir()
        self._log = (directory / "log").open("w+")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "suites.crashes.fork_server"],
            env={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "suites.crashes.settings",
                "PYTHONPATH": str(TESTS),
                "CRASHES_DIR": str(directory),
                "CRASHES_GATEWAY": gateway,
                "CRASHES_SOURCE": source,
                "TMPDIR": str(directory),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def close(self) -> None:
        self._process.communicate(timeout=60)
        self._log.close()

    def do(self, what: str, kill_at: int = 0) -> Any:
        """Run a command in a child; return its result, or None where it was killed at that
        point."""
        pipes = self._process.stdin, self._process.stdout
        pipes[0].write(json.dumps({"do": what, "kill_at": kill_at}) + "\n")
        pipes[0].flush()
        ended = pipes[1].readline().strip()
        if ended == str(KILLED_STATUS) and kill_at:
            return None
        assert ended == "0", f"{what}: ended with {ended}\n{self.log()}"
        return json.loads((self._directory / "result.json").read_text())

    def log(self) -> str:
        self._log.seek(0)
        return self._log.read()[-6000:]

    def points(self) -> list[str]:
        """Return the points that children have reached since the last call."""
        log = self._directory / "effects.log"
        names = log.read_text().splitlines()
        log.unlink()
        return names

    def keep(self, name: str) -> None:
        """Save a copy of the site under a name."""
        shutil.copytree(self._site, self._directory / name)

    def restore(self, name: str) -> None:
        """Restore the copy of that name."""
        shutil.rmtree(self._site)
        shutil.copytree(self._directory / name, self._site)

    def status(self) -> list[str]:
        """Return the statuses of the requests, read without the app."""
        table = "wagtail_smart_resize_gatewayrequest"
        with closing(sqlite3.connect(self._site / "db.sqlite3")) as connection:
            return [row[0] for row in connection.execute(f"SELECT status FROM {table} ORDER BY id")]


class CrashWorker:
    """A fork server with a gateway of its own; several of them use several processors."""

    def __init__(self, directory: Path, source: str) -> None:
        self.gateway = PromptGateway()
        self.gateway.start()
        self.fork_server = ForkServer(directory, self.gateway.url, source)

    def close(self) -> None:
        self.fork_server.close()
        self.gateway.stop()

    def kill(self, start: str, what: str, at: int) -> "Killed":
        """Restore a saved site, let a child be killed at this point, and let another finish."""
        self.fork_server.restore(start)
        before = len(self.gateway.requests)
        assert self.fork_server.do(what, at) is None
        point = self.fork_server.points()[-1]
        left = self.fork_server.status()
        ended = self.fork_server.do("finish")
        posts = len(self.gateway.requests) - before
        return Killed(at, point, left, posts, self.fork_server.points(), **ended)


@dataclass(frozen=True)
class Killed:
    """The outcome of killing a process right before an effect."""

    at: int
    point: str
    left: list[str]
    """The statuses of the requests right after the kill."""
    posts: int
    later: list[str]
    """The points that the next process reached."""

    at_once: dict[str, str]
    requests: list[dict[str, Any]]
    reserved: int
    spent: dict[str, int]
    rows: list[dict[str, Any]]
    unreferenced: list[str]
    missing: list[str]
    pictures: dict[str, str]

    def __str__(self) -> str:
        return f"killed before effect {self.at}, {self.point}"
