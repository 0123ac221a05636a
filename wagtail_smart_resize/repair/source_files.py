"""Deletes source pictures that a lost process, or a storage that failed, has left behind."""

import datetime as dt
from collections.abc import Iterator
from functools import partial
from typing import Any

from django.db.models import Q
from django.utils import timezone

from wagtail_smart_resize.models import GatewayRequest, source_file
from wagtail_smart_resize.purchasing.source_image import URL_MAX_AGE_SECONDS

from .reading import chunks
from .report import Finding, Repair

Status = GatewayRequest.Status


def find_left() -> Iterator[Finding]:
    """Yield the source pictures that nobody needs to fetch any more, with their requests."""
    for ids in chunks(_left()):
        for request in _left().filter(pk__in=ids):
            yield Finding(Repair.SOURCES, 1, partial(_delete, request))


def _left() -> Any:
    """Return the requests that have a picture though they are neither being sent nor at work.

    One that waits to be sent gets a new picture then. None lies there for longer than the site's
    own source URLs answer.
    """
    now = timezone.now()
    idle = Q(leased_until=None) | Q(leased_until__lte=now)
    too_old = Q(sent_at__lte=now - dt.timedelta(seconds=URL_MAX_AGE_SECONDS))
    at_work = Q(status__in=[Status.SENDING, Status.SENT]) & ~too_old
    return GatewayRequest.objects.with_source_file().exclude(
        at_work | (Q(status=Status.NEW) & ~idle)
    )


def _delete(request: GatewayRequest) -> int:
    source_file.delete(request)
    return 1
