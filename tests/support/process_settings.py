"""The tests' settings for another process, which shares the test's files, gateway and clock."""

import datetime as dt
import json
import os

import time_machine

from .settings import *  # noqa: F403

# The tests begin at noon, whatever the time: what one of them makes due must be due here, too.
time_machine.travel(dt.datetime.fromisoformat(os.environ["SMART_RESIZE_TEST_NOW"])).start()

MEDIA_ROOT = os.environ["SMART_RESIZE_TEST_MEDIA"]
WAGTAIL_SMART_RESIZE = {
    **WAGTAIL_SMART_RESIZE,  # noqa: F405
    **json.loads(os.environ["SMART_RESIZE_TEST_SETTINGS"]),
}
