"""Candidates whose files are missing, as after a restore of the database alone.

Only the storage knows, and asking it takes a request for each file: so a person has it done.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from django.db.models import QuerySet
from django.utils import timezone

from wagtail_smart_resize.core import database
from wagtail_smart_resize.core.logs import get_logger
from wagtail_smart_resize.core.storage_errors import StorageError, translate_storage_errors
from wagtail_smart_resize.models import Candidate, ImageVersion, Recomposition
from wagtail_smart_resize.repair.reading import chunks
from wagtail_smart_resize.runners import modes

logger = get_logger(__name__)

Purchase = Recomposition.Purchase


class Loss(NamedTuple):
    """A recomposition, and those of its candidates whose files are missing."""

    row: Recomposition
    candidates: list[Candidate]

    @property
    def is_live(self) -> bool:
        return self.row.live_id in {candidate.pk for candidate in self.candidates}


def damaged_versions() -> QuerySet[ImageVersion]:
    """Return the images of which a live picture was found to be missing or unreadable."""
    return ImageVersion.objects.filter(publish_due_at__isnull=False, damage_noted_at__isnull=False)


def losses(rows: QuerySet[Recomposition]) -> Iterator[Loss]:
    """Ask the storage for each stored candidate of these rows; yield those that lack files."""
    for keys in chunks(rows):
        for row in rows.filter(pk__in=keys).prefetch_related("candidates"):
            lost = [each for each in row.candidates.all() if each.stored and _is_lost(each)]
            if lost:
                yield Loss(row, lost)


def losses_of_images(image_ids: Iterable[Any]) -> list[Loss]:
    """Return the losses of those of the images of which one is noted."""
    damaged = damaged_versions().filter(pk__in=list(image_ids)).values("pk")
    return list(losses(Recomposition.objects.current().filter(image_id__in=damaged)))


def _is_lost(candidate: Candidate) -> bool:
    """Return whether the storage says that the file is not there; one that fails says nothing."""
    try:
        with translate_storage_errors():
            return not candidate.file.storage.exists(candidate.file_name)
    except StorageError:
        logger.exception("Can't tell whether %s is there", candidate.file_name)
        return False


def note(loss: Loss) -> None:
    """Note a loss of what is live, for the status and the bulk action."""
    if loss.is_live:
        ImageVersion.note_damage(loss.row.image_id)


def settle(loss: Loss, *, again: bool) -> None:
    """Delete what is lost; go back to the crop where it was live.

    `again`: want the shape anew, by the rules, where no other candidate is left to choose. Nothing
    is done to what has changed since the loss was found.
    """
    row, was_live = loss.row, loss.is_live
    with database.atomic():
        ImageVersion.lock(row.image_id)
        if was_live and not _take_back(row):
            return
        for candidate in loss.candidates:
            candidate.delete()
        is_left = row.candidates.filter(stored=True).exists()
        if is_left:
            Recomposition.objects.filter(pk=row.pk).note_review()
        elif again and row.is_open:
            _want(row)
        if was_live:
            ImageVersion.mark_publish_due(row.image_id)
    logger.info("The lost pictures of %s were given up", row)
    modes.wake()


def _take_back(row: Recomposition) -> bool:
    undecided = {"decision": row.Decision.NONE, "decided_by": None, "decided_at": None}
    return row.update_if(where={"live": row.live_id}, live=None, **undecided)


def _want(row: Recomposition) -> None:
    row.update_if(
        where={"purchase__in": [Purchase.IDLE, Purchase.FAILED]},
        purchase=Purchase.WANTED,
        next_attempt_at=timezone.now(),
        attempts=0,
        waiting_reason="",
        failure_code="",
        failure_detail="",
    )
