"""Cache of what is published, kept by each process to avoid a query per image.

It is loaded once. Then the counter of flips is read, every two seconds at most, and whenever it
differs everything is loaded again.
"""

import os
import threading
import time
import weakref
from collections import OrderedDict
from typing import Any, NamedTuple

from django.apps import apps
from django.core.exceptions import SynchronousOnlyOperation
from django.db import DatabaseError, connections, transaction
from django.db.models import Subquery

from wagtail_smart_resize.core import database
from wagtail_smart_resize.core.logs import get_logger
from wagtail_smart_resize.core.schema import schema

from .published import NOTHING_PUBLISHED, PublishedEntry, PublishedState

logger = get_logger(__name__)


class CachedImage:
    """An image in a snapshot: the stored list of what is live, and the hash of its source file."""

    __slots__ = ("_live", "_stored", "source_hash")

    def __init__(self, stored: list[Any], source_hash: str) -> None:
        self._stored = stored
        self.source_hash = source_hash
        self._live: PublishedState | None = None

    @property
    def live(self) -> PublishedState:
        """Parsed on first use: most images of a large site are never asked for."""
        if self._live is None:
            entries = map(PublishedEntry.from_json, self._stored)
            self._live = PublishedState(entries, self.source_hash)
        return self._live


class Snapshot(NamedTuple):
    """What is live: all of it if `complete`, else the images published last.

    `flips` is the value of the counter of flips at that time.
    """

    flips: int
    rows: dict[Any, CachedImage]
    complete: bool


