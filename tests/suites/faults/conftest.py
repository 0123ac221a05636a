"""Provides a fresh site for each row; prints the results of the matrix at the end."""

import pytest

from .fault_site import FaultSite
from .matrix import MATRIX
from .table import summary

RESULTS = pytest.StashKey[dict]()


@pytest.fixture
def fault_site(live_server, settings, monkeypatch, moving_clock, client, django_user_model):
    """Provide a site and a sandbox that draws small pictures and takes no time."""
    from support.small_engine_presets import SMALL_ENGINE_PRESETS
    from testapp.models import PicturePage

    from wagtail_smart_resize.core import sizes
    from wagtail_smart_resize.gateway.client import GatewayClient
    from wagtail_smart_resize.sandbox import SandboxGateway
    from wagtail_smart_resize.settings import settings as ours

    monkeypatch.setattr(PicturePage, "template", "testapp/faults_page.html")
    monkeypatch.setattr(sizes, "ENGINE_PRESETS", SMALL_ENGINE_PRESETS)
    client.force_login(django_user_model.objects.create_superuser("ada", "ada@example.org", "x"))
    with SandboxGateway(slow=0, trickle=0.05, fetch_seconds=2) as gateway:
        settings.WAGTAIL_SMART_RESIZE = {
            **settings.WAGTAIL_SMART_RESIZE,
            "API_KEY": gateway.key,
            "BASE_URL": gateway.url,
            "SOURCE_BASE_URL": live_server.url,
            "RESOLUTION": "1K",
            "OUTPUT_FORMAT": "jpeg",
            "PRESETS": {},
        }
        fault_site = FaultSite(gateway, live_server.url, settings, moving_clock, client)

        def hasty_client():
            times = (fault_site.seconds, fault_site.seconds)
            return GatewayClient(ours.API_KEY, ours.BASE_URL, timeout=times, sleep=_no_sleep)

        monkeypatch.setattr(GatewayClient, "from_settings", hasty_client)
        yield fault_site


def _no_sleep(seconds):
    pass


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    row = getattr(item, "callspec", None) and item.callspec.params.get("row")
    if row is not None and (call.when == "call" or report.failed):
        results = item.config.stash.setdefault(RESULTS, {})
        results[str(row)] = results.get(str(row), True) and report.passed


def pytest_terminal_summary(terminalreporter, config):
    results = config.stash.get(RESULTS, {})
    if not results:
        return
    terminalreporter.section("the fault matrix")
    for row in MATRIX:
        if str(row) in results:
            terminalreporter.line(summary(row, results[str(row)]))
    good = sum(results.values())
    terminalreporter.line(f"{good} of {len(results)} rows hold; the matrix has {len(MATRIX)}.")
