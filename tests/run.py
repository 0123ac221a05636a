#!/usr/bin/env python3
"""Set up and run the tests, with one command: `python3 tests/run.py`.

It puts tox into a virtual environment of its own. tox builds the wheel, installs it with the newest
Django and Wagtail that this Python allows, and runs the ordinary tests against it. Arguments go to
pytest: `python3 tests/run.py -k budget`. `--env NAME` runs another of tox's environments, and
several named with commas two at a time.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST = (3, 11)
#: One for each version of Python: tox's environment `py` uses the version that runs tox.
VENV = ROOT / ".tox" / "tox-{}.{}".format(*sys.version_info)
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def main() -> int:
    if sys.version_info < OLDEST:
        print("The tests need Python {}.{} or newer.".format(*OLDEST), file=sys.stderr)
        return 1
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--env", default="py", help="the environments of tox to run (py)")
    options, for_pytest = parser.parse_known_args()
    if options.env == "py":
        print(
            "Installing what the tests need into .tox, then running some 6,500 tests: "
            "six to twelve minutes on two cores.",
            flush=True,
        )
    several = ("run-parallel", "--parallel", "2", "--parallel-no-spinner")
    how = several if "," in options.env else ("run",)
    return set_up() or call(PYTHON, "-m", "tox", *how, "-e", options.env, "--", *for_pytest)


def set_up() -> int:
    """Install tox where it is missing. Returns the exit status."""
    if PYTHON.exists() and not call(PYTHON, "-m", "tox", "--version", stdout=subprocess.DEVNULL):
        return 0
    pip = (PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    return call(sys.executable, "-m", "venv", "--clear", VENV) or call(*pip, "tox>=4.24")


def call(*command: object, stdout: int | None = None) -> int:
    """Run a command in the project's root and return its exit status."""
    return subprocess.run(list(map(str, command)), cwd=ROOT, stdout=stdout).returncode


if __name__ == "__main__":
    sys.exit(main())
