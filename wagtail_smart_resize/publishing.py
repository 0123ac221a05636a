"""Becoming live: prepare the renditions, then flip the version, then purge and tell.

What is to be live is read from the image's recompositions. Its renditions are made under the keys
that they will have, so that no visitor waits for them, and only then is the version published,
in one short transaction that is conditional on what it started from.
"""

import contextlib
import datetime as dt
import io
import logging
from collections.abc import Iterable, Iterator
from typing import Any

import willow
from django.apps import apps
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone
from PIL import Image as PillowImage
from wagtail.images import get_image_model
from wagtail.images.exceptions import InvalidFilterSpecError
from wagtail.images.models import Filter

from . import live, pixels, renditions, storage, usage
from .image_operations import SmartResizeOperation, ours_among
from .live import Entry, Live, digest
from .models import FeedCounter, ImageVersion, Recomposition
from .pictures import displayed_size
from .shapes import Size, Slot
from .signals import recomposition_published
from .storage import StorageTrouble

logger = logging.getLogger(__name__)

#: When every process must have looked: until then a visitor could bring an old URL back to a cache.
PURGE_DELAY = dt.timedelta(seconds=5)
ROUNDS = 5


class CandidateUnreadable(OSError):
    """A candidate that is to be live can't be read: nothing is published for now."""


class RenditionNotStored(OSError):
    """A rendition could not be made ready: nothing is published for now."""


class StillChanging(Exception):
    """The image or its recompositions changed while being prepared, several times in a row."""


# Through the base manager: an image that a site's own manager hides must not stay due for ever.


def publish(image_id: Any) -> bool:
    """Make live what is to be live for the image; tell whether that changed anything.

    Raises CandidateUnreadable, RenditionNotStored, StillChanging, or what the database or storage
    raises: the image stays due, and what is live stays live.
    """
    for _round in range(ROUNDS):
        image = get_image_model()._base_manager.filter(pk=image_id).first()
        if image is None:
            return False
        version = ImageVersion.of(image_id)
        before, after = current(version, image), planned(version, image)
        if _same(before, after, version, image):
            if version.move(where={"revision": version.revision}, **SETTLED):
                return False
            continue
        _prepare(image, before, after)
        if _unchanged(image) and _flip(version, after, image.file_hash):
            _tell(image, before, after)
            return True
    raise StillChanging(f"Image {image_id} kept changing while it was being prepared.")


SETTLED = {"flip_due": None, "flip_attempts": 0, "damage_noted": None}


def current(version: ImageVersion, image: Any) -> tuple[Entry, ...]:
    """What is live now for the image's present file."""
    if version.source_hash != image.file_hash:
        return ()
    return tuple(Entry.load(stored) for stored in version.live)


def planned(version: ImageVersion, image: Any) -> tuple[Entry, ...]:
    """What is to be live, as the image's recompositions say."""
    before = {(entry.shape, entry.recipe): entry for entry in current(version, image)}
    rows = Recomposition.objects.filter(image_id=image.pk, source_hash=image.file_hash)
    decided = rows.filter(Q(live__isnull=False) | Q(decision=Recomposition.Decision.CROP))
    return tuple(
        _entry(row, version, before.get((row.shape, row.recipe)))
        for row in decided.select_related("live").order_by("shape", "recipe")
    )


def _entry(row: Recomposition, version: ImageVersion, before: Entry | None) -> Entry:
    """The row's entry: the one that is live, or one of the generation that comes next."""
    file = row.live.file.name if row.live else ""
    damaged = bool(version.damage_noted and file)
    if before and before.file == file and not damaged:
        return before
    generation = version.generation(row.shape, row.recipe)
    if damaged and before:
        generation = max(generation, before.generation + 1)
    file_digest = row.live.digest if row.live else ""
    return Entry(row.shape, row.recipe, digest(file, file_digest, generation), file, generation)


def _same(
    before: Iterable[Entry], after: Iterable[Entry], version: ImageVersion, image: Any
) -> bool:
    return set(before) == set(after) and version.source_hash in ("", image.file_hash)


# Preparing


