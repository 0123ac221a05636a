"""The tests' settings for another process, which shares the test's files and gateway."""

import json
import os

from .settings import *  # noqa: F403

MEDIA_ROOT = os.environ["SMART_RESIZE_TEST_MEDIA"]
WAGTAIL_SMART_RESIZE = {
    **WAGTAIL_SMART_RESIZE,  # noqa: F405
    **json.loads(os.environ["SMART_RESIZE_TEST_SETTINGS"]),
}
