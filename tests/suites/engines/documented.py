"""Reads the settings and commands in docs/operations/running.md."""

import re
import shlex
from itertools import accumulate
from typing import NamedTuple

from support.code_blocks import blocks_in
from support.paths import PAGES

PAGE = PAGES["running"]


class Worker(NamedTuple):
    settings: str
    """Python code."""
    command: list[str]
    """The command that starts it, as arguments of `python -m`."""


def workers(heading: str) -> list[Worker]:
    """Return each set-up below this heading: its settings, and its worker.

    A block of settings adds to those above it, as it does for a reader from top to bottom.
    """
    text = re.split(rf"^### {heading}$", PAGE.read_text(), flags=re.MULTILINE)[1].split("\n#")[0]
    settings = accumulate(blocks_in("python", text), "{}\n{}".format)
    lines = [line for code in blocks_in("bash", text) for line in code.splitlines()]
    commands = [_as_module(line) for line in lines if re.search("worker", line)]
    return [Worker(*each) for each in zip(settings, commands, strict=True)]


def _as_module(line: str) -> list[str]:
    line = line.replace("python manage.py", "django")
    return shlex.split(line.replace("-A project", "-A suites.engines.project"))
