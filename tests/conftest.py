"""Fixtures of every test: no access to the network, and a clean process."""

import ipaddress
import os
import shutil
import socket
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings
from support import selection
from support.security_list import SecurityList

import wagtail_smart_resize

# Use the same examples in every run, without a deadline for slow machines;
# `--hypothesis-profile=search` tries more.
hypothesis_settings.register_profile("suite", deadline=None, derandomize=True, database=None)
hypothesis_settings.register_profile("search", deadline=None, max_examples=5000)
hypothesis_settings.load_profile("suite")


def pytest_configure(config):
    """Register the plugins of tests/support; under tox, check that the built wheel is under
    test."""
    config.pluginmanager.register(SecurityList())
    config.pluginmanager.register(selection)
    if os.environ.get("TEST_THE_WHEEL") == "1":
        assert "site-packages" in Path(wagtail_smart_resize.__file__).parts


def pytest_unconfigure(config):
    from django.conf import settings

    shutil.rmtree(settings.WORK_DIR, ignore_errors=True)


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Refuse connections to other machines; a test that needs a server runs one on loopback."""
    connect = socket.socket.connect

    def guarded(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6):
            host = ipaddress.ip_address(address[0])
            assert host.is_loopback, f"a test tried to reach {address}"
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(scope="session", autouse=True)
def fast_flush():
    from django.test import TransactionTestCase
    from support.fast_flush import flush_tables

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", flush_tables)
        yield


@pytest.fixture(autouse=True)
def clean_process():
    """Clear what a test left in the memory of this process.

    Wagtail caches renditions by their image's key, and a key that was rolled back is given again.
    """
    from django.core.cache import cache
    from support.waiting import TIMEOUT_SECONDS

    from wagtail_smart_resize.core import logs
    from wagtail_smart_resize.purchasing import durations
    from wagtail_smart_resize.renditions import demand_notes, published_cache
    from wagtail_smart_resize.runners import embedded_thread

    cache.clear()
    logs.repeats.reset()
    durations.usual_durations.forget()
    published_cache.process_cache.reset()
    demand_notes.notes.reset()
    yield
    assert embedded_thread.embedded_thread.stop(TIMEOUT_SECONDS)
    published_cache.process_cache.reset()
    demand_notes.notes.reset()


#: Suites whose processes have clocks of their own.
PROCESS_SUITES = selection.SUITES - {"faults", "races"}


@pytest.fixture(autouse=True)
def nothing_at_intervals(request, monkeypatch):
    """Let this process look for flips, or after its runner, only when a test says so.

    Otherwise it does both at the end of some request, by the time that has passed since the last.
    """
    import time

    from wagtail_smart_resize.renditions import published_cache
    from wagtail_smart_resize.runners import modes

    if request.node.get_closest_marker("ordinary"):
        monkeypatch.setattr(published_cache.process_cache, "REFRESH_SECONDS", 3600.0)
        monkeypatch.setattr(modes._LastCheck, "at", time.monotonic() + 3600.0)


@pytest.fixture(scope="session", autouse=True)
def start_at_noon(request):
    """Begin the tests at noon, UTC: the budget counts days, and some tests skip hours."""
    import datetime as dt

    import time_machine

    markers = (marker.name for item in request.session.items for marker in item.iter_markers())
    if not PROCESS_SUITES.isdisjoint(markers):
        yield
        return
    today = dt.datetime.now(dt.UTC).date()
    with time_machine.travel(dt.datetime.combine(today, dt.time(12), dt.UTC), tick=True):
        yield


#: The names of the fixtures that provide a sandbox.
SANDBOXES = {"gateway", "site"}


class Site:
    """A running site and its sandbox gateway."""

    def __init__(self, gateway, url):
        self.gateway = gateway
        self.url = url


@pytest.fixture
def site(live_server, settings):
    """Serve the test site on a real port, with a sandbox that can fetch its pictures."""
    from support.waiting import TIMEOUT_SECONDS

    from wagtail_smart_resize.sandbox import SandboxGateway

    with SandboxGateway(latency=0, fetch_seconds=TIMEOUT_SECONDS) as gateway:
        settings.WAGTAIL_SMART_RESIZE = {
            **settings.WAGTAIL_SMART_RESIZE,
            "API_KEY": gateway.key,
            "BASE_URL": gateway.url,
            "SOURCE_BASE_URL": live_server.url,
        }
        yield Site(gateway, live_server.url)


@pytest.fixture
def frozen_time():
    """Stop the clock except where a test moves it, so that no moment depends on a step's
    duration."""
    import time_machine
    from django.utils import timezone

    with time_machine.travel(timezone.now(), tick=False):
        yield


@pytest.fixture
def sandboxes(request):
    """Return the sandboxes that the test's fixtures started."""
    found = {name: request.getfixturevalue(name) for name in SANDBOXES & {*request.fixturenames}}
    return [getattr(each, "gateway", each) for each in found.values()]


