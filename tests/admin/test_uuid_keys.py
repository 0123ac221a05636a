"""An image model whose keys are no whole numbers: Wagtail has no screens for it, we have."""

import os
import subprocess
import sys

from support.paths import TESTS


def test_every_screen_and_the_whole_way_of_a_picture():
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "uuidimages.settings",
        "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]),
    }
    command = [sys.executable, "-m", "uuidimages.walk"]
    done = subprocess.run(command, env=environment, cwd=TESTS, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    answers = dict(line.rsplit(" ", 1) for line in done.stdout.splitlines()[:-2])
    odd = {name for name, status in answers.items() if status not in {"200", "302", "405"}}
    assert odd == set()
    assert {answers[name] for name in ("image", "report", "review", "history", "bulk")} == {"200"}
    assert done.stdout.splitlines()[-2:] == ["colour (70, 130, 180)", "left 0"]
