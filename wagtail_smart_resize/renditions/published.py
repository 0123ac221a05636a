"""What is published for an image: a value that is kept on the image instance, without a query.

It is pinned to the instance that first asked (see `accessor`), so that the key of a rendition and
its pixels always agree.
"""

import hashlib
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models.base import ModelState
from willow.plugins.pillow import PillowImage

from wagtail_smart_resize.core.logs import get_logger
from wagtail_smart_resize.core.site_image import SiteImage
from wagtail_smart_resize.core.sizes import Size, nearest_shape
from wagtail_smart_resize.settings import settings

from . import demand_notes, request_tracking

logger = get_logger(__name__)


class PublishedEntry(NamedTuple):
    """What is live for one shape and recipe. `file` is "" for the standard crop.

    `source_type` says how its picture was made: see `provenance.source_type`. It is "" for the
    crop, and for what was published before that was noted.
    """

    shape: Decimal
    recipe: str
    version: str
    file: str
    generation: int
    source_type: str = ""

    @classmethod
    def from_json(cls, stored: Iterable[Any]) -> "PublishedEntry":
        shape, *rest = stored
        return cls(Decimal(shape), *rest)

    def to_json(self) -> list[Any]:
        return [str(self.shape), *self[1:]]


def version_digest(file: str, file_digest: str, generation: int) -> str:
    """Return the version under which a candidate or, without a file, the crop is served.

    It is "" for a crop that never had to be distinguished from an earlier one: its renditions are
    those from before anything was live.
    """
    if not file and not generation:
        return ""
    text = f"{file} {file_digest} {generation}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class PublishedState:
    """What is live for one image: immutable, and valid for the source file of `source_hash`."""

    __slots__ = ("_found", "entries", "preview", "source_hash", "versions")

    def __init__(
        self, entries: Iterable[PublishedEntry] = (), source_hash: str = "", preview: bool = False
    ) -> None:
        self.entries = tuple(entries)
        self.source_hash = source_hash
        self.preview = preview
        self._found: dict[tuple[Decimal, str], PublishedEntry | None] = {}
        #: By the name of the attribute that reads it: see `vary_field`.
        self.versions: dict[str, str] = {}

    def __reduce__(self) -> Any:
        # A pickled image may be restored in another process, or later: it must look up again.
        # Wagtail pickles the image with each rendition, where Django's `ModelState` is named
        # already; a second mention takes two bytes, and none of ours is needed to read them.
        return ModelState, ()

    def entry(self, shape: Decimal, recipe: str) -> PublishedEntry | None:
        """Return what serves this shape: the nearest entry within 3 % that is live or decided."""
        if not self.entries:
            return None
        asked = shape, recipe
        # Called several times for each image of every page: only the first call searches.
        if asked not in self._found:
            self._found[asked] = self._nearest(shape, recipe)
        return self._found[asked]

    def _nearest(self, shape: Decimal, recipe: str) -> PublishedEntry | None:
        ours = {entry.shape: entry for entry in self.entries if entry.recipe == recipe}
        found = shape if shape in ours else nearest_shape(shape, ours)
        return None if found is None else ours[found]

    def version(self, shape: Decimal, recipe: str) -> str:
        """Return the version that serves this shape, or ""."""
        entry = self.entry(shape, recipe)
        return entry.version if entry else ""

    def in_preview(self, tried: Iterable[PublishedEntry] = ()) -> "PublishedState":
        """Return a copy that notes what it shows as wanted by previews only.

        What is `tried` is shown instead of what is live for its shape.
        """
        entries = {(each.shape, each.recipe): each for each in (*self.entries, *tried)}
        return PublishedState(entries.values(), self.source_hash, preview=True)

    def open(self, entry: PublishedEntry) -> Any:
        """Return the candidate as a Willow image. Raises what the storage or the decoder raises."""
        with settings.candidate_storage().open(entry.file) as file:
            return self.decode(file)

    def decode(self, file: Any) -> Any:
        """Return the upright picture in a file as a Willow image. Raises what Pillow raises."""
        # Imported here, since Pillow's plugins are slow to load and not every process needs them.
        from wagtail_smart_resize.imaging.decoding import open_upright

        return PillowImage(open_upright(file))

    def cut_out(self, entry: PublishedEntry, wanted: Size) -> Any:
        """Return the candidate as a Willow image, cropped to the shape of `wanted` and scaled down.

        The crop is centred. Nothing is enlarged. Raises what the storage or the decoder raises.
        """
        from wagtail_smart_resize.imaging.cutting import cut

        return PillowImage(cut(self.open(entry).get_pillow_image(), wanted))

    def want(self, image: SiteImage, slot: str, recipe: str) -> None:
        """Note that a template showed the crop because nothing is there yet. Never raises."""
        try:
            if self.preview and request_tracking.is_preview():
                demand_notes.write_preview(image, slot, recipe)
            else:
                demand_notes.note_demand(image.pk, slot, recipe, self.preview)
        except Exception:
            logger.exception("Can't note that %s of image %s is wanted", slot, image.pk)

    def unusable(self, image_id: Any, entry: PublishedEntry) -> None:
        """Log and note that the crop is stored under the version of a candidate that can't be used.

        Call it while the exception is being handled.
        """
        logger.exception("The candidate %s of image %s can't be used", entry.file, image_id)
        demand_notes.note_damage(image_id)


class RecordedState(PublishedState):
    """A state of a preview that tells what is asked for, so that the page's places are known."""

    __slots__ = ("_image_id", "_recorder")

    def __init__(
        self,
        shown: PublishedState,
        image_id: Any,
        recorder: Callable[[Any, Decimal, str], object],
    ) -> None:
        super().__init__(shown.entries, shown.source_hash, shown.preview)
        self._image_id, self._recorder = image_id, recorder

    def version(self, shape: Decimal, recipe: str) -> str:
        self._recorder(self._image_id, shape, recipe)
        return super().version(shape, recipe)


NOTHING_PUBLISHED = PublishedState()
