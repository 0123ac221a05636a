from typing import Any

from wagtail.contrib.frontend_cache.backends.base import BaseBackend


class NullBackend(BaseBackend):
    """A front-end cache that accepts every purge and keeps no list of them, which would grow."""

    def purge(self, url: str) -> None:
        pass

    def purge_batch(self, urls: Any) -> None:
        pass
