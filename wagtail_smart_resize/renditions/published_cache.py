"""What this process knows of what is published, without a query per image.

It is read once and then kept up to date by asking, at most every two seconds, which flips came
since the last one known. Flips are numbered in the order in which they were committed; no clock is
compared.
"""

import logging
import os
import threading
import time
import weakref
from collections import OrderedDict
from typing import Any, NamedTuple

from django.apps import apps
from django.core.exceptions import SynchronousOnlyOperation
from django.db import DatabaseError, connections, router, transaction

from .published import EMPTY, Entry, Live

logger = logging.getLogger(__name__)


class Told:
    """What a look told of one image: the list that is stored, and the file that it is for."""

    __slots__ = ("_live", "source_hash", "stored")

    def __init__(self, stored: list[Any], source_hash: str) -> None:
        self.stored = stored
        self.source_hash = source_hash
        self._live: Live | None = None

    def says(self, stored: list[Any], source_hash: str) -> bool:
        return (self.stored, self.source_hash) == (stored, source_hash)

    @property
    def live(self) -> Live:
        """Read when it is first asked for: most images of a large site never are."""
        if self._live is None:
            self._live = Live(map(Entry.load, self.stored), self.source_hash)
        return self._live


class Known(NamedTuple):
    """What one look, and those before it, told. `rows` holds all that is live if `complete`."""

    cursor: int
    sentinel: Any
    rows: dict[Any, Told]
    complete: bool


