"""Runs passes until it is stopped, and prints the time of each flip."""

import time

import django

django.setup()

from wagtail_smart_resize.runners import loop  # noqa: E402
from wagtail_smart_resize.signals import recomposition_published  # noqa: E402


def print_time(**kwargs):
    print(time.time(), flush=True)


recomposition_published.connect(print_time)
loop.Loop(alone=False).run()
