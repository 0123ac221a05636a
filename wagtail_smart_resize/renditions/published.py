"""What is published for an image: a value that the image instance keeps, and no query.

It is pinned to the instance that first asked (see `accessor`), so that the key of a rendition and
its pixels always agree.
"""

import hashlib
import logging
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, NamedTuple

from wagtail.images.rect import Rect
from willow.plugins.pillow import PillowImage

from wagtail_smart_resize.core.sizes import Size, cut, nearest
from wagtail_smart_resize.settings import settings

from . import demand_notes

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
        with settings.candidate_storage().open(entry.file) as file:
            return self.decode(file)

    def decode(self, file: Any) -> Any:
        # Not at the start of every process: what Pillow's plugins bring takes its time.
        from wagtail_smart_resize.imaging.decoding import upright

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
            demand_notes.note(image_id, slot, recipe, self.preview)
        except Exception:
            logger.exception("Can't note that %s of image %s is wanted", slot, image_id)

    def unreadable(self, image_id: Any, entry: Entry) -> None:
        """The crop is being stored under the version of a candidate that can't be read."""
        logger.exception("The candidate %s of image %s can't be read", entry.file, image_id)
        demand_notes.note_damage(image_id)


EMPTY = Live()
