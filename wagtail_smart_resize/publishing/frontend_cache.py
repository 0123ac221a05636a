"""The front-end cache, which holds pages with the former picture's URL."""

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from operator import or_

from django.apps import apps
from django.db.models import Q

from wagtail_smart_resize.core import database
from wagtail_smart_resize.models import ImageVersion
from wagtail_smart_resize.rules import usage


class PurgeFailed(Exception):
    """The front-end cache did not take a purge."""


def is_used() -> bool:
    """Return whether the site has Wagtail's front-end cache."""
    return apps.is_installed("wagtail.contrib.frontend_cache")


def purge_pages(versions: Sequence[ImageVersion]) -> None:
    """Purge the pages that use the images from the front-end cache, if the site has one.

    Raise PurgeFailed, or what the cache's backend raises; then the purges stay due.
    """
    if is_used():
        from wagtail.contrib.frontend_cache.utils import PurgeBatch

        keys = [version.pk for version in versions]
        images = database.site_images(with_hidden=True).filter(pk__in=keys)
        batch = PurgeBatch()
        batch.add_pages(usage.pages_using(*images))
        _purge(list(batch.urls))
    # One that was flipped again meanwhile is due later.
    done = [Q(pk=version.pk, purge_due_at=version.purge_due_at) for version in versions]
    rows = ImageVersion.objects.filter(pk__in=[version.pk for version in versions])
    rows.update_in_order(reduce(or_, done), purge_due_at=None)


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
