"""A backend for django-imagekit that makes its files in a thread.

Its own backends use Celery, RQ or Dramatiq; this one is for a site that has none of these.
"""

from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from imagekit.cachefiles.backends import BaseAsync

_pool = ThreadPoolExecutor(1)
_futures: list[Future[None]] = []


class Threaded(BaseAsync):
    def schedule_generation(self, file: Any, force: bool = False) -> None:
        _futures.append(_pool.submit(self.generate_now, file, force=force))


def settle() -> None:
    """Wait until all scheduled files are made."""
    wait(_futures)
    for future in _futures:
        future.result()
    _futures.clear()
