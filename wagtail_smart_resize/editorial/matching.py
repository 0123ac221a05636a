"""Where an original lies in a version of it: worked out once, and stored with the version."""

import io
from typing import Any, NamedTuple

from PIL import Image, UnidentifiedImageError

from wagtail_smart_resize.core import storage_errors
from wagtail_smart_resize.core.logs import get_logger
from wagtail_smart_resize.core.site_image import SiteImage
from wagtail_smart_resize.core.sizes import Size, cover
from wagtail_smart_resize.core.storage_errors import StorageError
from wagtail_smart_resize.imaging import alignment
from wagtail_smart_resize.imaging.orientation import upright
from wagtail_smart_resize.models import Candidate

logger = get_logger(__name__)

#: Longer side to which both pictures are reduced when they are read.
READ_SIDE_PIXELS = 512


def box_of(image: SiteImage, candidate: Candidate) -> list[float] | None:
    """Return the box of the original in the version, as shares of the version's size.

    Left, top, width and height; None if it was not found, or a picture can't be read.
    """
    found = _box_checked(image, candidate)
    if found is not None:
        return found or None
    if candidate.original_box is None:
        try:
            original = _read(image.file)
            version = _cut(_read(candidate.file), candidate)
        except (StorageError, OSError, ValueError, UnidentifiedImageError):
            logger.exception("Can't compare candidate %s with its original", candidate.pk)
            return None
        box = alignment.find(original, version)
        candidate.update_if(where={}, original_box=[round(side, 5) for side in box or ()])
    return candidate.original_box or None


def _box_checked(image: SiteImage, candidate: Candidate) -> list[float] | None:
    """Return the box by what the check has found: empty if nothing, None if it was not checked."""
    report = candidate.checked
    if report is None or report.measures.mirrored:
        return None if report is None else []
    if not report.measures.found:
        # Pillow's own way may still find what the check does not.
        return None
    width, height = candidate.source_size or (image.width, image.height)
    shown = part_shown(candidate)
    left, top = moved(report.measures.matrix, 0, 0)
    scale = report.measures.scale
    return [
        (left - shown.left) / shown.width,
        (top - shown.top) / shown.height,
        scale * width / shown.width,
        scale * height / shown.height,
    ]


class Part(NamedTuple):
    """A part of a picture, in its pixels."""

    left: float
    top: float
    width: float
    height: float


def part_shown(candidate: Candidate) -> Part:
    """Return the part of the version that its place shows."""
    left, top, right, bottom = cover(candidate.size, place_size(candidate))[0]
    return Part(left, top, right - left, bottom - top)


def moved(matrix: tuple[float, ...], x: float, y: float) -> tuple[float, float]:
    """Return where a pixel of the original lies in the version: see `Measures.matrix`."""
    a, b, c, d, e, f = matrix
    return a * x + b * y + c, d * x + e * y + f


def place_size(candidate: Candidate) -> Size:
    """Return the largest size in which the version is shown."""
    slots = candidate.recomposition.parsed_slots
    return max((slot.size for slot in slots), default=candidate.size)


def _read(file: Any) -> Image.Image:
    with storage_errors.translate_storage_errors(), file.open("rb") as opened:
        content = opened.read()
    with Image.open(io.BytesIO(content)) as picture:
        picture.draft("RGB", (READ_SIDE_PIXELS, READ_SIDE_PIXELS))
        picture.load()
        turned = upright(picture).convert("RGB")
    turned.thumbnail((READ_SIDE_PIXELS, READ_SIDE_PIXELS), reducing_gap=2)
    return turned


def _cut(picture: Image.Image, candidate: Candidate) -> Image.Image:
    """Return the picture in the shape of its place."""
    box, _size = cover(Size(*picture.size), place_size(candidate))
    return picture.crop(box)
