"""What the app adds to the start of a process: time, and things it must not do there at all."""

import json
import os
import subprocess
import sys
from pathlib import Path

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
collecting = []
gc.callbacks.append(lambda phase, info: collecting.append(time.perf_counter()))
import django
began = time.perf_counter()
django.setup()
took = time.perf_counter() - began
collected = sum(collecting[1::2]) - sum(collecting[::2])
print(json.dumps({"seconds": took, "uncollected": took - collected,
                  "events": events, "modules": len(sys.modules)}))
"""
SETTINGS = {"with": "benchmarks.settings", "without": "benchmarks.settings_without_app"}


def measure(directory: Path, quick: bool) -> list[Row]:
    for name in SETTINGS:
        _start(name)  # what compiles to bytecode does it here
    rounds = [
        {name: _start(name) for name in sorted(SETTINGS, reverse=bool(turn % 2))}
        for turn in range(1 if quick else 40)
    ]
    return [
        _more(rounds, "seconds", "`django.setup()` with the app, more than without, by the clock"),
        # It depends on chance whether one more of Python's full collections falls into a start.
        _more(rounds, "uncollected", "The same, without the garbage collections in it"),
        _opened(rounds),
    ]


def _start(name: str) -> dict:
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": SETTINGS[name]}
    # A site that starts often has compiled files.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-c", STARTING]
    ended = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    return json.loads(ended.stdout)


def _more(rounds: list[dict], clock: str, what: str) -> Row:
    more = spread([1000 * (each["with"][clock] - each["without"][clock]) for each in rounds])
    alone = spread([1000 * each["without"][clock] for each in rounds])
    last = rounds[-1]
    counts = {"modules": last["with"]["modules"] - last["without"]["modules"]}
    note = f"Without it {alone.median:.0f} ms"
    return Row(what, *more, unit="ms", at_most=20, counts=counts, note=note)


def _opened(rounds: list[dict]) -> Row:
    found = [
        sum(each["with"]["events"].values()) - sum(each["without"]["events"].values())
        for each in rounds
    ]
    # Some libraries that Wagtail imports open a socket and SQLite to test them.
    what = "Database connections, sockets and threads that a start opens, more than without the app"
    return Row(what, max(found), min(found), max(found), "of them", at_most=0)
