"""Another process that works: passes until stopped; prints the moment of each flip."""

import time

import django

django.setup()

from wagtail_smart_resize.runners import loop  # noqa: E402
from wagtail_smart_resize.signals import recomposition_published  # noqa: E402


def tell(**kwargs):
    print(time.time(), flush=True)


recomposition_published.connect(tell)
loop.Loop(alone=False).run()