class PublishedCache:
    """What this process knows about what is live."""

    #: Seconds between two refreshes.
    REFRESH_SECONDS = 2.0
    #: Maximum number of images in a snapshot; beyond it, images are looked up one by one.
    MAX_IMAGES = 20_000
    #: Maximum number of single look-ups that are cached.
    MAX_SINGLE_IMAGES = 2_000

    def __init__(self) -> None:
        self.reset()

    def reset(self, **_kwargs: Any) -> None:
        """Forget everything: after a fork, and when the tables were migrated or flushed."""
        self.lock = threading.Lock()
        self.known: Snapshot | None = None
        self.single_images: OrderedDict[Any, CachedImage | None] = OrderedDict()
        self.next_refresh = 0.0
        #: Connections whose open transaction has a snapshot of its own.
        self._holding: weakref.WeakSet[Any] = weakref.WeakSet()

    def live(self, image_id: Any, source_hash: str) -> PublishedState:
        """Return what is live for the image's present file. A blank hash means nothing is live."""
        if not source_hash:
            return NOTHING_PUBLISHED
        row = self._row(image_id)
        return row.live if row and row.source_hash == source_hash else NOTHING_PUBLISHED

    def flipped(self, using: str) -> None:
        """Let the next render refresh, since this process flipped on the database `using`."""
        self._discard_snapshot(connections[using])
        self.next_refresh = 0.0

    def _row(self, image_id: Any) -> CachedImage | None:
        try:
            known = self._current()
            if known.complete or image_id in known.rows:
                return known.rows.get(image_id)
            return self._look_up(image_id)
        except SynchronousOnlyOperation:
            self.next_refresh = 0.0
        except DatabaseError:
            if not schema.is_still_current():
                return None
            logger.warning("Can't look up what is live; going on with what is known")
        return self.known.rows.get(image_id) if self.known else None

    def _current(self) -> Snapshot:
        # Fast path: called for every image of every page, and nearly always sufficient.
        if self.known is not None and not self._holding and time.monotonic() < self.next_refresh:
            return self.known
        if not schema.is_current():
            return Snapshot(0, {}, complete=True)
        connection = connections[database.alias()]
        if connection.in_atomic_block:
            return self._current_in_transaction(connection)
        self._discard_snapshot(connection)
        if self.known is not None and time.monotonic() < self.next_refresh:
            return self.known
        # Where there is a snapshot already, the other threads use that instead of waiting.
        if not self.lock.acquire(blocking=self.known is None):
            return self.known or Snapshot(0, {}, complete=True)
        try:
            if self.known is None or time.monotonic() >= self.next_refresh:
                self.next_refresh = time.monotonic() + self.REFRESH_SECONDS
                self.known = self._refresh(self.known)
            return self.known
        finally:
            self.lock.release()

    def _current_in_transaction(self, connection: Any) -> Snapshot:
        """Return the connection's snapshot: a transaction shares what it sees only on commit."""
        kept = connection.__dict__.get("_smart_resize_snapshot")
        if kept and any(entry[1] is kept[1] for entry in connection.run_on_commit):
            return kept[0]
        now = time.monotonic()
        if self.known is not None and now < self.next_refresh:
            return self.known
        if self.known is not None:
            self.next_refresh = now + self.REFRESH_SECONDS
        # In a savepoint: a query that fails must not abort the visitor's transaction.
        with transaction.atomic(using=connection.alias):
            known = self._refresh(self.known)
        self._keep_for_transaction(connection, known)
        return known

    def _keep_for_transaction(self, connection: Any, known: Snapshot) -> None:
        def join() -> None:
            self._discard_snapshot(connection)
            if connection.in_atomic_block:
                return  # A test executes the callbacks of a transaction that it will roll back.
            with self.lock:
                older = self.known is not None and known.flips < self.known.flips
                if not older:
                    self.known = known
            # Either the transaction's snapshot of the database was old, or the database was
            # restored: a refresh outside a transaction finds out.
            self.next_refresh = 0.0 if older else time.monotonic() + self.REFRESH_SECONDS

        connection.on_commit(join)
        connection.__dict__["_smart_resize_snapshot"] = (known, join)
        self._holding.add(connection)

    def _discard_snapshot(self, connection: Any) -> None:
        connection.__dict__.pop("_smart_resize_snapshot", None)
        self._holding.discard(connection)

    def _refresh(self, base: Snapshot | None) -> Snapshot:
        """Return `base` if nothing was published since, else what is live now."""
        # Counted first: what is published between the two queries is read again next time.
        flips = 0 if base is None else self._counter().current()
        if base is not None and base.flips == flips:
            return base
        # Each row brings the counter along, so that the first look is one query.
        rows = list(
            self._published()
            .annotate(flips=Subquery(self._counter().values("value")[:1]))
            .order_by("-published_at")[: self.MAX_IMAGES + 1]
        )
        self.single_images = OrderedDict()
        images = {row[0]: CachedImage(*row[1:3]) for row in rows[: self.MAX_IMAGES]}
        complete = len(rows) <= self.MAX_IMAGES
        return Snapshot(rows[0][3] if rows else flips, images, complete)

    def _look_up(self, image_id: Any) -> CachedImage | None:
        """Look up one image, on a site with more live images than a snapshot holds."""
        if image_id in self.single_images:
            return self.single_images[image_id]
        connection = connections[database.alias()]
        with transaction.atomic(using=connection.alias, durable=False):
            found = self._published().filter(pk=image_id).first()
        row = CachedImage(*found[1:]) if found else None
        if not connection.in_atomic_block:
            self.single_images[image_id] = row
            while len(self.single_images) > self.MAX_SINGLE_IMAGES:
                self.single_images.popitem(last=False)
        return row

    def _counter(self) -> Any:
        return _model("PublicationCounter").objects.filter(pk=1)

    def _published(self) -> Any:
        versions = _model("ImageVersion").objects
        return versions.exclude(published_at=None).values_list("pk", "live", "source_hash")


def _model(name: str) -> Any:
    """Return the model by its name: its module imports this package for the accessor."""
    return apps.get_model("wagtail_smart_resize", name)


process_cache = PublishedCache()
os.register_at_fork(after_in_child=process_cache.reset)
