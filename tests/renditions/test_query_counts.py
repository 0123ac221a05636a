"""What pages cost with our filter, counted beside the same pages with `fill`."""

import json
import os
import subprocess
import sys

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from support import pages
from support.factories import live, plain_image
from support.paths import TESTS
from support.waiting import TIMEOUT_SECONDS

from wagtail_smart_resize.models import PublicationCounter
from wagtail_smart_resize.renditions.published_cache import process_cache

#: Tables of what is live are read in a transaction's own way; visitors have none.
as_a_visitor = pytest.mark.django_db(transaction=True)

STARTING = """
import json, sys
events = []
def note(event, arguments):
    if event == "sqlite3.connect" or event.startswith(("socket.", "_thread.start")):
        events.append(event)
sys.addaudithook(note)
import django
from django.conf import settings
settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app not in sys.argv]
django.setup()
print(json.dumps(events))
"""


def shown(page, operation, keys, prefetch=False):
    """Return the cost of the page's third view, its images loaded."""
    template = page.compiled(operation)
    specs = page.spec_names(operation) if prefetch else []
    for _ in range(2):
        pages.rendered(template, pages.loaded(keys))
    images = pages.loaded(keys, *specs)
    return pages.costs(lambda: pages.rendered(template, images))


@pytest.fixture
def few_images():
    made = [plain_image(400, 300) for _ in range(3)]
    live(made[0], pages.SHAPE)
    return [image.pk for image in made]


@as_a_visitor
@pytest.mark.parametrize("prefetch", [False, True])
def test_a_warm_listing_costs_no_more_than_fill(few_images, prefetch):
    ours = shown(pages.LISTING, "smartresize", few_images, prefetch)
    assert ours == shown(pages.LISTING, "fill", few_images, prefetch)


@as_a_visitor
def test_a_warm_picture_costs_no_more_than_fill(few_images):
    ours = shown(pages.PICTURE, "smartresize", few_images)
    assert ours == shown(pages.PICTURE, "fill", few_images)


@as_a_visitor
def test_what_a_new_process_shows_first_costs_one_query_more(few_images):
    before = shown(pages.LISTING, "smartresize", few_images)
    images = pages.loaded(few_images)
    process_cache.reset()
    first = pages.costs(lambda: pages.rendered(pages.LISTING.compiled("smartresize"), images))
    assert first == before._replace(queries=before.queries + 1)


@as_a_visitor
def test_many_views_look_once_for_what_went_live(few_images, monkeypatch):
    template = pages.LISTING.compiled("smartresize")
    pages.rendered(template, pages.loaded(few_images))
    monkeypatch.setattr(process_cache, "REFRESH_SECONDS", 3600)
    process_cache.next_refresh = 0.0
    with CaptureQueriesContext(connection) as queries:
        for _ in range(5):
            pages.rendered(template, pages.loaded(few_images))
    table = PublicationCounter._meta.db_table
    assert sum(table in query["sql"] for query in queries) == 1


def opened_at_start(*without):
    ended = subprocess.run(
        [sys.executable, "-c", STARTING, *without],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        stdout=subprocess.PIPE,
        check=True,
        timeout=TIMEOUT_SECONDS,
    )
    return json.loads(ended.stdout)


def test_a_start_opens_nothing_of_ours():
    # Some libraries that Wagtail imports try out a socket and SQLite.
    assert opened_at_start() == opened_at_start("wagtail_smart_resize")


#: Packages and modules of which a start imports nothing.
ONLY_FOR_WORK = (
    "tenacity",
    "wagtail_smart_resize.gateway",
    "wagtail_smart_resize.imaging",
    "wagtail_smart_resize.purchasing.schedule",
    "wagtail_smart_resize.purchasing.source_image",
    "wagtail_smart_resize.purchasing.thread_pool",
    "wagtail_smart_resize.repair",
    "wagtail_smart_resize.rules",
)


def test_a_start_imports_nothing_that_only_the_work_needs():
    """Nor does a process with the thread or the task chain, until something may be due."""
    code = (
        "import django, sys; django.setup(); import wagtail_smart_resize.runners.modes; "
        f"print([name for name in sys.modules if name.startswith({ONLY_FOR_WORK!r})])"
    )
    settings = {"PYTHONPATH": str(TESTS), "DJANGO_SETTINGS_MODULE": "support.settings"}
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **settings},
        stdout=subprocess.PIPE,
        check=True,
        timeout=TIMEOUT_SECONDS,
        text=True,
    )
    assert ended.stdout.strip() == "[]"
