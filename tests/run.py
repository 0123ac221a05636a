#!/usr/bin/env python3
"""Set up and run the tests, with one command: `python3 tests/run.py`.

It puts tox into the virtual environment `.venv`. tox builds the wheel, installs it with the newest
Django and Wagtail that this Python allows, and runs the ordinary tests against it. Arguments go to
pytest: `python3 tests/run.py -k budget`.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
OLDEST = (3, 11)


def main() -> int:
    if sys.version_info < OLDEST:
        print("The tests need Python {}.{} or newer.".format(*OLDEST), file=sys.stderr)
        return 1
    print(
        "Installing what the tests need into .venv and .tox, then running some 4,100 tests: "
        "about five minutes on two cores.",
        flush=True,
    )
    python = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    tox = [python, "-m", "tox", "run", "-e", "py", "--", *sys.argv[1:]]
    for command in ([sys.executable, "-m", "venv", VENV], [*pip, "tox>=4.24"], tox):
        if status := subprocess.run(command, cwd=ROOT).returncode:
            return status
    return 0


if __name__ == "__main__":
    sys.exit(main())
