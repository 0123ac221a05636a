"""Renditions are made before the flip, so that no visitor waits for them."""

import contextlib
import io
import logging
from collections.abc import Iterable, Iterator
from typing import Any

import willow
from PIL import Image as PillowImage
from wagtail.images.exceptions import InvalidFilterSpecError
from wagtail.images.models import Filter

from wagtail_smart_resize.core import storage_errors
from wagtail_smart_resize.core.sizes import Size, Slot
from wagtail_smart_resize.core.storage_errors import StorageTrouble
from wagtail_smart_resize.imaging import pixel_budget
from wagtail_smart_resize.imaging.decoding import displayed_size
from wagtail_smart_resize.renditions import accessor, rendition_files
from wagtail_smart_resize.renditions.operation import SmartResizeOperation, ours_among
from wagtail_smart_resize.renditions.published import Entry, Live

logger = logging.getLogger(__name__)


class CandidateUnreadable(OSError):
    """A candidate that is to be live can't be read: nothing is published for now."""


class RenditionNotStored(OSError):
    """A rendition could not be made ready: nothing is published for now."""


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
        self._held.enter_context(pixel_budget.budget.hold(width * height))
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


def prepare(image: Any, before: Iterable[Entry], after: Iterable[Entry]) -> None:
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
    accessor.pin(image, new)
    with contextlib.closing(new):
        _make(image, changed, new)


def _key(image: Any, spec: str, state: Live) -> str | None:
    """The key that the rendition has in this state; None for a spec that is no longer valid."""
    accessor.pin(image, state)
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
            rendition_files.make(image, _filter(spec, state, source, stand_in))
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
    with storage_errors.calls(), image.open_file() as file:
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
