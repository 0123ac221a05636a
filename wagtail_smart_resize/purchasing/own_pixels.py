"""Versions with the photograph's own pixels over its subject, derived from bought ones.

Nothing is bought for them. Each is a candidate beside the one that it was derived from.
"""

import dataclasses
import hashlib
import threading
from io import BytesIO
from typing import Any

from PIL import Image

from wagtail_smart_resize.core import storage_errors
from wagtail_smart_resize.core.site_image import SiteImage
from wagtail_smart_resize.exceptions import SmartResizeError
from wagtail_smart_resize.imaging import pixel_budget
from wagtail_smart_resize.imaging.decoding import open_upright
from wagtail_smart_resize.integrity.report import Box, Measures, Report
from wagtail_smart_resize.models import Candidate

from . import source_image
from .comparing import focus_of, recipe_of

#: How a derived picture is encoded: it is encoded once more for each rendition.
SAVED = {"jpeg": {"quality": 95}, "webp": {"quality": 95, "method": 4}, "png": {}}
#: It takes some 200 MB for a second or two.
_one_at_a_time = threading.Lock()


class CantKeepPixels(SmartResizeError):
    """The photograph's own pixels can't be laid over a version; `code` says why.

    It is one of `integrity.refusal.Why`, or "unchecked" if the version was never compared with the
    original.
    """


def keep_pixels(candidate: Candidate, image: SiteImage) -> Candidate:
    """Store a version of a candidate with the photograph's own pixels over its subject.

    The subject is the image's focal area, or else all of it that was found. Return the version that
    was derived for the same focal area before, if there is one. Raises CantKeepPixels,
    SourceUnavailable, `StorageError`, and what Pillow raises for a file that can't be read.
    """
    report = candidate.checked
    if report is None:
        raise CantKeepPixels("unchecked", "The version was not compared with its original.")
    size = candidate.source_size or source_image.displayed_size_of(image)
    focus = focus_of(image, size)
    if before := _derived_before(candidate, focus):
        return before
    with storage_errors.translate_storage_errors(), candidate.file.open("rb") as file:
        content = file.read()
    with _one_at_a_time:
        # Another may have been at it while this one waited.
        before = _derived_before(candidate, focus)
        return before or _derived(candidate, image, report, focus, content)


def _derived(
    candidate: Candidate, image: SiteImage, report: Report, focus: Box | None, content: bytes
) -> Candidate:
    # They belong to an extra.
    from wagtail_smart_resize.integrity.checking import check
    from wagtail_smart_resize.integrity.own_pixels import CantLay, lay
    from wagtail_smart_resize.integrity.refusal import refuse

    thresholds = recipe_of(candidate.recomposition.recipe).thresholds
    try:
        refuse(report.measures, thresholds)
    except CantLay as error:
        raise _cant(error) from error
    with pixel_budget.budget.hold(candidate.width * candidate.height):
        result = open_upright(BytesIO(content)).convert("RGB")
    # No more of the original than the result can show.
    original, whole = source_image.reduced_original(image, scale=report.measures.scale)
    factor = original.width / whole.width
    measures, area = _scaled(report.measures, factor), _scaled_box(focus, factor)
    try:
        laid = lay(original, result, measures, area, thresholds)
    except CantLay as error:
        raise _cant(error) from error
    compared = check(original, laid.picture, focus, thresholds, whole=whole)
    return _store(candidate, laid, compared, focus)


def _cant(error: Any) -> CantKeepPixels:
    return CantKeepPixels(error.why, "Own pixels can't be laid over this version.")


def _derived_before(candidate: Candidate, focus: Box | None) -> Candidate | None:
    derived = candidate.derived.filter(stored=True, own_pixels__isnull=False).order_by("pk")
    facts = ((each, each.own_pixels or {}) for each in derived)
    return next((each for each, own in facts if own.get("focus") == _listed(focus)), None)


def _store(candidate: Candidate, laid: Any, compared: Report, focus: Box | None) -> Candidate:
    format = candidate.file_name.rpartition(".")[2]
    content = _encoded(laid.picture, format)
    derived = Candidate.objects.create(
        recomposition=candidate.recomposition,
        derived_from=candidate,
        file=Candidate.new_name(candidate.recomposition.image_id, format),
        width=laid.picture.width,
        height=laid.picture.height,
        digest=hashlib.sha256(content).hexdigest(),
        own_pixels={
            "area": list(laid.area),
            "share": round(laid.share, 4),
            "seam": round(laid.seam, 4),
            "passed": laid.passed,
            "focus": _listed(focus),
        },
        report=compared.to_json(),
        passed=compared.passed and laid.passed,
        score=compared.score,
    )
    derived.write(content, is_new=True)
    return derived


def _encoded(picture: Image.Image, format: str) -> bytes:
    file = BytesIO()
    picture.save(file, format, **SAVED[format])
    return file.getvalue()


def _scaled(measures: Measures, factor: float) -> Measures:
    """Return measures of an original as those of one that was reduced by a factor."""
    a, b, c, d, e, f = measures.matrix or (0.0,) * 6
    matrix = (a / factor, b / factor, c, d / factor, e / factor, f) if measures.matrix else ()
    return dataclasses.replace(measures, matrix=matrix, scale=measures.scale / factor)


def _scaled_box(box: Box | None, factor: float) -> Box | None:
    return Box(*(round(side * factor) for side in box)) if box else None


def _listed(box: Box | None) -> list[int] | None:
    return list(box) if box else None
