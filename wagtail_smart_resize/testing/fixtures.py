"""Pytest plugin with the fixture `smart_resize`.

Load it by `pytest_plugins = ["wagtail_smart_resize.testing.fixtures"]`. It needs pytest-django.
Nothing of Django is imported before a test requests the fixture.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest


@pytest.fixture
def smart_resize(db: None) -> Iterator[Callable[..., Any]]:
    """Provide `wagtail_smart_resize.testing.recomposed`, and delete its files after the test."""
    from . import recomposed

    files = []

    def make(image: Any, spec: str, picture: bytes | None = None) -> Any:
        candidate = recomposed(image, spec, picture)
        files.append(candidate.file)
        return candidate

    yield make
    for file in files:
        file.storage.delete(file.name)
