"""Deciding what visitors see, taking that back, and opting out.

Callers check permissions. It is recorded in Wagtail's audit log, and what makes work wakes the
pipeline. What can't be done raises `Refused`, with text for the user.
"""

import datetime as dt
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from wagtail_smart_resize.core import database
from wagtail_smart_resize.core.site_image import SiteImage
from wagtail_smart_resize.models import Candidate, OptOut, Recomposition
from wagtail_smart_resize.rules.verdict import Reason
from wagtail_smart_resize.runners import modes

from . import audit
from .refusals import Refused, file_replaced_error, locked_image

#: How long a decision of the admin can be undone before it takes effect.
UNDO_TIME = dt.timedelta(seconds=10)
#: What an undo may take to arrive.
UNDO_GRACE = dt.timedelta(seconds=2)


def _takes_effect_at(undoable: bool) -> dt.datetime | None:
    return timezone.now() + UNDO_TIME + UNDO_GRACE if undoable else None


@database.retried
def choose(candidate: Candidate, *, user: Any = None, undoable: bool = False) -> None:
    """Make the candidate the picture of its shape: at once, or if `undoable`, after `UNDO_TIME`.

    Raises Refused with the code "not_stored", "replaced" or "deleted".
    """
    row = candidate.recomposition
    if not candidate.stored:
        raise Refused("not_stored", _("This version has not been fetched completely."))
    with locked_image(row.image_id) as file_hash:
        if row.source_hash != file_hash:
            raise Refused(
                "replaced", _("The image's file was replaced: this version is of the old one.")
            )
        if row.choose(candidate, user, _takes_effect_at(undoable)):
            audit.chose(row, candidate, user)
    modes.wake()


@database.retried
def use_crop(
    row: Recomposition, *, user: Any = None, undoable: bool = False, reason: str = ""
) -> None:
    """Decide for the standard crop: at once, or if `undoable`, after `UNDO_TIME`.

    `reason` is kept in the image's history: one of `audit.DECLINE_REASONS`, or text.

    Candidates are kept, and any of them can be chosen later.

    Raises Refused("deleted"), or Refused("replaced") if the row is of another file than the image's
    current one: the decision would have no effect.
    """
    with locked_image(row.image_id) as file_hash:
        if row.source_hash != file_hash:
            raise file_replaced_error()
        if row.choose(None, user, _takes_effect_at(undoable)):
            row.leave()
            audit.declined(row, user, reason)
    modes.wake()


@database.retried
def undo(row: Recomposition, *, user: Any = None, decided_at: dt.datetime | None = None) -> None:
    """Undo the last decision on the row, before it takes effect: all is as it was before.

    `decided_at` is the row's when the decision was made; None for whatever is the last one. With
    it, an undo that arrives late takes back no decision but its own.

    Raises Refused with the code "too_late", also if there is nothing to undo, "not_yours" if
    somebody else has decided, "decided_again" if the same person has, or "deleted".
    """
    with locked_image(row.image_id):
        row.refresh_from_db()
        if row.takes_effect_at and row.decided_by_id != getattr(user, "pk", None):
            raise Refused(
                "not_yours", _("Somebody else has decided here since: nothing was undone.")
            )
        if row.takes_effect_at and decided_at not in (None, row.decided_at):
            raise Refused(
                "decided_again", _("You have decided again here since: nothing was undone.")
            )
        if not row.undo_decision(timezone.now()):
            raise Refused("too_late", _("It is too late to undo this: visitors see it already."))
        audit.undone(row, user)
    modes.wake()


@database.retried
def use_crop_everywhere(
    image: SiteImage, *, user: Any = None, undoable: bool = False
) -> list[Recomposition]:
    """Decide for the standard crop in all shapes of the image's present file.

    Return the rows for which that is a new decision. Raises Refused("deleted").
    """
    with locked_image(image.pk) as file_hash:
        rows = Recomposition.objects.filter(image_id=image.pk, source_hash=file_hash)
        others = rows.exclude(decision=Recomposition.Decision.CROP, live=None).order_by("pk")
        decided = list(others.select_related("image"))
        for row in decided:
            use_crop(row, user=user, undoable=undoable)
    return decided


# Opting out


@database.retried
def opt_out(
    image: SiteImage, *, user: Any = None, reason: str = "", use_crop: bool = False
) -> None:
    """Keep the image from ever being sent to the service.

    What is live stays live, unless `use_crop`: see `use_crop_everywhere`. A second call opts
    nothing out. Raises Refused("deleted").
    """
    if use_crop:
        use_crop_everywhere(image, user=user)
    with locked_image(image.pk):
        _optout, created = OptOut.objects.get_or_create(
            image_id=image.pk, defaults={"user": user, "reason": reason}
        )
        if created:
            audit.opted_out(image, user, reason)


@database.retried
def opt_in(image: SiteImage, *, user: Any = None) -> None:
    """Allow the image to be sent again, and make due what waited for that.

    A call for an image that is not opted out does nothing. Raises Refused("deleted").
    """
    with locked_image(image.pk):
        if not OptOut.objects.filter(image_id=image.pk).delete()[0]:
            return
        audit.opted_in(image, user)
        rows = Recomposition.objects.filter(image_id=image.pk)
        rows.wake(Reason.OPTED_OUT, timezone.now())
    modes.wake()