class Prepared(Live):
    """What will be live: pinned to the image while its renditions are made.

    Each candidate is decoded once, and cut to a size once for all formats, if all that is made of
    it comes one after the other: one candidate is held at a time. Nothing is noted as wanted, and
    a candidate that can't be read stops everything.
    """

    __slots__ = ("_cut", "_held", "_opened")

    def __init__(self, entries: Iterable[Entry], source_hash: str) -> None:
        super().__init__(entries, source_hash)
        self._opened: tuple[str, Any] = ("", None)
        self._cut: tuple[Any, Any] = (None, None)
        self._held = contextlib.ExitStack()

    def open(self, entry: Entry) -> Any:
        if self._opened[0] != entry.file:
            self.close()
            self._opened = entry.file, super().open(entry)
        return self._opened[1]

    def decode(self, file: Any) -> Any:
        with PillowImage.open(file) as opened:
            width, height = opened.size
        self._held.enter_context(pixels.budget.hold(width * height))
        file.seek(0)
        return super().decode(file)

    def cut_out(self, entry: Entry, wanted: Size) -> Any:
        asked = (entry.file, wanted)
        if self._cut[0] != asked:
            self._cut = asked, super().cut_out(entry, wanted)
        return self._cut[1]

    def close(self) -> None:
        """Let go of the pixels: image, renditions and this hold each other, until Python looks
        for such circles, and by then there may be gigabytes of them."""
        self._opened = ("", None)
        self._cut = (None, None)
        self._held.close()

    def want(self, image_id: Any, slot: str, recipe: str) -> None:
        pass

    def unreadable(self, image_id: Any, entry: Entry) -> None:
        raise CandidateUnreadable(f"The candidate {entry.file} of image {image_id} can't be read.")


class SourceStandIn:
    """Stands for the source while its pixels are not needed: only format and size are asked."""

    def __init__(self, format_name: str, width: int, height: int) -> None:
        self.format_name = format_name
        self.width, self.height = width, height

    @property
    def image(self) -> "SourceStandIn":
        return self

    def get_size(self) -> tuple[int, int]:
        return self.width, self.height

    def auto_orient(self) -> "SourceStandIn":
        return self

    def crop(self, rect: Any) -> "SourceStandIn":
        left, top, right, bottom = rect
        return self.resize((right - left, bottom - top))

    def resize(self, size: tuple[int, int]) -> "SourceStandIn":
        return SourceStandIn(self.format_name, *size)


class PreparingFilter(Filter):
    """Makes a rendition of what is at hand, without reading the source each time."""

    def __init__(self, spec: str, source: Any) -> None:
        super().__init__(spec)
        self._source = source

    @contextlib.contextmanager
    def get_willow_image(self, image: Any, source: Any = None) -> Iterator[Any]:
        yield self._source


def _prepare(image: Any, before: Iterable[Entry], after: Iterable[Entry]) -> None:
    """Make the renditions that have another key after the flip than before."""
    source_hash = image.file_hash
    old, new = Live(before, source_hash), Prepared(after, source_hash)
    stored = set(
        image.renditions.filter(filter_spec__contains="smartresize-").values_list(
            "filter_spec", "focal_point_key"
        )
    )
    changed = []
    for spec in sorted({spec for spec, _ in stored}):
        keys = [_key(image, spec, state) for state in (old, new)]
        if keys[0] != keys[1] and (spec, keys[1]) not in stored:
            changed.append(spec)
    live.pin(image, new)
    with contextlib.closing(new):
        _make(image, changed, new)


def _key(image: Any, spec: str, state: Live) -> str | None:
    """The key that the rendition has in this state; None for a spec that is no longer valid."""
    live.pin(image, state)
    try:
        return Filter(spec).get_cache_key(image)
    except InvalidFilterSpecError:
        return None


