"""The photograph's own pixels over an AI version, when a person asks for them."""

from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from wagtail_smart_resize.core.logs import get_logger
from wagtail_smart_resize.core.storage_errors import StorageError
from wagtail_smart_resize.exceptions import SourceUnavailable
from wagtail_smart_resize.integrity import extra
from wagtail_smart_resize.models import Candidate
from wagtail_smart_resize.purchasing import own_pixels

from . import audit
from .refusals import Refused, file_replaced_error, locked_image

logger = get_logger(__name__)


def keep_pixels(candidate: Candidate, *, user: Any = None) -> Candidate:
    """Make a version with the photograph's own pixels over the subject of this one; return it.

    Nothing is bought, and nothing goes live. It takes a second or two, and needs the extra
    `integrity`. Called again for the same focal area, it returns the same version. Raises Refused
    with the code "deleted", "replaced", "no_extra", "unreadable", or why it can't be: "unchecked"
    or one of `integrity.refusal.Why`.
    """
    row = candidate.recomposition
    with locked_image(row.image_id) as file_hash:
        if row.source_hash != file_hash:
            raise file_replaced_error()
    if not extra.is_installed():
        raise Refused("no_extra", str(_("This site lacks what that needs: OpenCV.")))
    try:
        derived = own_pixels.keep_pixels(candidate, row.image)
    except own_pixels.CantKeepPixels as error:
        raise Refused(error.code, str(_WHY.get(error.code, _UNSURE))) from error
    except (SourceUnavailable, StorageError, OSError, ValueError) as error:
        logger.exception("Can't lay own pixels over candidate %s", candidate.pk)
        raise Refused("unreadable", str(_("A picture can't be read now."))) from error
    audit.kept_pixels(row, derived, user)
    return derived


_UNSURE = _("It is not certain where the photograph lies in this version.")
_WHY: dict[str, Promise] = {
    "unchecked": _("This version was never compared with its original."),
    "not_found": _("The original was not found in this version."),
    "mirrored": _("This version is mirrored."),
    "stretched": _("This version is stretched."),
    "cut_off": _("Too much of the photograph lies outside of this version."),
    "subject_mirrored": _("The subject is mirrored in this version."),
    "subject_resized": _("The subject is larger in this version: it would stick out behind."),
    "subject_moved": _("The subject stands elsewhere in this version: it would be there twice."),
    "too_small": _("There are too few pixels to blend."),
}
