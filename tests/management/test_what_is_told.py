"""What goes wrong, and where its cause is named: checks, status, log and admin.

docs/evidence/operations.md holds the table. `TOLD_TABLE=write` writes it there.
"""

import datetime as dt
import io
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.core import checks
from django.core.files.storage import InMemoryStorage
from django.core.management import CommandError, call_command
from django.core.management.base import SystemCheckError
from django.urls import reverse
from django.utils import timezone
from support.factories import live, plain_image, published_page, recomposition
from support.gateways import answering
from support.paths import DOCS
from support.purchases import want

from wagtail_smart_resize.editorial import lost_files
from wagtail_smart_resize.gateway.client import GatewayClient
from wagtail_smart_resize.models import (
    GatewayRequest,
    ImageVersion,
    PipelineState,
    Recomposition,
)
from wagtail_smart_resize.sandbox.responses import Reply

pytestmark = pytest.mark.django_db(transaction=True)

LOGGER = "wagtail_smart_resize"
PAGE = DOCS / "evidence" / "operations.md"
BEGIN, END = "<!-- table: begin -->\n", "<!-- table: end -->"


class Scene:
    """A site with a sandbox, to which something happens."""

    def __init__(self, gateway, run, settings, monkeypatch):
        self.gateway = gateway
        self.run = run
        self.settings = settings
        self.monkeypatch = monkeypatch

    def configure(self, **changes):
        self.settings.WAGTAIL_SMART_RESIZE = {**self.settings.WAGTAIL_SMART_RESIZE, **changes}

    def want(self, count=1):
        return [want(plain_image(400, 300), "200x200")[0] for _ in range(count)]

    def buy(self, count=1):
        """Want images one after the other, and see what becomes of each."""
        for _ in range(count):
            self.want()
            self.run()


@dataclass(frozen=True)
class Told:
    """What happens, and what names its cause; "" where there is nothing to see."""

    name: str
    happen: Callable[[Scene], object]
    check: str = ""
    level: str = "ok"
    status: int = 0
    says: str = ""
    log: str = ""
    admin: str = ""


def answers(word, count=1, where=None):
    def happen(scene):
        scene.gateway.misbehave(word, where=where)
        scene.buy(count)

    return happen


def configured(**changes):
    return lambda scene: scene.configure(**changes)


def django(**changes):
    def happen(scene):
        scene.configure(SOURCE_BASE_URL=None)
        for name, value in changes.items():
            setattr(scene.settings, name, value)
        scene.buy()

    return happen


def nobody_answers(scene):
    nowhere = GatewayClient("key", "http://127.0.0.1:9/smart-resize/v1", timeout=(2, 2))
    scene.monkeypatch.setattr(GatewayClient, "from_settings", lambda: nowhere)
    scene.want(6)
    scene.run()


def closed(status):
    def happen(scene):
        with answering(Reply(status, b"no", "text/plain")) as site:
            scene.configure(SOURCE_BASE_URL=site.origin)
            scene.buy()

    return happen


def fetched_and_failed(scene):
    answers("FAILED", 4)(scene)
    GatewayRequest.objects.update(source_fetched_at=timezone.now())
    scene.buy()


def storage_away(scene):
    (row,) = scene.want()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(row.image), "open_file", _raising)
        scene.run()


def _raising(self):
    raise ConnectionError("the storage is away")


def nobody_works(scene):
    long_ago = timezone.now() - dt.timedelta(hours=1)
    recomposition(plain_image(), next_attempt_at=long_ago)
    PipelineState.get_current().update_if(where={}, last_pass_at=long_ago)


def stopped(scene):
    call_command("smart_resize_buying", "stop", verbosity=0)


def used_up(scene):
    scene.configure(DAILY_LIMIT=1)
    scene.buy(2)


def lost_file(scene):
    candidate = live(plain_image())
    candidate.file.storage.delete(candidate.file_name)
    for loss in lost_files.losses(Recomposition.objects.current()):
        lost_files.note(loss)


class NoAddress(InMemoryStorage):
    def url(self, name):
        return f"/media/{name}"


class Full(InMemoryStorage):
    def _save(self, name, content):
        raise OSError("No space left on device")


def source_storage(storage):
    def happen(scene):
        scene.configure(SOURCE_STORAGE=storage)
        scene.buy()

    return happen


def cache_away(scene):
    """A front-end cache that takes no purge, ten minutes after a flip."""
    scene.settings.WAGTAILFRONTENDCACHE = {
        "varnish": {
            "BACKEND": "wagtail.contrib.frontend_cache.backends.HTTPBackend",
            "LOCATION": "http://127.0.0.1:9",
        }
    }
    image = plain_image()
    published_page(image)
    live(image)
    scene.run(passes=2)
    long_ago = timezone.now() - dt.timedelta(minutes=10)
    ImageVersion.objects.filter(pk=image.pk).update(published_at=long_ago)