@pytest.fixture
def run(sandboxes):
    """Return a function that makes passes until nothing is due soon; it skips waits.

    Between two passes the sandbox draws its pictures, however long that takes.
    """
    import datetime as dt

    from django.utils import timezone
    from support.waiting import TIMEOUT_SECONDS

    from wagtail_smart_resize.models import GatewayRequest, ImageVersion, Recomposition
    from wagtail_smart_resize.purchasing.passes import run_pass

    def make_due():
        now = timezone.now()
        past = now - dt.timedelta(seconds=1)
        GatewayRequest.objects.unfinished().update(next_step_at=past)
        wanted = Recomposition.objects.wanted().filter(waiting_reason="", next_attempt_at__gt=now)
        wanted.update(next_attempt_at=past)
        ImageVersion.objects.exclude(purge_due_at=None).update(purge_due_at=past)

    def run(passes=40):
        for _ in range(passes):
            make_due()
            did = run_pass(workers=1).did
            if not did:
                return
            for sandbox in sandboxes:
                sandbox.settle(TIMEOUT_SECONDS)

    run.make_due = make_due
    return run


@pytest.fixture(autouse=True)
def initial_data(request):
    """Recreate the root collection, root page and site.

    A test with transactions of its own leaves empty tables behind.
    """
    if request.node.get_closest_marker("django_db") is None:
        return
    request.getfixturevalue("_django_db_helper")
    from wagtail.models import Collection, Locale, Page, Site

    if not Collection.objects.exists():
        Collection.add_root(name="Root")
    if not Page.objects.filter(depth=1).exists():
        Locale.objects.get_or_create(language_code="en")
        home = Page(title="Welcome to your new Wagtail site!", slug="home")
        Page.add_root(title="Root", slug="root").add_child(instance=home)
        Site.objects.create(hostname="localhost", root_page=home, is_default_site=True)


@pytest.fixture
def gateway(settings, monkeypatch):
    """Run a sandbox without a site: it always fetches the same small picture as the source.

    A test then needs no server of its own and can run in one transaction. The requested sizes have
    a quarter of the engine's sides, so that they are drawn quickly, and the client doesn't sleep.
    """
    from support.gateways import answering, client_of, picture
    from support.small_engine_presets import SMALL_ENGINE_PRESETS
    from support.waiting import TIMEOUT_SECONDS

    from wagtail_smart_resize.core import sizes
    from wagtail_smart_resize.gateway.client import GatewayClient
    from wagtail_smart_resize.sandbox import SandboxGateway
    from wagtail_smart_resize.sandbox.responses import Reply

    source = Reply(200, picture(), "image/png")
    sandbox = SandboxGateway(slow=0, trickle=0, fetch_seconds=TIMEOUT_SECONDS)
    with answering(source) as far_end, sandbox as gateway:
        settings.WAGTAIL_SMART_RESIZE = {
            **settings.WAGTAIL_SMART_RESIZE,
            "API_KEY": gateway.key,
            "BASE_URL": gateway.url,
            "SOURCE_BASE_URL": far_end.origin,
            "RESOLUTION": "1K",
            "OUTPUT_FORMAT": "jpeg",
        }
        monkeypatch.setattr(sizes, "ENGINE_PRESETS", SMALL_ENGINE_PRESETS)
        monkeypatch.setattr(GatewayClient, "from_settings", lambda: client_of(gateway))
        yield gateway


@pytest.fixture
def configure(settings):
    """Return a function that changes some of the package's settings."""

    def configure(**changes):
        settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, **changes}

    return configure


@pytest.fixture
def people():
    """Create the users described in `people.People`."""
    from support.people import make_people

    return make_people()


@pytest.fixture
def admin(client, people):
    client.force_login(people.superuser)
    return client


@pytest.fixture
def editor(client, people):
    client.force_login(people.editor)
    return client


@pytest.fixture
def moving_clock(monkeypatch):
    """Replace Django's clock by one that can be advanced, or set to a moment in the far future."""
    import datetime as dt

    from django.utils import timezone

    real_now = timezone.now

    class Clock:
        ahead = dt.timedelta()

        def now(self):
            return real_now() + self.ahead

        def skip(self, **time):
            self.ahead += dt.timedelta(**time)

        def set(self, *moment):
            self.ahead = dt.datetime(*moment, tzinfo=dt.UTC) - real_now()

    moving_clock = Clock()
    monkeypatch.setattr(timezone, "now", moving_clock.now)
    return moving_clock
