"""The check of a request's results against their original, while they are fetched.

What it finds is stored with each candidate. Whatever goes wrong here, the candidate is kept, and
counts as not checked.
"""

import threading
from typing import Any

from django.utils.functional import cached_property
from PIL import Image

from wagtail_smart_resize.core.logs import get_logger
from wagtail_smart_resize.core.site_image import SiteImage
from wagtail_smart_resize.core.sizes import Size
from wagtail_smart_resize.exceptions import SourceUnavailable
from wagtail_smart_resize.integrity import extra
from wagtail_smart_resize.integrity.report import Box, Report
from wagtail_smart_resize.models import GatewayRequest
from wagtail_smart_resize.renditions.standard_crop import focal_area
from wagtail_smart_resize.settings import Recipe, UnknownRecipe, settings

from . import source_image

logger = get_logger(__name__)

#: Longer side in pixels to which the original is reduced as it is read.
READ_SIDE_PIXELS = 1600
#: A check takes some 90 MB for half a second.
_one_at_a_time = threading.Lock()


class Comparer:
    """Compares results with the image that they were made of, whose file it reads once."""

    def __init__(self, request: GatewayRequest, image: SiteImage | None) -> None:
        self._request = request
        self._image = image

    def read_original(self) -> None:
        """Read the original. Call it before a result is decoded: no thread may hold both."""
        _ = self._original

    def facts(self, result: Image.Image) -> dict[str, Any]:
        """Return the fields of the candidate that say how it compares; `result` is upright RGB."""
        report = self._report(result)
        if report is None:
            return {"report": None, "passed": None, "score": None}
        return {"report": report.to_json(), "passed": report.passed, "score": report.score}

    def _report(self, result: Image.Image) -> Report | None:
        if self._original is None:
            return None
        original, whole = self._original
        try:
            # It takes as long to import as a check, and belongs to an extra.
            from wagtail_smart_resize.integrity.checking import check

            with _one_at_a_time:
                focus = focus_of(self._image, whole) if self._image else None
                thresholds = recipe_of(self._request.recipe).thresholds
                return check(original, result, focus, thresholds, whole=whole)
        except Exception:
            logger.exception("Can't compare what purchase %s gave", self._request.pk)
            return None

    @cached_property
    def _original(self) -> tuple[Image.Image, Size] | None:
        """Return the original, reduced, and its whole size; None if nothing is to be compared."""
        image = self._image
        if settings.integrity == "off" or not extra.is_installed() or image is None:
            return None
        if image.file_hash != self._request.source_hash:
            return None
        try:
            return source_image.reduced_original(image, READ_SIDE_PIXELS)
        except SourceUnavailable as error:
            logger.warning("Can't compare what purchase %s gave: %s", self._request.pk, error)
            return None


def focus_of(image: SiteImage, whole: Size) -> Box | None:
    """Return the part of the image's focal area that lies within it, in its pixels.

    `whole` is the image's size as displayed.
    """
    area = focal_area(image, whole)
    return Box(*map(round, (area.left, area.top, area.width, area.height))) if area else None


def recipe_of(name: str) -> Recipe:
    """Return the recipe of that name, or the site's where the settings no longer have it."""
    try:
        return settings.recipe(name)
    except UnknownRecipe:
        return settings.recipe()
