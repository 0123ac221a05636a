"""An image's focal area: Wagtail's own focal point, which crops keep to; one that faces suggest."""

from typing import Any

from wagtail.log_actions import log

from wagtail_smart_resize.core.logs import get_logger
from wagtail_smart_resize.core.site_image import SiteImage
from wagtail_smart_resize.exceptions import SourceUnavailable
from wagtail_smart_resize.integrity import extra
from wagtail_smart_resize.integrity.report import Box
from wagtail_smart_resize.purchasing import source_image

logger = get_logger(__name__)

FIELDS = ("focal_point_x", "focal_point_y", "focal_point_width", "focal_point_height")
#: Longer side in pixels at which the file is read.
READ_SIDE_PIXELS = 1280


def suggested_area(image: SiteImage) -> Box | None:
    """Return the focal area that holds the faces of an image, in its pixels as displayed.

    None if there is no face, if they fill the image, if its file can't be read, or without the
    extra `faces`. It takes about a tenth of a second.
    """
    if not extra.finds_faces() or image.is_svg():
        return None
    # It belongs to an extra.
    from wagtail_smart_resize.integrity import faces

    try:
        picture, whole = source_image.reduced_original(image, READ_SIDE_PIXELS)
    except SourceUnavailable as error:
        logger.warning("Can't look for faces in image %s: %s", image.pk, error)
        return None
    area = faces.suggestion(picture.size, faces.find(picture))
    factor = whole.width / picture.width
    return Box(*(round(side * factor) for side in area)) if area else None


def save(image: Any, area: tuple[int, int, int, int] | None, user: Any) -> None:
    """Save the area as Wagtail's form does, with an entry in the image's history."""
    if area is None:
        values: list[int | None] = [None] * 4
    else:
        left, top, width, height = area
        values = [left + width // 2, top + height // 2, width, height]
    for name, value in zip(FIELDS, values, strict=True):
        setattr(image, name, value)
    image.save(update_fields=list(FIELDS))
    log(image, "wagtail.edit", user=user)
