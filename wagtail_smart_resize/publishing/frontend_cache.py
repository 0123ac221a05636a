"""The front-end cache, which holds pages with the former picture's URL."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.apps import apps

from wagtail_smart_resize.core import database
from wagtail_smart_resize.models import ImageVersion
from wagtail_smart_resize.rules import usage


class PurgeFailed(Exception):
    """The front-end cache did not take a purge."""


def purge_pages(version: ImageVersion) -> None:
    """Purge the pages that use the image from the front-end cache, if the site has one.

    Raise PurgeFailed, or what the cache's backend raises; then the purge stays due.
    """
    if apps.is_installed("wagtail.contrib.frontend_cache"):
        from wagtail.contrib.frontend_cache.utils import PurgeBatch

        image = database.site_images(with_hidden=True).filter(pk=version.pk).first()
        if image is not None:
            batch = PurgeBatch()
            batch.add_pages(usage.pages_using(image))
            _purge(list(batch.urls))
    version.update_if(where={"purge_due_at": version.purge_due_at}, purge_due_at=None)


def _purge(urls: list[str]) -> None:
    """Purge the URLs here and now, as Wagtail's task does.

    `PurgeBatch.purge` enqueues that task, of which nobody would learn what became of it.
    """
    from wagtail.contrib.frontend_cache.tasks import purge_urls_from_cache_task

    if urls:
        with _errors_raised():
            purge_urls_from_cache_task.call(urls)


@contextmanager
def _errors_raised() -> Iterator[None]:
    """Raise PurgeFailed for what Wagtail's backends only log as an error, all of it."""
    noted = _Errors()
    log = logging.getLogger("wagtail.frontendcache")
    log.addHandler(noted)
    try:
        yield
    finally:
        log.removeHandler(noted)
    if noted.messages:
        raise PurgeFailed("; ".join(noted.messages))


class _Errors(logging.Handler):
    """Keeps the errors that this thread logs."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self.messages.append(record.getMessage())
