"""What the app adds to the start of a process: time, and things it must not do there at all."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import mean

from support.measuring import spread

from .rows import Row

# Audit hooks see each database, socket and thread that is opened.
STARTING = """
import gc, json, sys, time
events = {"sqlite3.connect": 0, "socket.__new__": 0, "_thread.start_new_thread": 0,
          "_thread.start_joinable_thread": 0}
def note(event, arguments):
    if event in events:
        events[event] += 1
sys.addaudithook(note)
collecting, full = [], []
def collect(phase, info):
    collecting.append(time.process_time())
    if phase == "stop" and info["generation"] == 2:
        full.append(info)
import django
gc.callbacks.append(collect)
clock, processor = time.perf_counter(), time.process_time()
django.setup()
clock, processor = time.perf_counter() - clock, time.process_time() - processor
collected = sum(collecting[1::2]) - sum(collecting[::2])
print(json.dumps({"clock": clock, "processor": processor, "collected": collected,
                  "full": len(full), "events": events, "modules": sorted(sys.modules)}))
"""
SETTINGS = {"with": "benchmarks.settings", "without": "benchmarks.settings_without_app"}
PROCESSES = 20
#: Self time in millionths of a second, the time with what it imports, and the module's name.
IMPORTED = re.compile(r"^import time: +(\d+) \| +\d+ \| +(\S+)$", re.MULTILINE)


def measure(directory: Path, quick: bool) -> list[Row]:
    for name in SETTINGS:
        _start(name)  # what compiles to bytecode does it here
    turns = range(1 if quick else PROCESSES)
    rounds = [
        {name: _start(name) for name in sorted(SETTINGS, reverse=bool(turn % 2))} for turn in turns
    ]
    ours = {*rounds[-1]["with"]["modules"]} - {*rounds[-1]["without"]["modules"]}
    return [
        _more(rounds, "`django.setup()` with the app, more than without, by the clock", _clock),
        _more(rounds, "The same in processor time", _processor, aim=None),
        _more(rounds, "Of that, garbage collections", _collected, aim=None, full=True),
        _more(rounds, "Of that, all else", _uncollected),
        _importing([_import_time(ours) for _turn in turns], len(ours)),
        _opened(rounds),
    ]


def _clock(start: dict) -> float:
    return start["clock"]


def _processor(start: dict) -> float:
    return start["processor"]


def _collected(start: dict) -> float:
    return start["collected"]


def _uncollected(start: dict) -> float:
    return start["processor"] - start["collected"]


def _run(name: str, *options: str) -> subprocess.CompletedProcess:
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": SETTINGS[name]}
    # A site that starts often has compiled files.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, *options, "-c", STARTING]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True)


def _start(name: str) -> dict:
    return json.loads(_run(name).stdout)


def _import_time(modules: set[str]) -> float:
    """Return the seconds that these modules themselves take, by Python's own record."""
    times = IMPORTED.findall(_run("with", "-X", "importtime").stderr)
    return sum(int(microseconds) for microseconds, name in times if name in modules) / 1e6


def _more(
    rounds: list[dict],
    what: str,
    seconds: Callable[[dict], float],
    aim: float | None = 20,
    full: bool = False,
) -> Row:
    """Return the mean of what is more with the app, in milliseconds, between the quartiles."""
    more = [1000 * (seconds(each["with"]) - seconds(each["without"])) for each in rounds]
    alone = mean(1000 * seconds(each["without"]) for each in rounds)
    _median, low, high = spread(more)
    counts = {"processes": len(rounds)}
    if full:
        counts = {
            f"full collections {name} it": mean(each[name]["full"] for each in rounds)
            for name in SETTINGS
        }
    note = f"Without it {alone:.0f} ms"
    return Row(what, mean(more), low, high, unit="ms", at_most=aim, counts=counts, note=note)


def _importing(seconds: list[float], modules: int) -> Row:
    _median, low, high = spread([1000 * each for each in seconds])
    what = "Importing the modules that only the app brings, by `python -X importtime`"
    counts = {"modules": modules}
    return Row(what, mean(1000 * each for each in seconds), low, high, unit="ms", counts=counts)


def _opened(rounds: list[dict]) -> Row:
    found = [
        sum(each["with"]["events"].values()) - sum(each["without"]["events"].values())
        for each in rounds
    ]
    # Some libraries that Wagtail imports open a socket and SQLite to test them.
    what = "Database connections, sockets and threads that a start opens, more than without the app"
    return Row(what, max(found), min(found), max(found), "of them", at_most=0)
