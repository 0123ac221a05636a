"""Adds the markers that follow from a test's properties, by which `pytest -m` selects.

- ``ordinary``: in none of the larger suites. What a plain ``pytest`` runs.
- ``versions``: ordinary, and depends on the versions of Django and Wagtail. Tests that use the
  database do; other modules say ``pytestmark = pytest.mark.any_version`` if they don't.
- ``transactions``: ordinary, and commits. Another database may behave differently there.
"""

import pytest

#: The larger suites; CONTRIBUTING.md has a command for each.
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
    """Add the markers before pytest applies `-m`."""
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
