"""Repairs purchases without a request, candidates without a file, and rows of replaced files."""

import datetime as dt
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from django.db.models import F, Q
from django.utils import timezone

from wagtail_smart_resize.models import Candidate, GatewayRequest, Recomposition, file_cleanup
from wagtail_smart_resize.purchasing import offering

from .reading import chunks, keys_of
from .renditions import horizon
from .report import Finding, Repair

Purchase = Recomposition.Purchase

#: Time longer than any process takes to store a file whose row it has written.
STORING_TIME = dt.timedelta(hours=1)


def find_stranded() -> Iterator[Finding]:
    """Yield the requested rows whose request has ended or does not exist."""
    for ids in chunks(Recomposition.objects.stranded()):
        rows = Recomposition.objects.stranded().filter(pk__in=ids)
        for row in rows.select_related("request"):
            yield Finding(Repair.STRANDED, 1, partial(_settle, row))


def _settle(row: Recomposition) -> int:
    """Take what the request brought; else want the row again, or fail it.

    It is wanted again only if surely not charged, and if no person asked for it: automation would
    ask for another thing. In all other cases the row fails, and a person decides.
    """
    request = row.request
    if request and offering.offer_candidates(request, row):
        return 1
    if request and request.charged == request.Charged.NO and not request.by_person:
        return int(row.want_again(timezone.now(), attempts=row.attempts))
    return int(row.fail(*_failure_of(request)))


def _failure_of(request: GatewayRequest | None) -> tuple[str, str]:
    if request and request.error_code:
        return request.error_code, request.error_detail
    return "unknown", "The request has ended, and what became of it is not known."


def find_unstored() -> Iterator[Finding]:
    """Yield the candidates that name a file which was never stored, and never will be."""
    finished = ~Q(request__status__in=GatewayRequest.UNFINISHED) & Q(request__isnull=False)
    forgotten = Q(request=None, created_at__lt=timezone.now() - STORING_TIME)
    rows = Candidate.objects.filter(finished | forgotten, stored=False)
    for ids in chunks(rows):
        matching = Candidate.objects.filter(pk__in=ids, stored=False)
        yield Finding(Repair.UNSTORED, len(ids), partial(_delete_candidates, matching))


def find_overlooked(image_ids: list[Any]) -> Iterator[Finding]:
    """Yield the rows that await review in no queue: restored, or written by other code."""
    ids = keys_of(Recomposition.objects.overlooked().filter(image_id__in=image_ids))
    if ids:
        rows = Recomposition.objects.filter(pk__in=ids)
        yield Finding(Repair.OVERLOOKED, len(ids), rows.note_review)


# When the file of an image was replaced is not known: the first run that sees it notes the time.


def find_replaced(image_ids: list[Any]) -> Iterator[Finding]:
    """Yield rows of files that their image no longer has: newly seen ones, and ones to delete.

    They are deleted after `KEEP_RETIRED_DAYS`, as retired renditions are.
    """
    stale = _rows_of_other_files().filter(image_id__in=image_ids)
    over = stale.filter(_is_over())
    if ids := keys_of(over):
        yield Finding(Repair.TIDIED, len(ids), partial(_delete, over.filter(pk__in=ids)))
    if ids := keys_of(stale.filter(replaced_at=None)):
        changes = {"replaced_at": timezone.now()}
        yield Finding(Repair.REPLACED, len(ids), partial(_update, ids, changes))


def find_restored(image_ids: list[Any]) -> Iterator[Finding]:
    """Yield the rows whose file is the image's again."""
    current = Recomposition.objects.current().filter(image_id__in=image_ids)
    if ids := keys_of(current.exclude(replaced_at=None)):
        yield Finding(Repair.RESTORED, len(ids), partial(_update, ids, {"replaced_at": None}))


def images_with_rows_to_delete() -> Any:
    """Return the keys of images that have rows of replaced files whose time is over."""
    return Recomposition.objects.filter(_is_over()).values_list("image_id", flat=True)


def _is_over() -> Q:
    return Q(replaced_at__lte=horizon())


def _rows_of_other_files() -> Any:
    known = Recomposition.objects.exclude(image__file_hash="")
    others = known.exclude(source_hash=F("image__file_hash"))
    return others.exclude(purchase=Purchase.REQUESTED)


def _update(ids: Iterable[Any], changes: dict[str, Any]) -> int:
    rows = Recomposition.objects.filter(pk__in=ids)
    return rows.update_in_order(~Q(purchase=Purchase.REQUESTED), **changes)


def _delete(rows: Any) -> int:
    """Delete the rows with all that was bought for them."""
    found = list(rows)
    for row in found:
        _delete_candidates(row.candidates.all())
        row.delete()
    return len(found)


def _delete_candidates(candidates: Any) -> int:
    found = list(candidates)
    for candidate in found:
        file_cleanup.delete_candidate(candidate)
    return len(found)
