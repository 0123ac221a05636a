"""The tests' settings, with files that outlive the process."""

import os
from pathlib import Path

from support.settings import *  # noqa: F403

ROOT_URLCONF = "suites.servers.urls"
MEDIA_ROOT = Path(os.environ["OTHERMODEL_FOLDER"]) / "media"
