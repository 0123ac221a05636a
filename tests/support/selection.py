"""Markers that follow from what a test is, so that `pytest -m` selects by them and none is missed.

- ``ordinary``: of none of the larger suites. What a plain ``pytest`` runs.
- ``versions``: ordinary, and depends on the versions of Django and Wagtail. What touches the
  database does; of the rest, modules say ``pytestmark = pytest.mark.any_version`` where it doesn't.
- ``transactions``: ordinary, and commits. What another database may answer differently.
"""

import pytest

#: Each has a command of its own: see CONTRIBUTING.md.
SUITES = {
    "browser",
    "crashes",
    "engines",
    "faults",
    "races",
    "servers",
    "soak",
    "storages",
    "stranger",
}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Before pytest looks which tests `-m` selects."""
    for item in items:
        for name in _markers(item):
            item.add_marker(name)


def _markers(item: pytest.Item) -> set[str]:
    if any(marker.name in SUITES for marker in item.iter_markers()):
        return set()
    markers = {"ordinary"}
    if _uses_database(item) or item.get_closest_marker("any_version") is None:
        markers.add("versions")
    if _commits(item):
        markers.add("transactions")
    return markers


def _uses_database(item: pytest.Item) -> bool:
    return item.get_closest_marker("django_db") is not None or "db" in item.fixturenames


def _commits(item: pytest.Item) -> bool:
    marker = item.get_closest_marker("django_db")
    asked = marker is not None and marker.kwargs.get("transaction", False)
    return asked or not {"transactional_db", "live_server"}.isdisjoint(item.fixturenames)


def pytest_runtest_setup(item: pytest.Item) -> None:
    from django.db import connection

    if item.get_closest_marker("postgresql") and connection.vendor != "postgresql":
        pytest.skip("needs PostgreSQL: set DATABASE_URL=postgres://...")
