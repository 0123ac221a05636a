"""What every test shares: no way out to the network, and a clean state of our process."""

import ipaddress
import os
import shutil
import socket
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings
from support import selection
from support.tries import SecurityList

import wagtail_smart_resize

# The same examples at every run, on machines however slow; `--hypothesis-profile=search` looks
# further.
hypothesis_settings.register_profile("suite", deadline=None, derandomize=True, database=None)
hypothesis_settings.register_profile("search", deadline=None, max_examples=5000)
hypothesis_settings.load_profile("suite")


def pytest_configure(config):
    """Under tox the built wheel is what is tested, not the source tree."""
    config.pluginmanager.register(SecurityList())
    config.pluginmanager.register(selection)
    if os.environ.get("TEST_THE_WHEEL") == "1":
        assert "site-packages" in Path(wagtail_smart_resize.__file__).parts


def pytest_unconfigure(config):
    from django.conf import settings

    shutil.rmtree(settings.WORK_DIR, ignore_errors=True)


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Connections leave this machine for no test; what needs a server runs one on loopback."""
    connect = socket.socket.connect

    def guarded(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6):
            host = ipaddress.ip_address(address[0])
            assert host.is_loopback, f"a test tried to reach {address}"
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(scope="session", autouse=True)
def quick_emptying():
    from django.test import TransactionTestCase
    from support.emptying import teardown

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", teardown)
        yield


@pytest.fixture(autouse=True)
def clean_process():
    """Nothing that one test made our process remember reaches the next.

    Wagtail caches renditions by their image's key, and a key that was rolled back is given again.
    """
    from django.core.cache import cache
    from support.patience import LONG

    from wagtail_smart_resize.renditions import demand_notes, published_cache
    from wagtail_smart_resize.runners import embedded_thread

    cache.clear()
    published_cache.process_cache.reset()
    demand_notes.notes.reset()
    yield
    assert embedded_thread.embedded_thread.stop(LONG)
    published_cache.process_cache.reset()
    demand_notes.notes.reset()


#: Suites whose processes have clocks of their own.
OF_PROCESSES = selection.SUITES - {"faults", "races"}


@pytest.fixture(autouse=True)
def looks_when_told(request, monkeypatch):
    """Our process looks for flips when a test says so, not also once two seconds have passed."""
    from wagtail_smart_resize.renditions import published_cache

    if request.node.get_closest_marker("ordinary"):
        monkeypatch.setattr(published_cache.process_cache, "REFRESH_SECONDS", 3600.0)


@pytest.fixture(scope="session", autouse=True)
def noon(request):
    """Tests begin at noon, in UTC: the budget counts days, and some skip hours."""
    import datetime as dt

    import time_machine

    markers = (marker.name for item in request.session.items for marker in item.iter_markers())
    if not OF_PROCESSES.isdisjoint(markers):
        yield
        return
    today = dt.datetime.now(dt.UTC).date()
    with time_machine.travel(dt.datetime.combine(today, dt.time(12), dt.UTC), tick=True):
        yield


#: The fixtures with a sandbox.
SANDBOXES = {"gateway", "site"}


class Site:
    """A running site with a sandbox gateway at its side."""

    def __init__(self, gateway, url):
        self.gateway = gateway
        self.url = url


@pytest.fixture
def site(live_server, settings):
    """The test site on a real port, and a sandbox that can fetch its pictures."""
    from support.patience import LONG

    from wagtail_smart_resize.sandbox import SandboxGateway

    with SandboxGateway(latency=0, fetch_seconds=LONG) as gateway:
        settings.WAGTAIL_SMART_RESIZE = {
            **settings.WAGTAIL_SMART_RESIZE,
            "API_KEY": gateway.key,
            "BASE_URL": gateway.url,
            "SOURCE_BASE_URL": live_server.url,
        }
        yield Site(gateway, live_server.url)


@pytest.fixture
def still():
    """Time stands still but for what a test skips: how long a step took shows in no moment."""
    import time_machine
    from django.utils import timezone

    with time_machine.travel(timezone.now(), tick=False):
        yield


@pytest.fixture
def sandboxes(request):
    """Those that the test's fixtures started."""
    found = {name: request.getfixturevalue(name) for name in SANDBOXES & {*request.fixturenames}}
    return [getattr(each, "gateway", each) for each in found.values()]


@pytest.fixture
def run(sandboxes):
    """Make passes until nothing is due soon; waiting is skipped, not slept.

    Between two of them the sandbox draws its pictures, however long that takes.
    """
    import datetime as dt

    from django.utils import timezone
    from support.patience import LONG

    from wagtail_smart_resize.models import GatewayRequest, ImageVersion, Recomposition
    from wagtail_smart_resize.purchasing.passes import run_pass

    def hasten():
        past = timezone.now() - dt.timedelta(seconds=1)
        GatewayRequest.objects.unfinished().update(next_step_at=past)
        wanted = Recomposition.objects.wanted().exclude(next_attempt_at=None)
        wanted.filter(waiting_reason="").update(next_attempt_at=past)
        ImageVersion.objects.exclude(purge_due_at=None).update(purge_due_at=past)

    def run(passes=40):
        for _ in range(passes):
            hasten()
            did = run_pass(workers=1).did
            if not did:
                return
            for sandbox in sandboxes:
                sandbox.settle(LONG)

    run.hasten = hasten
    return run


@pytest.fixture(autouse=True)
def what_migrations_made(request):
    """Tests with transactions of their own end with empty tables: the next finds the roots."""
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
    """A sandbox beside no site: what it fetches as the source is always the same small picture.

    So a test needs no server of its own and can run in one transaction. What is asked for has a
    quarter of the engine's sides, to be drawn quickly; the client doesn't sleep.
    """
    from support.gateways import answering, client_of, picture
    from support.patience import LONG
    from support.quarters import QUARTERS

    from wagtail_smart_resize.core import sizes
    from wagtail_smart_resize.gateway.client import GatewayClient
    from wagtail_smart_resize.sandbox import SandboxGateway
    from wagtail_smart_resize.sandbox.responses import Reply

    source = Reply(200, picture(), "image/png")
    sandbox = SandboxGateway(slow=0, trickle=0, fetch_seconds=LONG)
    with answering(source) as far_end, sandbox as gateway:
        settings.WAGTAIL_SMART_RESIZE = {
            **settings.WAGTAIL_SMART_RESIZE,
            "API_KEY": gateway.key,
            "BASE_URL": gateway.url,
            "SOURCE_BASE_URL": far_end.origin,
            "RESOLUTION": "1K",
            "OUTPUT_FORMAT": "jpeg",
        }
        monkeypatch.setattr(sizes, "ENGINE_PRESETS", QUARTERS)
        monkeypatch.setattr(GatewayClient, "from_settings", lambda: client_of(gateway))
        yield gateway


@pytest.fixture
def configure(settings):
    """Changes some of the package's settings."""

    def configure(**changes):
        settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, **changes}

    return configure


@pytest.fixture
def people():
    """See `people.People`."""
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
    """The pipeline's clock: it can be put forward, or set to a moment in the far future."""
    import datetime as dt

    from django.utils import timezone

    from wagtail_smart_resize.core import clock

    class Clock:
        ahead = dt.timedelta()

        def now(self):
            return timezone.now() + self.ahead

        def skip(self, **time):
            self.ahead += dt.timedelta(**time)

        def set(self, *moment):
            self.ahead = dt.datetime(*moment, tzinfo=dt.UTC) - timezone.now()

    moving_clock = Clock()
    monkeypatch.setattr(clock, "now", moving_clock.now)
    return moving_clock
