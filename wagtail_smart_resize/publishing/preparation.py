"""Preparing renditions before the flip, so that no visitor waits for them."""

import contextlib
import io
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

import willow
from PIL import Image
from wagtail.images.exceptions import InvalidFilterSpecError
from wagtail.images.models import Filter
from willow.plugins.pillow import PillowImage

from wagtail_smart_resize.core import database, storage_errors
from wagtail_smart_resize.core.logs import get_logger
from wagtail_smart_resize.core.site_image import SiteImage
from wagtail_smart_resize.core.sizes import Size, Slot
from wagtail_smart_resize.imaging import cutting, pixel_budget
from wagtail_smart_resize.imaging.orientation import displayed_size
from wagtail_smart_resize.renditions import accessor, rendition_files
from wagtail_smart_resize.renditions.operation import smart_resize_operations
from wagtail_smart_resize.renditions.published import PublishedEntry, PublishedState

from .material import Material

logger = get_logger(__name__)


#: Willow's names of the formats that Pillow and Willow tell alike, by Pillow's.
WILLOW_NAMES = {
    "JPEG": "jpeg",
    "PNG": "png",
    "GIF": "gif",
    "WEBP": "webp",
    "AVIF": "avif",
    "TIFF": "tiff",
    "BMP": "bmp",
}


class CandidateUnusable(OSError):
    """A candidate that is to be live can't be used; nothing is published for now."""


class RenditionNotPrepared(Exception):
    """A rendition could not be made or stored; nothing is published for now."""


class PreparedState(PublishedState):
    """The state to be published, pinned to the image while its renditions are made.

    Each candidate is decoded once, and cut to each size once for all formats, if all renditions of
    it are made one after the other: only one candidate is held at a time. Sizes much smaller than
    one that was cut before are scaled from that. What was cut out of it before is taken from
    `material`. Nothing is noted as wanted, and a candidate that can't be used raises
    CandidateUnusable.
    """

    __slots__ = ("_cut", "_held", "_larger", "_larger_of", "_material", "_opened")

    def __init__(
        self, entries: Iterable[PublishedEntry], source_hash: str, material: Material | None = None
    ) -> None:
        super().__init__(entries, source_hash)
        self._material = material or Material()
        self._opened: tuple[str, Any] = ("", None)
        self._cut: tuple[Any, Any] = (None, None)
        #: What was cut out of the candidate of that file, the largest first.
        self._larger_of, self._larger = "", list[Image.Image]()
        self._held = contextlib.ExitStack()

    def open(self, entry: PublishedEntry) -> Any:
        if self._opened[0] != entry.file:
            self._release_candidate()
            self._opened = entry.file, super().open(entry)
        return self._opened[1]

    def decode(self, file: Any) -> Any:
        with Image.open(file) as opened:
            width, height = opened.size
        self._held.enter_context(pixel_budget.budget.hold(width * height))
        file.seek(0)
        return super().decode(file)

    def cut_out(self, entry: PublishedEntry, wanted: Size) -> Any:
        asked = (entry.file, wanted)
        if self._cut[0] != asked:
            self._cut = asked, PillowImage(self._cut_to(entry, wanted))
        return self._cut[1]

    def _cut_to(self, entry: PublishedEntry, wanted: Size) -> Image.Image:
        """Return the candidate in that size: cut before, or scaled from a larger cut, or anew."""
        found = self._material.cut_of(entry.file, wanted)
        if found is None and self._larger_of == entry.file:
            found = self._scaled(wanted)
        if found is None:
            found = super().cut_out(entry, wanted).get_pillow_image()
        if self._larger_of != entry.file:
            self._larger_of, self._larger = entry.file, []
        self._larger.append(found)
        return found

    def _scaled(self, wanted: Size) -> Image.Image | None:
        """Return that size scaled from a larger cut, or None.

        Sizes come from the largest to the smallest: what is larger than that cut serves no more.
        """
        larger = cutting.half_or_less(self._larger, wanted)
        if larger is None:
            return None
        self._larger = self._larger[self._larger.index(larger) :]
        return cutting.cut(larger, wanted)

    def close(self) -> None:
        """Release the pixels, which a reference cycle would keep.

        Image, renditions and this state refer to each other until Python's garbage collector runs,
        and by then there may be gigabytes of them.
        """
        self._release_candidate()
        self._material = Material()

    def _release_candidate(self) -> None:
        self._opened = ("", None)
        self._cut = (None, None)
        self._larger_of, self._larger = "", []
        self._held.close()

    def want(self, image: SiteImage, slot: str, recipe: str) -> None:
        pass

    def unusable(self, image_id: Any, entry: PublishedEntry) -> None:
        raise CandidateUnusable(f"The candidate {entry.file} of image {image_id} can't be used.")


