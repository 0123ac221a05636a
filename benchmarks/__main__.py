"""Runs benchmarks and prints their results: `python -m benchmarks [names] [--quick] [--write]`.

Each runs in a process of its own. ``--write`` puts the tables into docs/evidence/performance.md.
"""

import argparse
import importlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from .rows import Row, Skipped, table

PAGE = Path(__file__).parent.parent / "docs" / "evidence" / "performance.md"

#: The benchmarks, in the order of the page.
NAMES = (
    "warm",
    "cold",
    "alternatives",
    "delay",
    "steps",
    "throughput",
    "under_load",
    "publishing",
    "memory",
    "size",
    "sync",
    "requests_made",
    "start",
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"of: {', '.join(NAMES)}")
    parser.add_argument("--quick", action="store_true", help="see that they run, not how fast")
    parser.add_argument("--write", action="store_true", help="put the tables into the page")
    parser.add_argument("--into", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if unknown := set(chosen.names) - set(NAMES):
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}: see --help")
    if chosen.into:
        (name,) = chosen.names
        return _measure(name, chosen.quick, chosen.into)
    failed = [name for name in chosen.names or NAMES if not _run(name, chosen.quick, chosen.write)]
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


def _measure(name: str, quick: bool, into: Path) -> int:
    """Measure, within the benchmark's own process."""
    with tempfile.TemporaryDirectory(prefix=f"bench-{name}-") as directory:
        os.environ["BENCH_DIR"] = directory
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")
        # Settings create temporary directories, which are deleted with ours.
        os.environ["TMPDIR"] = tempfile.tempdir = directory
        module = importlib.import_module(f"benchmarks.{name}")
        try:
            rows = module.measure(Path(directory), quick)
        except Skipped as reason:
            print(f"skipped: {reason}")
            return 0
        into.write_text(json.dumps([asdict(row) for row in rows]))
    return 0


def _run(name: str, quick: bool, write: bool) -> bool:
    began = time.monotonic()
    print(f"\n== {name}", flush=True)
    with tempfile.TemporaryDirectory() as directory:
        into = Path(directory) / "rows.json"
        options = ["--quick"] if quick else []
        command = [sys.executable, "-m", "benchmarks", name, *options, f"--into={into}"]
        ended = subprocess.run(command)
        rows = [Row(**row) for row in json.loads(into.read_text())] if into.exists() else []
    if rows:
        print(table(rows))
        if write and not quick:
            _write(name, table(rows))
    print(f"== {name} took {time.monotonic() - began:.0f} s", flush=True)
    return not ended.returncode


def _write(name: str, text: str) -> None:
    page = PAGE.read_text()
    between = re.compile(f"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    if not between.search(page):
        print(f"{PAGE.name} has no room for it: <!-- {name} --> and <!-- /{name} -->")
        return
    PAGE.write_text(between.sub(lambda found: found[1] + text + found[2], page))


if __name__ == "__main__":
    sys.exit(main())
