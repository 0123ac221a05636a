"""Pytest plugin with the fixture `smart_resize`.

Load it by `pytest_plugins = ["wagtail_smart_resize.testing.fixtures"]`. It needs pytest-django.
Nothing of Django is imported before a test requests the fixture.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from wagtail_smart_resize.core.site_image import SiteImage


@pytest.fixture
def smart_resize(db: None) -> Iterator[Callable[..., Any]]:
    """Provide `wagtail_smart_resize.testing.recomposed`, and delete its files after the test."""
    from . import recomposed

    candidates = []

    def make(image: SiteImage, spec: str, picture: bytes | None = None) -> Any:
        candidate = recomposed(image, spec, picture)
        candidates.append(candidate)
        return candidate

    yield make
    for candidate in candidates:
        candidate.file.storage.delete(candidate.file_name)
