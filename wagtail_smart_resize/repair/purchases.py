"""Purchases that lost their request, candidates without a file, and rows of replaced files."""

import datetime as dt
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from django.db.models import F, Q

from wagtail_smart_resize.core import clock
from wagtail_smart_resize.models import Candidate, GatewayRequest, Recomposition, file_cleanup
from wagtail_smart_resize.models.base import only_if
from wagtail_smart_resize.purchasing import fetching
from wagtail_smart_resize.settings import settings

from .reading import chunks
from .report import Finding, Repair

Purchase = Recomposition.Purchase

#: Longer than any process takes to store a file whose row it has written.
STORING = dt.timedelta(hours=1)


def stranded() -> Iterator[Finding]:
    """Requested, and the request has ended or is not there."""
    for ids in chunks(Recomposition.objects.stranded()):
        rows = Recomposition.objects.stranded().filter(pk__in=ids)
        for row in rows.select_related("request"):
            yield Finding(Repair.STRANDED, 1, partial(_settle, row))


def _settle(row: Recomposition) -> int:
    """What is there is taken; what was surely not charged is wanted again; else a person decides.

    Nor is what a person asked for bought again by itself: automation would ask for another thing.
    """
    request = row.request
    if request and fetching.give(request, row):
        return 1
    if request and request.charged == request.Charged.NO and not request.by_person:
        return int(row.want_again(clock.now(), attempts=row.attempts))
    return int(row.fail(*_why(request)))


def _why(request: GatewayRequest | None) -> tuple[str, str]:
    if request and request.error_code:
        return request.error_code, request.error_detail
    return "unknown", "The request has ended, and what became of it is not known."


def unstored() -> Iterator[Finding]:
    """Candidates that name a file which was never stored, and never will be."""
    finished = ~Q(request__status__in=GatewayRequest.UNFINISHED) & Q(request__isnull=False)
    forgotten = Q(request=None, created_at__lt=clock.now() - STORING)
    rows = Candidate.objects.filter(finished | forgotten, stored=False)
    for ids in chunks(rows):
        matching = Candidate.objects.filter(pk__in=ids, stored=False)
        yield Finding(Repair.UNSTORED, len(ids), partial(_delete_candidates, matching))


def overlooked() -> Iterator[Finding]:
    """What awaits review and no queue shows: rows that were restored or written by others."""
    for ids in chunks(Recomposition.objects.overlooked()):
        rows = Recomposition.objects.filter(pk__in=ids)
        yield Finding(Repair.OVERLOOKED, len(ids), rows.note_review)


# Nothing tells when the file of an image was replaced: a run notes when it first sees it.


def replaced() -> Iterator[Finding]:
    """Rows of a file that the image has no longer go when the retired renditions go."""
    stale = _of_other_files()
    end = clock.now() - dt.timedelta(days=settings.KEEP_RETIRED_DAYS)
    over = stale.filter(replaced_at__lte=end)
    for ids in chunks(over):
        yield Finding(Repair.TIDIED, len(ids), partial(_delete, over.filter(pk__in=ids)))
    for ids in chunks(stale.filter(replaced_at=None)):
        changes = {"replaced_at": clock.now()}
        yield Finding(Repair.REPLACED, len(ids), partial(_update, ids, changes))


def restored() -> Iterator[Finding]:
    """Rows whose file is the image's again."""
    current = Recomposition.objects.filter(source_hash=F("image__file_hash"))
    for ids in chunks(current.exclude(replaced_at=None)):
        yield Finding(Repair.RESTORED, len(ids), partial(_update, ids, {"replaced_at": None}))


def _of_other_files() -> Any:
    known = Recomposition.objects.exclude(image__file_hash="")
    others = known.exclude(source_hash=F("image__file_hash"))
    return others.exclude(purchase=Purchase.REQUESTED)


def _update(ids: Iterable[Any], changes: dict[str, Any]) -> int:
    rows = Recomposition.objects.filter(only_if(~Q(purchase=Purchase.REQUESTED)), pk__in=ids)
    return rows.update(**changes)


def _delete(rows: Any) -> int:
    """With all that was bought for them."""
    found = list(rows)
    for row in found:
        _delete_candidates(row.candidates.all())
        row.delete()
    return len(found)


def _delete_candidates(candidates: Any) -> int:
    found = list(candidates)
    for candidate in found:
        file_cleanup.delete(candidate)
    return len(found)
