"""Two processes of a site, and Wagtail's cache of renditions: one in each, or one for both."""

import os
import secrets
import time
import urllib.error
import urllib.request

import pytest
from support.waiting import until

from suites.servers.harness import Site, Template, free_port, has_module
from wagtail_smart_resize.sandbox import SandboxGateway

pytestmark = pytest.mark.storages

REDIS = os.environ.get("STORAGES_REDIS", "redis://127.0.0.1:6379/9")


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    if not has_module("gunicorn"):
        pytest.skip("needs gunicorn: pip install wagtail-smart-resize[engines]")
    made = Template(tmp_path_factory.mktemp("template"), os.environ.get("DATABASE_URL", ""))
    yield made
    made.close()


class Pair:
    """A process that does all the work, and another that only shows pages."""

    def __init__(self, site):
        self.site = site
        self.busy, self.other = site.port, free_port()
        site.serve("gunicorn sync", "--workers=1")
        site.environment["SERVERS_RUNNER"] = "off"
        site.serve("gunicorn sync", "--workers=1", port=self.other)

    @property
    def ports(self):
        return (self.busy, self.other)

    def shown(self, port):
        answer = self.site.get(port=port)
        assert answer.status == 200
        return answer.pictures

    def act(self, what):
        assert self.site.get(f"/act/{what}/", port=self.busy).status == 200

    def until_both_show(self, condition):
        """Wait until the pages of both meet the condition; return their pictures, which must be
        equal."""
        began = time.monotonic()
        for port in self.ports:
            until(lambda port=port: condition(self.shown(port)), "it shows that", pause=0.1)
        shown = [self.shown(port) for port in self.ports]
        assert shown[0] == shown[1]
        print(f"both show it after {time.monotonic() - began:.1f} s")
        return shown[0]

    def until_both_show_others(self, than):
        return self.until_both_show(lambda shown: not set(shown) & set(than))

    def answer(self, addresses):
        """Return the statuses of these pictures' addresses."""
        return {status(self.site.url + each) for each in addresses}


def status(url):
    try:
        with urllib.request.urlopen(url, timeout=20) as response:
            return response.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


@pytest.fixture(params=["one per process", "Redis"])
def cache(request):
    """Provide a cache, and a function that counts what it holds, so that a test proves that it was
    used."""
    environment = {
        "STORAGES_CACHE": request.param,
        "STORAGES_REDIS": REDIS,
        "STORAGES_PREFIX": f"smart-resize-{secrets.token_hex(4)}",
    }
    if request.param != "Redis":
        yield (
            environment,
            lambda pair: [
                int(pair.site.get("/remembered/", port=port).text) for port in pair.ports
            ],
        )
        return
    redis = pytest.importorskip("redis", reason="pip install wagtail-smart-resize[storages]")
    server = redis.Redis.from_url(REDIS)
    try:
        server.ping()
    except redis.ConnectionError as error:
        pytest.skip(f"no Redis at {REDIS}, or STORAGES_REDIS: {error}")
    ours = f"{environment['STORAGES_PREFIX']}*"
    yield environment, lambda pair: [len(list(server.scan_iter(ours)))]
    for key in server.scan_iter(ours):
        server.delete(key)
    server.close()


@pytest.fixture
def pair(template, cache, tmp_path):
    environment, remembered = cache
    with SandboxGateway() as gateway:
        site = Site(
            tmp_path,
            template.copy(tmp_path),
            gateway.url,
            DJANGO_SETTINGS_MODULE="suites.storages.cache_settings",
            SERVERS_RUNNER="thread",
            **environment,
        )
        try:
            pair = Pair(site)
            yield pair
            assert all(remembered(pair))
        except AssertionError as error:
            raise AssertionError(f"{error}\n{site.log()}") from error
        finally:
            site.close()


def test_what_goes_live_in_one_process_is_soon_shown_by_the_other(pair):
    crops = pair.shown(pair.other)
    assert pair.shown(pair.busy) == crops
    recomposed = pair.until_both_show_others(crops)
    for _round in range(2):
        pair.act("crop")
        pair.until_both_show(lambda shown: shown == crops)
        pair.act("choose")
        pair.until_both_show(lambda shown: shown == recomposed)
    assert pair.answer([*crops, *recomposed]) == {200}


def test_no_process_remembers_an_address_whose_file_is_deleted(pair):
    crops = pair.shown(pair.other)
    pair.shown(pair.busy)
    shown = pair.until_both_show_others(crops)
    pair.act("repair")
    assert pair.answer(crops) == {404}
    dead = set(crops)
    for what in ("crop", "choose", "crop", "choose"):
        retired = shown
        pair.act(what)
        shown = pair.until_both_show_others([*retired, *dead])
        assert pair.answer(shown) == {200}
        pair.act("repair")
        assert pair.answer(retired) == {404}
        dead |= set(retired)
