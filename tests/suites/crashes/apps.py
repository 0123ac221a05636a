"""Lets a real process of the site be struck by a signal at a named point, once."""

import json
import os
import threading
from contextlib import suppress
from pathlib import Path

from django.apps import AppConfig
from django.conf import settings

from suites.crashes.effects import Watch
from suites.servers.guard import ROLE


class Crashes(AppConfig):
    name = "suites.crashes"

    def ready(self) -> None:
        Watch(_strike)


def set_trap(directory: Path, role: str, point: str, number: int) -> Path:
    """The next process of this role that comes by this point is sent this signal.

    The file that says so, which is gone from then on.
    """
    trap = directory / "trap"
    trap.write_text(json.dumps({"role": role, "point": point, "number": number}))
    return trap


def _strike(name: str) -> None:
    trap = Path(settings.WORK_DIR) / "trap"
    if not _is_of_the_pipeline() or not trap.exists():
        return
    # Another thread may be struck at this moment.
    with suppress(FileNotFoundError):
        said = json.loads(trap.read_text())
        if (said["role"], said["point"]) == (os.environ.get(ROLE), name):
            trap.unlink()
            os.kill(os.getpid(), said["number"])


def _is_of_the_pipeline() -> bool:
    """Not a visitor's request."""
    thread = threading.current_thread().name
    return os.environ.get(ROLE) == "worker" or thread.startswith("smart-resize")
