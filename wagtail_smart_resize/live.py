"""What is live for an image, and what this process knows of it, without a query per image.

`image.smart_resize` is a `Live`: pinned to the image instance that first asked, so that the key
of a rendition and its pixels always agree. The memory behind it is read once and then kept up to
date by asking, at most every two seconds, which flips came since the last one known. Flips are
numbered in the order in which they were committed; no clock is compared.
"""

import hashlib
import logging
import os
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, NamedTuple

from django.core.exceptions import SynchronousOnlyOperation
from django.db import DatabaseError, connections, router, transaction
from django.db.models.fields.related_descriptors import ReverseOneToOneDescriptor
from wagtail.images.rect import Rect
from willow.plugins.pillow import PillowImage

from . import serving, wanted
from .shapes import Size, cut, nearest

logger = logging.getLogger(__name__)


class Entry(NamedTuple):
    """What is live for one shape and recipe. `file` is "" where it is the standard crop."""

    shape: Decimal
    recipe: str
    version: str
    file: str
    generation: int

    @classmethod
    def load(cls, stored: Iterable[Any]) -> "Entry":
        shape, *rest = stored
        return cls(Decimal(shape), *rest)

    def dump(self) -> list[Any]:
        return [str(self.shape), *self[1:]]


def digest(file: str, file_digest: str, generation: int) -> str:
    """The version under which a candidate or, with no file, the crop is served.

    "" for the crop that never had to be told apart from an earlier one: its renditions are those
    of the days before anything was live.
    """
    if not file and not generation:
        return ""
    text = f"{file} {file_digest} {generation}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _unpinned() -> None:
    return None


class Live:
    """What is live for one image: immutable, and good for the source file that it names."""

    __slots__ = ("_found", "entries", "preview", "source_hash", "versions")

    def __init__(
        self, entries: Iterable[Entry] = (), source_hash: str = "", preview: bool = False
    ) -> None:
        self.entries = tuple(entries)
        self.source_hash = source_hash
        self.preview = preview
        self._found: dict[tuple[Decimal, str], Entry | None] = {}
        #: By the name of the attribute that asked: see `vary_field`.
        self.versions: dict[str, str] = {}

    def __reduce__(self) -> Any:
        # A pickled image may come back in another process, or later: it must ask anew.
        return _unpinned, ()

    def entry(self, shape: Decimal, recipe: str) -> Entry | None:
        """What serves this shape: the nearest one within 3 % that is live or decided."""
        if not self.entries:
            return None
        asked = shape, recipe
        # Asked several times for each picture of every page: the search is for the first.
        if asked not in self._found:
            self._found[asked] = self._nearest(shape, recipe)
        return self._found[asked]

    def _nearest(self, shape: Decimal, recipe: str) -> Entry | None:
        ours = {entry.shape: entry for entry in self.entries if entry.recipe == recipe}
        found = shape if shape in ours else nearest(shape, ours)
        return None if found is None else ours[found]

    def version(self, shape: Decimal, recipe: str) -> str:
        entry = self.entry(shape, recipe)
        return entry.version if entry else ""

    def in_preview(self) -> "Live":
        return Live(self.entries, self.source_hash, preview=True)

    def open(self, entry: Entry) -> Any:
        """The candidate as a Willow image. Raises what the storage or the decoder raises."""
        from .models import Candidate

        storage = Candidate._meta.get_field("file").storage
        with storage.open(entry.file) as file:
            return self.decode(file)

    def decode(self, file: Any) -> Any:
        # Not at the start of every process: what Pillow's plugins bring takes its time.
        from .pictures import upright

        return PillowImage(upright(file))

    def cut_out(self, entry: Entry, wanted: Size) -> Any:
        """The candidate cut to the shape of `wanted`, from its middle, and down to that size."""
        candidate = self.open(entry)
        whole = Size(*candidate.get_size())
        box, size = cut(whole, wanted)
        # The whole would be copied, too.
        if box != (0, 0, *whole):
            candidate = candidate.crop(Rect(*box))
        return candidate.resize(tuple(size))

    def want(self, image_id: Any, slot: str, recipe: str) -> None:
        """A template showed the crop because nothing is there yet."""
        try:
            wanted.note(image_id, slot, recipe, self.preview)
        except Exception:
            logger.exception("Can't note that %s of image %s is wanted", slot, image_id)

    def unreadable(self, image_id: Any, entry: Entry) -> None:
        """The crop is being stored under the version of a candidate that can't be read."""
        logger.exception("The candidate %s of image %s can't be read", entry.file, image_id)
        wanted.note_damage(image_id)


EMPTY = Live()


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
        from .models import ImageVersion

        return router.db_for_write(ImageVersion)

    def _flips(self) -> Any:
        from .models import ImageVersion

        versions = ImageVersion.objects.using(self.alias()).filter(seq__isnull=False)
        return versions.values_list("pk", "live", "source_hash", "seq")


memory = Memory()
os.register_at_fork(after_in_child=memory.reset)


class LiveAccessor(ReverseOneToOneDescriptor):
    """`image.smart_resize`: what is live for the image, pinned to the instance that asked.

    `refresh_from_db` clears it with the other cached relations.
    """

    def __get__(self, instance: Any, cls: Any = None) -> Any:
        if instance is None:
            return self
        cache = instance._state.fields_cache
        live = cache.get(self.related.cache_name)
        # `select_related` puts rows here, and pickling None.
        if not isinstance(live, Live):
            live = cache[self.related.cache_name] = self._ask(instance)
        return live

    @staticmethod
    def _ask(image: Any) -> Live:
        try:
            live = memory.live(image.pk, image.file_hash)
        except Exception:
            logger.exception("Can't tell what is live for image %s", image.pk)
            live = EMPTY
        return live.in_preview() if serving.in_admin() else live


def pin(image: Any, live: Live) -> None:
    """Make `live` what the instance shows: for preparing what is not live yet."""
    image._state.fields_cache["smart_resize"] = live


def pinned(image: Any) -> Live | None:
    """What the instance shows, without asking anybody. None if nobody asked it before, as with
    images of another model than the site's: those have nothing of ours."""
    live = image._state.fields_cache.get("smart_resize")
    return live if isinstance(live, Live) else None


def vary_field(shape: Decimal, recipe: str) -> str:
    """The name of the image attribute whose text is the version live for this shape and recipe.

    Wagtail hashes it into the keys of the renditions whose operation names it. The attribute is
    added to the image model when a spec of that shape is first read.
    """
    from wagtail.images import get_image_model

    name = f"smart_resize_{int(shape * 1000)}" + (f"_{recipe}" if recipe else "")
    model = get_image_model()
    if not hasattr(model, name):
        setattr(model, name, property(_version_reader(name, shape, recipe)))
    return name


def _version_reader(name: str, shape: Decimal, recipe: str) -> Callable[[Any], str]:
    """Asked twice for every picture of every page: what was found is one look-up."""

    def version(image: Any) -> str:
        live = image.smart_resize
        found = live.versions.get(name)
        if found is None:
            found = live.versions[name] = live.version(shape, recipe)
        return found

    return version