def no_key(scene):
    scene.configure(API_KEY="")
    recomposition(plain_image(), waiting_reason="no_key")


REMOTE = "https://gateway.pixazo.ai/smart-resize/v1"

ROWS = [
    Told("no API key", no_key, "W001", "warning", 1, "has no API key", "", "has no API key"),
    Told(
        "a key that the service does not know",
        answers("401"),
        "",
        "critical",
        2,
        "does not accept the site's key",
        "http_401",
        "does not accept the site&#x27;s key",
    ),
    Told(
        "an empty account",
        answers("402"),
        "",
        "critical",
        2,
        "balance of the site's account",
        "http_402",
        "balance of the site&#x27;s account",
    ),
    Told(
        "a key that may not do this",
        answers("403"),
        "",
        "critical",
        2,
        "forbids this to the site's key",
        "http_403",
        "forbids this to the site&#x27;s key",
    ),
    Told(
        "`BASE_URL` without `/v1`",
        lambda scene: (
            answers("404")(scene),
            scene.configure(BASE_URL="https://gateway.pixazo.ai/smart-resize"),
        ),
        "W013",
        "critical",
        2,
        "Most likely BASE_URL is wrong: it is https://gateway.pixazo.ai/smart-resize.",
        "http_404",
        "Most likely BASE_URL is wrong",
    ),
    Told(
        "`BASE_URL` with the endpoint",
        configured(BASE_URL=f"{REMOTE}/smart-resize-request"),
        "W013",
    ),
    Told("`BASE_URL` with http", configured(BASE_URL="http://gateway.example/v1"), "E002"),
    Told(
        "`BASE_URL` without a scheme",
        configured(BASE_URL="gateway.pixazo.ai/smart-resize/v1"),
        "E001",
    ),
    Told(
        "a service that can't be reached",
        nobody_answers,
        "",
        "critical",
        2,
        "The service can't be reached.",
        "refused",
        "The service can&#x27;t be reached.",
    ),
    Told(
        "a service that is out of order",
        answers("503", 6),
        "",
        "critical",
        2,
        "says that it is out of order",
        "http_503",
        "says that it is out of order",
    ),
    Told(
        "a proxy that answers in its place",
        answers("502", 6, "submit"),
        "",
        "critical",
        2,
        "Look at the purchases of unknown outcome",
        "unknown",
        "answers can&#x27;t be read",
    ),
    Told(
        "a service that asks for a pause",
        answers("429"),
        "",
        "ok",
        0,
        "pauses until",
        "asks for a pause",
        "asked for a pause",
    ),
    Told(
        "a service that fails each picture",
        fetched_and_failed,
        "",
        "critical",
        2,
        "One image after the other has failed",
        "failing",
        "One image after the other has failed",
    ),
    Told(
        "a service that can't fetch from the site",
        answers("FAILED", 5),
        "",
        "critical",
        2,
        "the service can't reach this site",
        "not_fetched",
        "fetched none of them",
    ),
    Told(
        "two failures in a row",
        answers("FAILED", 2),
        "",
        "warning",
        1,
        "2 images in a row have failed",
        "failed",
        "2 images in a row have failed",
    ),
    Told(
        "a site behind a password",
        closed(401),
        "",
        "critical",
        2,
        "could not get the image from this site",
        "source_401",
        "could not get the image from this site",
    ),
    Told(
        "a site without an address",
        django(WAGTAILADMIN_BASE_URL=None),
        "E003",
        "critical",
        2,
        "could not get the image from this site",
        "no_address",
        "could not get the image from this site",
    ),
    Told(
        "the address that a new site starts with",
        lambda scene: (
            setattr(scene.settings, "WAGTAILADMIN_BASE_URL", "http://example.com"),
            scene.configure(BASE_URL=REMOTE),
        ),
        "W003",
    ),
    Told(
        "localhost, and a service elsewhere",
        configured(SOURCE_BASE_URL="http://localhost:8000", BASE_URL=REMOTE),
        "W003",
    ),
    Told(
        "the app's URLs not included",
        django(ROOT_URLCONF="no_urls"),
        "W002",
        "critical",
        2,
        "could not get the image from this site",
        "no_urls",
    ),
    Told(
        "a storage that does not give the images' files",
        storage_away,
        "",
        "warning",
        1,
        "storage does not give the files",
        "Can't read the file",
        "storage does not give the files",
    ),
    Told(
        "a used-up budget",
        used_up,
        "",
        "ok",
        0,
        "1 of 1",
        "The budget of the day is used up",
        "Budget used up",
    ),
    Told(
        "a runner that nobody started",
        nobody_works,
        "",
        "critical",
        2,
        "Nothing does the work",
        "",
        "Nothing does the work",
    ),
    Told(
        "buying stopped by a person",
        stopped,
        "",
        "warning",
        1,
        "stopped on the command line",
        "All buying was stopped",
        "stopped on the command line",
    ),
    Told(
        "several candidates, and nobody to choose",
        configured(CANDIDATES=3, REVIEW=False),
        "W014",
    ),
    Told(
        "a limit of the day above the month's",
        configured(DAILY_LIMIT=100, MONTHLY_LIMIT=10),
        "W015",
    ),
    Told("a storage that isn't there", configured(CANDIDATE_STORAGE="private"), "E001"),
    Told(
        "a `SOURCE_STORAGE` whose files have no address",
        source_storage(NoAddress(base_url="/media/")),
        "E006",
        "critical",
        2,
        "no address on the network",
        "source_storage",
        "can&#x27;t be put where the service fetches it",
    ),
    Told(
        "a `SOURCE_STORAGE` that takes no file",
        source_storage(Full(base_url="https://pictures.example.org/")),
        "",
        "critical",
        2,
        "No space left on device",
        "source_storage",
        "can&#x27;t be put where the service fetches it",
    ),
    Told(
        "a front-end cache that takes no purge",
        cache_away,
        "",
        "warning",
        1,
        "has not let pages be purged",
        "A step of the pipeline failed",
        "has not let pages be purged",
    ),
    Told("no limit at all", configured(DAILY_LIMIT=None), "E001"),
    Told(
        "the file of a live picture lost",
        lost_file,
        "",
        "warning",
        1,
        "live pictures of 1 images",
    ),
]


