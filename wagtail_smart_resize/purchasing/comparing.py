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
from wagtail_smart_resize.integrity.report import Box, Report, Thresholds
from wagtail_smart_resize.models import GatewayRequest
from wagtail_smart_resize.settings import UnknownRecipe, settings

from . import source_image

logger = get_logger(__name__)

#: Longer side in pixels to which the original is reduced as it is read.
READ_SIDE_PIXELS = 1600
#: A check takes some 120 MB for half a second.
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
                return check(original, result, self._focus(whole), self._thresholds, whole=whole)
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

    def _focus(self, whole: Size) -> Box | None:
        """Return the part of the focal area that lies within the image, in its pixels."""
        area = self._image.get_focal_point() if self._image else None
        if area is None:
            return None
        left, top = max(0, round(area.left)), max(0, round(area.top))
        right, bottom = min(whole.width, round(area.right)), min(whole.height, round(area.bottom))
        is_area = right - left > 1 and bottom - top > 1
        return Box(left, top, right - left, bottom - top) if is_area else None

    @cached_property
    def _thresholds(self) -> Thresholds:
        try:
            return settings.recipe(self._request.recipe).thresholds
        except UnknownRecipe:
            return settings.recipe().thresholds