class Memory:
    """What this process knows of what is live."""

    #: Seconds between two looks.
    INTERVAL = 2.0
    #: So many images are known at once; beyond that, single images are looked up.
    MOST = 20_000
    #: So many single look-ups are remembered.
    MOST_SINGLES = 2_000

    def __init__(self) -> None:
        self.reset()

    def reset(self, **_kwargs: Any) -> None:
        """Forget all: after a fork, and when the tables were migrated or flushed."""
        self.lock = threading.Lock()
        self.known: Known | None = None
        self.singles: OrderedDict[Any, Told | None] = OrderedDict()
        self.next_look = 0.0
        #: The connections whose transactions keep a look of their own.
        self._keeping: weakref.WeakSet[Any] = weakref.WeakSet()

    def live(self, image_id: Any, source_hash: str) -> Live:
        """What is live for the image as its file is now. A blank hash counts as none."""
        if not source_hash:
            return EMPTY
        row = self._row(image_id)
        return row.live if row and row.source_hash == source_hash else EMPTY

    def flipped(self, using: str) -> None:
        """This process has just flipped: let the next render look again."""
        self._let_go(connections[using])
        self.next_look = 0.0

    def _row(self, image_id: Any) -> Told | None:
        try:
            known = self._current()
            if known.complete or image_id in known.rows:
                return known.rows.get(image_id)
            return self._single(image_id)
        except SynchronousOnlyOperation:
            self.next_look = 0.0
        except DatabaseError:
            logger.warning("Can't look up what is live; going on with what is known")
        return self.known.rows.get(image_id) if self.known else None

    def _current(self) -> Known:
        # Asked for every picture of every page, and nearly always all that there is to do.
        if self.known is not None and not self._keeping and time.monotonic() < self.next_look:
            return self.known
        connection = connections[self.alias()]
        if connection.in_atomic_block:
            return self._current_in_transaction(connection)
        self._let_go(connection)
        if self.known is not None and time.monotonic() < self.next_look:
            return self.known
        # Where something is known already, the other threads go on with that.
        if not self.lock.acquire(blocking=self.known is None):
            return self.known or Known(0, None, {}, True)
        try:
            if self.known is None or time.monotonic() >= self.next_look:
                self.next_look = time.monotonic() + self.INTERVAL
                self.known = self._look(self.known)
            return self.known
        finally:
            self.lock.release()

    def _current_in_transaction(self, connection: Any) -> Known:
        """What a transaction sees stays with its connection until it is committed."""
        look = connection.__dict__.get("_smart_resize_look")
        if look and any(entry[1] is look[1] for entry in connection.run_on_commit):
            return look[0]
        now = time.monotonic()
        if self.known is not None and now < self.next_look:
            return self.known
        if self.known is not None:
            self.next_look = now + self.INTERVAL
        # In a savepoint: a query that fails must not abort the visitor's transaction.
        with transaction.atomic(using=connection.alias):
            known = self._look(self.known)
        self._keep_with(connection, known)
        return known

    def _keep_with(self, connection: Any, known: Known) -> None:
        def join() -> None:
            self._let_go(connection)
            if connection.in_atomic_block:
                return  # A test runs the callbacks of a transaction that it will roll back.
            with self.lock:
                older = self.known is not None and known.cursor < self.known.cursor
                if not older:
                    self.known = known
            # An old snapshot, or a restored database: a look outside a transaction tells.
            self.next_look = 0.0 if older else time.monotonic() + self.INTERVAL

        transaction.on_commit(join, using=connection.alias)
        connection.__dict__["_smart_resize_look"] = (known, join)
        self._keeping.add(connection)

    def _let_go(self, connection: Any) -> None:
        connection.__dict__.pop("_smart_resize_look", None)
        self._keeping.discard(connection)

    def _look(self, base: Known | None) -> Known:
        """Ask what flipped since `base`; read all again where its last flip is gone."""
        if base is None:
            return self._load()
        rows = list(self._flips().filter(seq__gte=base.cursor)[: self.MOST])
        if base.cursor and not self._continues(base, rows):
            return self._load()
        if len(rows) == self.MOST:
            return self._load()
        news = [row for row in rows if row[3] > base.cursor]
        known = self._joined(base, news) if news else base
        # What was deleted stays until all is read anew, and what went live since may be too much.
        return self._load() if len(known.rows) > self.MOST * 1.1 else known

    def _continues(self, base: Known, rows: list[tuple[Any, ...]]) -> bool:
        """The last flip known is the sentinel: without it we can't tell what we missed.

        It counts as there when the same image has flipped since.
        """
        last = {row[0]: row for row in rows}.get(base.sentinel)
        if last is None:
            return False
        return last[3] > base.cursor or base.rows[base.sentinel].says(*last[1:3])

    def _load(self) -> Known:
        rows = list(self._flips().order_by("-seq")[: self.MOST + 1])
        complete = len(rows) <= self.MOST
        self.singles = OrderedDict()
        return self._joined(Known(0, None, {}, complete), rows[: self.MOST])

    def _joined(self, base: Known, rows: list[tuple[Any, ...]]) -> Known:
        if not rows:
            return base
        last = max(rows, key=lambda row: row[3])
        for row in rows:
            self.singles.pop(row[0], None)
        joined = base.rows | {row[0]: Told(*row[1:3]) for row in rows}
        return Known(last[3], last[0], joined, base.complete)

    def _single(self, image_id: Any) -> Told | None:
        """One image of a site with more live images than are known at once."""
        if image_id in self.singles:
            return self.singles[image_id]
        connection = connections[self.alias()]
        with transaction.atomic(using=connection.alias, durable=False):
            found = self._flips().filter(pk=image_id).first()
        row = Told(*found[1:3]) if found else None
        if not connection.in_atomic_block:
            self.singles[image_id] = row
            while len(self.singles) > self.MOST_SINGLES:
                self.singles.popitem(last=False)
        return row

    def alias(self) -> str:
        return router.db_for_write(_image_version())

    def _flips(self) -> Any:
        versions = _image_version().objects.using(self.alias()).filter(seq__isnull=False)
        return versions.values_list("pk", "live", "source_hash", "seq")


def _image_version() -> Any:
    """The model, by its name: it imports this room for its accessor."""
    return apps.get_model("wagtail_smart_resize", "ImageVersion")


memory = Memory()
os.register_at_fork(after_in_child=memory.reset)
