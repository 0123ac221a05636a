"""Helpers for sites of real processes: servers, workers, a database."""

import contextlib
import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

import pytest
from suites.races.databases import DATABASES
from suites.servers.harness import Site

from wagtail_smart_resize.models import Candidate, GatewayRequest, ImageVersion

#: Photographs on a page.
PER_PAGE = 20


@contextlib.contextmanager
def database(directory: Path) -> Iterator[tuple[str, str]]:
    """Yield the kind of a fresh database, and its URL: PostgreSQL where there is a server."""
    with contextlib.ExitStack() as stack:
        try:
            kind, url = "PostgreSQL", stack.enter_context(DATABASES["PostgreSQL"](directory))
        except pytest.skip.Exception:
            kind, url = "SQLite", stack.enter_context(DATABASES["SQLite"](directory))
        yield kind, url


def with_settings(settings: str = "", **ours: object) -> str:
    """Return lines for the end of a site's settings: our defaults, except for these.

    The tests' own sites poll more often, and ask for small pictures.
    """
    lines = [
        settings,
        "from suites.servers.settings import WAGTAIL_SMART_RESIZE as _theirs",
        "WAGTAIL_SMART_RESIZE = {",
        '    **{name: _theirs[name] for name in _theirs if name not in {"POLL_INTERVAL"}},',
        f"    **{ours!r},",
        "}",
    ]
    return "\n".join(lines) + "\n"


def want(site: Site, photos: int, specs: list[str], port: int = 0, *, first: int = 1) -> None:
    """View pages with all photographs in these specs, as their first visitor.

    `first` is the first of the photographs, `port` that of the process that shows the pages.
    """
    for start in range(first, photos + 1, PER_PAGE):
        numbers = range(start, min(start + PER_PAGE, photos + 1))
        query = [("photo", str(number)) for number in numbers] + [("spec", spec) for spec in specs]
        answer = site.get(f"/pictures/?{urlencode(query)}", port)
        assert answer.status == 200, site.log()


class Progress(NamedTuple):
    """The site's progress with what was wanted."""

    began: float
    """When the first request was written, in seconds since the epoch."""
    waiting: int
    """Requests that the gateway works on."""
    stored: int
    """Pictures that are stored."""
    requests_left: int
    flips_left: int


def progress(site: Site, after: int = 0) -> Progress:
    """Return the progress of the requests with an id above `after`."""
    ours = f"FROM {GatewayRequest._meta.db_table} WHERE id > {after}"
    candidates, versions = Candidate._meta.db_table, ImageVersion._meta.db_table
    [(began, waiting, left, stored, flips)] = site.sql(
        f"SELECT (SELECT min(created_at) {ours}),"
        f" (SELECT count(*) {ours} AND status = 'sent'),"
        f" (SELECT count(*) {ours} AND status NOT IN ('done', 'failed', 'unknown')),"
        f" (SELECT count(*) FROM {candidates} WHERE stored AND request_id > {after}),"
        f" (SELECT count(*) FROM {versions} WHERE publish_due_at IS NOT NULL)"
    )
    if isinstance(began, str):
        began = dt.datetime.fromisoformat(began).replace(tzinfo=dt.UTC)
    return Progress(began.timestamp() if began else 0, waiting, stored, left, flips)


def status(pid: int, name: str) -> int:
    """Return a figure of /proc/PID/status, such as the threads, or the memory in KB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise LookupError(name)