def _make(image: Any, specs: list[str], state: Prepared) -> None:
    """One rendition's failure stops no other.

    But a storage that takes no file now would fail the page that asks for the rendition, where
    the crop is stored: then nothing flips.
    """
    if not specs:
        return
    source = _source(image)
    stand_in = SourceStandIn(source.format_name, *_upright_size(source))
    not_stored = None
    # All sizes of a candidate one after the other, and all formats of a size.
    for spec in sorted(specs, key=lambda spec: (_files(spec, state), _slots(spec), spec)):
        try:
            renditions.make(image, _filter(spec, state, source, stand_in))
        except CandidateUnreadable:
            raise
        except Exception as error:
            logger.exception("Can't prepare the rendition %s of image %s", spec, image.pk)
            if isinstance(error, StorageTrouble):
                not_stored = error
    if not_stored:
        raise RenditionNotStored(f"Not all renditions of {image.pk} can be stored") from not_stored


def _source(image: Any) -> Any:
    """The image as Willow has it, its file read once for all renditions."""
    with storage.calls(), image.open_file() as file:
        content = file.read()
    return willow.Image.open(io.BytesIO(content))


def _upright_size(source: Any) -> tuple[int, int]:
    """The size after orientation; of JPEG and WebP without decoding what may never be used."""
    if source.format_name not in {"jpeg", "webp"}:
        return source.auto_orient().get_size()
    with PillowImage.open(source.f) as opened:
        return displayed_size(opened)


def _ours(spec: str) -> list[SmartResizeOperation]:
    return ours_among(Filter(spec).operations)


def _slots(spec: str) -> list[Slot]:
    return [each.slot for each in _ours(spec)]


def _files(spec: str, state: Prepared) -> list[str]:
    """What the spec is cut from; "" where that is the source."""
    entries = [state.entry(each.slot.shape, each.recipe) for each in _ours(spec)]
    return [entry.file if entry else "" for entry in entries]


def _filter(spec: str, state: Prepared, source: Any, stand_in: SourceStandIn) -> Filter:
    """A filter that knows the source's format and its size after orientation only, if our
    operation replaces all its pixels."""
    return PreparingFilter(spec, stand_in if all(_files(spec, state)) else source)


def _unchanged(image: Any) -> bool:
    """Whether the focal point and the file are still those that the renditions were made for."""
    names = [
        "focal_point_x",
        "focal_point_y",
        "focal_point_width",
        "focal_point_height",
        "file_hash",
    ]
    seen = {name: getattr(image, name) for name in names}
    return type(image)._base_manager.filter(pk=image.pk).values(*names).first() == seen


# Flipping


class _Lost(Exception):
    """Another flip or decision came in between."""


def _flip(version: ImageVersion, entries: Iterable[Entry], source_hash: str) -> bool:
    """Publish: a short transaction of its own, in the order of the feed's numbers."""
    using = live.memory.alias()
    try:
        with transaction.atomic(using=using):
            changes = {
                "live": [entry.dump() for entry in entries],
                "generations": version.generations_with(entries),
                "source_hash": source_hash,
                "seq": FeedCounter.next(),
                "revision": F("revision") + 1,
                "purge_due": timezone.now() + PURGE_DELAY,
                **SETTLED,
            }
            if not version.move(where={"revision": version.revision}, **changes):
                raise _Lost
    except _Lost:
        return False
    live.memory.flipped(using)
    return True


def _tell(image: Any, before: Iterable[Entry], after: Iterable[Entry]) -> None:
    was = set(before)
    changes = [(entry.shape, entry.recipe, entry.file) for entry in after if entry not in was]
    for shape, recipe, file in changes:
        logger.info("Image %s, shape %s %s: %s is live", image.pk, shape, recipe, file or "crop")
    recomposition_published.send_robust(sender=type(image), image=image, changes=changes)


# Purging


def purge(version: ImageVersion) -> None:
    """Purge the pages that use the image from the front-end cache, if the site has one.

    Raises what the cache's backend raises: the purge stays due.
    """
    if apps.is_installed("wagtail.contrib.frontend_cache"):
        from wagtail.contrib.frontend_cache.utils import PurgeBatch

        image = get_image_model()._base_manager.filter(pk=version.pk).first()
        if image is not None:
            batch = PurgeBatch()
            batch.add_pages(usage.pages_using(image))
            batch.purge()
    version.move(where={"purge_due": version.purge_due}, purge_due=None)