class SourcePlaceholder:
    """Stands in for the source while only its format and size are needed, not its pixels."""

    def __init__(self, format_name: str, width: int, height: int) -> None:
        self.format_name = format_name
        self.width, self.height = width, height

    @property
    def image(self) -> "SourcePlaceholder":
        return self

    def get_size(self) -> tuple[int, int]:
        return self.width, self.height

    def auto_orient(self) -> "SourcePlaceholder":
        return self

    def crop(self, rect: Any) -> "SourcePlaceholder":
        left, top, right, bottom = rect
        return self.resize((right - left, bottom - top))

    def resize(self, size: tuple[int, int]) -> "SourcePlaceholder":
        return SourcePlaceholder(self.format_name, *size)


class PreparingFilter(Filter):
    """A filter that runs on a given Willow image instead of reading the source each time."""

    def __init__(self, spec: str, source: Any) -> None:
        super().__init__(spec)
        self._source = source

    @contextlib.contextmanager
    def get_willow_image(self, image: SiteImage, source: Any = None) -> Iterator[Any]:
        yield self._source


def prepare(
    image: SiteImage,
    before: Iterable[PublishedEntry],
    after: Iterable[PublishedEntry],
    material: Material | None = None,
) -> None:
    """Make the stored specs' renditions whose key is another after the flip than before.

    `before` and `after` are the entries that are live and those to be. Raise CandidateUnusable, or
    RenditionNotPrepared if any rendition could not be made or stored.
    """
    source_hash = image.file_hash
    old, new = PublishedState(before, source_hash), PreparedState(after, source_hash, material)
    stored = set(
        database.primary(image.renditions)
        .filter(filter_spec__contains="smartresize-")
        .values_list("filter_spec", "focal_point_key")
    )
    changed = []
    for spec in sorted({spec for spec, _ in stored}):
        keys = [_key(image, spec, state) for state in (old, new)]
        if keys[0] != keys[1] and (spec, keys[1]) not in stored:
            changed.append(spec)
    accessor.pin(image, new)
    with contextlib.closing(new):
        source = _Source(image, material)
        _make_renditions(image, changed, new, source)


def _key(image: SiteImage, spec: str, state: PublishedState) -> str | None:
    """Return the rendition's key in this state, or None for a spec that is no longer valid."""
    accessor.pin(image, state)
    try:
        return Filter(spec).get_cache_key(image)
    except InvalidFilterSpecError:
        return None


class _Source:
    """The image's own file, which is read when it is first needed."""

    def __init__(self, image: SiteImage, material: Material | None) -> None:
        self._image = image
        is_known = material is not None and material.source_hash == image.file_hash
        self._material = material if is_known else None

    @cached_property
    def placeholder(self) -> SourcePlaceholder:
        """Its format and size, without its pixels."""
        known = self._material
        if known and known.source_size and known.source_format in WILLOW_NAMES:
            return SourcePlaceholder(WILLOW_NAMES[known.source_format], *known.source_size)
        return SourcePlaceholder(self.picture.format_name, *_upright_size(self.picture))

    @cached_property
    def picture(self) -> Any:
        """The file as a Willow image, read once for all renditions."""
        with storage_errors.translate_storage_errors(), self._image.open_file() as file:
            content = file.read()
        return willow.Image.open(io.BytesIO(content))


def _make_renditions(
    image: SiteImage, specs: list[str], state: PreparedState, source: _Source
) -> None:
    """Make the renditions; one that fails stops no other.

    What fails here would fail the page that asks for the rendition where the crop is stored today:
    then RenditionNotPrepared is raised, so that nothing flips.
    """
    failed = None
    files, slots = {}, {}
    for spec in specs:
        operations = smart_resize_operations(Filter(spec).operations)
        entries = [each.entry_in(state) for each in operations]
        # Of the candidates that the spec is cut from, "" for the source.
        files[spec] = [entry.file if entry else "" for entry in entries]
        slots[spec] = [each.slot for each in operations]
    # Sorted so that all sizes of a candidate follow each other from the largest on, and all formats
    # of a size.
    for spec in sorted(specs, key=lambda spec: (files[spec], _descending(slots[spec]), spec)):
        # If candidates replace all its pixels, nothing of the source is decoded.
        pixels = source.placeholder if all(files[spec]) else source.picture
        try:
            rendition_files.make_rendition(image, PreparingFilter(spec, pixels))
        except CandidateUnusable:
            raise
        except Exception as error:
            logger.exception("Can't prepare the rendition %s of image %s", spec, image.pk)
            failed = error
    if failed:
        raise RenditionNotPrepared(
            f"Not all renditions of image {image.pk} can be made"
        ) from failed


def _descending(slots: Iterable[Slot]) -> list[tuple[int, int]]:
    return [(-slot.size.width, -slot.size.height) for slot in slots]


def _upright_size(source: Any) -> tuple[int, int]:
    """Return the size after orientation.

    JPEG and WebP are not decoded for it: their pixels may never be used.
    """
    if source.format_name not in {"jpeg", "webp"}:
        return source.auto_orient().get_size()
    with Image.open(source.f) as opened:
        return displayed_size(opened)
