"""A site that reads from a replica, which lags: nothing is bought twice, and all is shown."""

import os
import subprocess
import sys

from support.paths import TESTS


def test_the_whole_way_of_a_picture_while_the_replica_stands_still(tmp_path):
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "replicas.settings",
        "REPLICAS_FOLDER": str(tmp_path),
        "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]),
    }
    command = [sys.executable, "-m", "replicas.walk"]
    done = subprocess.run(command, env=environment, cwd=TESTS, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "checks []",
        "bought 1",
        "shown True",
        "declined True",
        "repaired 0 {'RETIRED'}",
        "bought 1",
        "left 0",
        "read there []",
    ]
