"""Where an original lies in a version of it: worked out once, and stored with the version."""

import io
from typing import Any

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
    slots = candidate.recomposition.parsed_slots
    shown = max((slot.size for slot in slots), default=Size(*picture.size))
    box, _size = cover(Size(*picture.size), shown)
    return picture.crop(box)
