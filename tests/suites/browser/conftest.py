"""Provides the browser, a site with a strict policy on our screens, and a worker."""

import threading

import pytest
from django.test import override_settings
from support.people import make_people

from .harness import FLAGS, TIMEOUT_MS, Screen, chromium, context_of, log_in, missing

POLICY = "suites.browser.csp.middleware"


@pytest.fixture(scope="session")
def live_server():
    """Run pytest-django's live server with our policy: a server reads MIDDLEWARE when it starts."""
    from django.conf import settings
    from pytest_django.live_server_helper import LiveServer

    with override_settings(MIDDLEWARE=[POLICY, *settings.MIDDLEWARE]):
        server = LiveServer("localhost:0")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def browser(django_db_setup):
    """Start Chromium. Playwright's event loop runs in the tests' thread, where they query the
    database."""
    try:
        from playwright.sync_api import expect, sync_playwright
    except ImportError:
        missing("no Playwright: install the extra `browser`")
    path = chromium()
    with sync_playwright() as playwright, pytest.MonkeyPatch.context() as environment:
        environment.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        expect.set_options(timeout=TIMEOUT_MS)
        yield browser
        browser.close()


@pytest.fixture(autouse=True)
def site_settings(settings):
    """Set prices and short intervals, and load nothing from other hosts."""
    settings.WAGTAIL_GRAVATAR_PROVIDER_URL = None
    settings.WAGTAIL_ENABLE_UPDATE_CHECK = False
    settings.WAGTAIL_SMART_RESIZE = {
        **settings.WAGTAIL_SMART_RESIZE,
        "INTEGRITY": "review",
        "PRICE_PER_OUTPUT": ("0.12", "USD"),
        "POLL_INTERVAL": 0.3,
        "RESOLUTION": "1K",
        "OUTPUT_FORMAT": "jpeg",
        "PRESETS": {
            "teaser": {"size": "1200x630", "label": "Teaser"},
            "portrait": {"size": "800x1000", "label": "Portrait"},
        },
    }


@pytest.fixture
def people(site):
    people = make_people()
    for user, first, last in ((people.editor, "Ann", "Lindqvist"), (people.superuser, "Ravi", "M")):
        user.first_name, user.last_name = first, last
        user.save()
    return people


@pytest.fixture
def worker(site):
    """Run a worker process's loop in a thread."""
    from wagtail_smart_resize.runners.loop import Loop

    loop = Loop(alone=False)
    thread = threading.Thread(target=loop.run)
    thread.start()
    yield loop
    loop.stop()
    thread.join(30)
    assert not thread.is_alive(), "the loop did not end"


@pytest.fixture
def open_browser(browser, site):
    """Return a function that opens a browser for a user: `open_browser(user,
    color_scheme="dark")`."""
    contexts = []

    def open_browser(user=None, **options):
        context = context_of(browser, **options)
        contexts.append(context)
        if user is not None:
            log_in(context, site.url, user)
        return Screen(context, site.url)

    yield open_browser
    for context in contexts:
        context.close()
