"""Lets a real process of the site receive a signal at a named point, once."""

import json
import os
import threading
from contextlib import suppress
from pathlib import Path

from django.apps import AppConfig
from django.conf import settings

from suites.crashes.effects import EffectWatcher
from suites.servers.connection_log import ROLE


class Crashes(AppConfig):
    name = "suites.crashes"

    def ready(self) -> None:
        EffectWatcher(_signal_at_trap)


def set_trap(directory: Path, role: str, point: str, number: int) -> Path:
    """Make the next process of this role that reaches this point receive this signal.

    Returns the file that holds the trap; it is gone once the trap has sprung.
    """
    trap = directory / "trap"
    trap.write_text(json.dumps({"role": role, "point": point, "number": number}))
    return trap


def _signal_at_trap(name: str) -> None:
    trap = Path(settings.WORK_DIR) / "trap"
    if not _is_of_the_pipeline() or not trap.exists():
        return
    # Another thread may spring the trap at this moment.
    with suppress(FileNotFoundError):
        order = json.loads(trap.read_text())
        if (order["role"], order["point"]) == (os.environ.get(ROLE), name):
            trap.unlink()
            os.kill(os.getpid(), order["number"])


def _is_of_the_pipeline() -> bool:
    """Tell whether this thread belongs to the pipeline, and not to a visitor's request."""
    thread = threading.current_thread().name
    return os.environ.get(ROLE) == "worker" or thread.startswith("smart-resize")