@pytest.fixture
def scene(gateway, run, settings, monkeypatch):
    settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, "REVIEW": False}
    # Without ours, for the row about them.
    import sys
    import types

    without = types.ModuleType("no_urls")
    without.urlpatterns = []
    monkeypatch.setitem(sys.modules, "no_urls", without)
    return Scene(gateway, run, settings, monkeypatch)


def status() -> tuple[int, str, str]:
    """Return the exit status, the level and the whole text; settings that can't be used raise."""
    out, code = io.StringIO(), 0
    try:
        call_command("smart_resize_status", stdout=out)
    except SystemExit as end:
        code = end.code
    except CommandError as error:
        return error.returncode, "", str(error)
    text = out.getvalue()
    return code, text.split("\n")[0].split()[-1], text


def said(records: list[logging.LogRecord]) -> str:
    ours = [each for each in records if each.name.startswith(LOGGER)]
    return "\n".join(
        f"{each.levelname} {getattr(each, 'code', '')} {each.getMessage()}" for each in ours
    )


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_cause_is_named(scene: Scene, client: Any, people: Any, caplog: Any, row: Told) -> None:
    caplog.set_level(logging.INFO, LOGGER)
    row.happen(scene)
    found = [each.id for each in checks.run_checks(tags=["smart_resize"])]
    if row.check:
        assert f"wagtail_smart_resize.{row.check}" in found
    if row.check == "E001":
        with pytest.raises(SystemCheckError, match=r"WAGTAIL_SMART_RESIZE\[\"\w+\"\]: "):
            call_command("smart_resize_status", skip_checks=False)
        return
    code, level, text = status()
    assert (code, level) == (row.status, row.level)
    assert row.says in text
    assert row.log in said(caplog.records)
    if row.admin:
        client.force_login(people.superuser)
        assert row.admin in client.get(reverse("smart_resize_admin:report")).content.decode()
    assert row.check or row.says


def test_there_are_more_than_twenty() -> None:
    assert len(ROWS) > 20


def test_the_page_holds_the_table() -> None:
    lines = [
        "| What is wrong | `check` | `status` | The log | The admin |",
        "|---|---|---|---|---|",
    ]
    for row in ROWS:
        level = f"{row.level}, {row.status}" if row.says else ""
        told = "ends with the check's words" if row.check == "E001" else f"{level}: {row.says}"
        cells = (
            row.name,
            row.check,
            told if row.says or row.check == "E001" else "",
            row.log,
            row.admin.replace("&#x27;", "'"),
        )
        lines.append("| " + " | ".join(cells) + " |")
    table = "\n".join(lines) + "\n"
    page = PAGE.read_text()
    before, rest = page.split(BEGIN)
    held, after = rest.split(END)
    if os.environ.get("TOLD_TABLE") == "write":
        PAGE.write_text(before + BEGIN + table + END + after)
    else:
        assert held == table, "TOLD_TABLE=write pytest tests/management/test_what_is_told.py"
