"""From wanted to requested, for several images at once: the rules, the budget, one request each.

Many images are claimed in few statements: each is read for all of them, and all is written in one
transaction. All wanted shapes of an image and recipe are put into one request. A shape within 3 %
of one that is bought, or about to be, joins that one instead of being bought itself.
"""

import dataclasses
import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from django.db import connections
from django.db.models import Case, Q, When
from django.utils import timezone

from wagtail_smart_resize.core import clock, database
from wagtail_smart_resize.core.database import unindexed
from wagtail_smart_resize.core.site_image import SiteImage
from wagtail_smart_resize.core.sizes import same_shape
from wagtail_smart_resize.exceptions import SourceUnavailable
from wagtail_smart_resize.models import (
    BudgetPeriod,
    GatewayRequest,
    ImageVersion,
    Recomposition,
    events,
)
from wagtail_smart_resize.models.gateway_request import new_token
from wagtail_smart_resize.rules import assess
from wagtail_smart_resize.rules.facts import SourceFacts
from wagtail_smart_resize.rules.verdict import Reason
from wagtail_smart_resize.settings import settings

from . import plan, source_image
from .leases import SUBMISSION_LEASE
from .schedule import REVISIT_AFTER, revisit_at

#: Number of times a missing or damaged source is tried before its purchase fails.
MAX_SOURCE_ERRORS = 5


class DueGroup(NamedTuple):
    """An image and a recipe's name, whose shapes are bought together."""

    image_id: Any
    recipe: str


def due_groups(now: dt.datetime, limit: int) -> list[DueGroup]:
    """Return at most `limit` groups with rows due at `now`, by when they were due, then by age.

    A row that was tried and failed is due later than one that was not tried yet. So the one probe
    that an open circuit allows is for another image each time, and one image can't keep it open.
    Of images with many due shapes there may be fewer: the next pass goes on.
    """
    # Not grouped by the database, which would read all that is due, but the first by an index.
    rows = Recomposition.objects.due(now).order_by("next_attempt_at", "wanted_at")
    first = rows.values_list("image_id", "recipe")[: limit * plan.MAX_SIZES]
    return list(dict.fromkeys(DueGroup(*row) for row in first))[:limit]


def claim(groups: Sequence[DueGroup]) -> list[GatewayRequest]:
    """Write the requests for what is wanted and allowed of the groups, and reserve their budget.

    They are leased by this process, which is to submit them within `SUBMISSION_LEASE`. Rows that
    are not allowed wait, with their reason. For a group of which nothing is requested there is no
    request; what doesn't fit into the budget or `MAX_IN_FLIGHT` stays for later.
    """
    opened = _opened(groups)
    if not opened:
        return []
    plan.identify(*{group.image.pk: group.image for group in opened}.values())
    allowed = _allowed(opened)
    if not allowed:
        return []
    ImageVersion.ensure_rows({group.image.pk for group, _keys in allowed})
    BudgetPeriod.ensure_rows(clock.today())
    try:
        with database.atomic():
            requests, too_many = _write(allowed)
    except _Overtaken:
        return []
    if too_many:
        plan.tell_of_budget()
    return requests


def postpone(groups: Iterable[DueGroup], wait: dt.timedelta) -> None:
    """Make the groups' due rows due after `wait`, since nothing can be said about them now."""
    now = timezone.now()
    for group in groups:
        rows = Recomposition.objects.filter(image_id=group.image_id, recipe=group.recipe)
        rows.postpone_due(now, now + wait)


# The images and their files


class _OpenedGroup(NamedTuple):
    """A group whose image's file has been opened; `facts` is None for an SVG."""

    image: SiteImage
    recipe: str
    facts: SourceFacts | None


def _opened(groups: Sequence[DueGroup]) -> list[_OpenedGroup]:
    """Return the groups whose images can be read; the others are tried again later, or fail."""
    images = database.site_images().select_related("collection")
    found = images.in_bulk({group.image_id for group in groups})
    postpone([group for group in groups if group.image_id not in found], REVISIT_AFTER)
    facts: dict[Any, SourceFacts | SourceUnavailable | None] = {
        key: _read(image) for key, image in found.items()
    }
    opened = []
    for group in groups:
        seen = facts.get(group.image_id)
        if isinstance(seen, SourceUnavailable):
            _handle_unavailable_source(group, found[group.image_id], seen)
        elif group.image_id in found:
            opened.append(_OpenedGroup(found[group.image_id], group.recipe, seen))
    return opened


def _read(image: SiteImage) -> SourceFacts | SourceUnavailable | None:
    try:
        # An SVG has no pixels.
        return None if image.is_svg() else source_image.read_facts(image)
    except SourceUnavailable as error:
        return error


def _handle_unavailable_source(group: DueGroup, image: SiteImage, error: SourceUnavailable) -> None:
    """Retry later, or fail the rows: a storage that is down comes back, a missing file may not."""
    rows = Recomposition.objects.due(timezone.now())
    for row in rows.filter(image_id=group.image_id, recipe=group.recipe):
        consecutive_errors = row.attempts + (error.code != "storage")
        if consecutive_errors >= MAX_SOURCE_ERRORS:
            row.fail(error.code, error.detail)
            events.not_sent(row, image)
        else:
            later = timezone.now() + clock.backoff(consecutive_errors, first=60)
            row.try_later(error.code, error.detail, later, attempts=consecutive_errors)
            events.source_unavailable(row, image, later)


# The rules

_Allowed = tuple[_OpenedGroup, set[int]]
"""A group, and the keys of its rows that may be bought."""


def _allowed(opened: list[_OpenedGroup]) -> list[_Allowed]:
    """Return what may be bought now, by the opened files; other rows wait with their reason."""
    images = {group.image.pk: group.image for group in opened}
    rows = _rows_of(opened)
    facts = assess.ImageFacts.for_images(list(images.values()))
    refused: defaultdict[Reason, list[int]] = defaultdict(list)
    allowed: list[_Allowed] = []
    for group in opened:
        # While the circuit is open, the pass claims nothing but the probe that may close it.
        image_facts = dataclasses.replace(
            facts[group.image.pk], opened=group.facts, circuit_closed=True
        )
        keys = set()
        # Due or not, so that all shapes of a page are bought together.
        for row in rows[group.image.pk, group.recipe]:
            if not row.is_wanted:
                continue
            reason = plan.verdict_on(row, image_facts).reason
            if reason is None:
                keys.add(row.pk)
            else:
                refused[reason].append(row.pk)
        if keys:
            allowed.append((group, keys))
    for reason, pks in refused.items():
        Recomposition.objects.filter(pk__in=pks).wait(reason, revisit_at(reason))
    if Reason.BUDGET in refused:
        plan.tell_of_budget()
    return allowed


def _rows_of(
    groups: Iterable[_OpenedGroup], *, locked: bool = False
) -> defaultdict[tuple[Any, str], list[Recomposition]]:
    """Return all rows of the images' present files, by image and recipe, the oldest want first."""
    hashes = {group.image.pk: group.image.file_hash for group in groups}
    found: defaultdict[tuple[Any, str], list[Recomposition]] = defaultdict(list)
    rows = Recomposition.objects.filter(image_id__in=hashes, source_hash__in=hashes.values())
    if locked:
        rows = Recomposition.objects.locked(rows.values_list("pk", flat=True))
    for row in sorted(rows, key=lambda row: (row.wanted_at, row.pk)):
        if row.source_hash == hashes[row.image_id]:
            found[row.image_id, row.recipe].append(row)
    return found


# Writing the requests


class _Overtaken(Exception):
    """Another process was faster; nothing was written."""


def _write(allowed: list[_Allowed]) -> tuple[list[GatewayRequest], list[int]]:
    """Join shapes, reserve the budget, claim the rows and write the requests.

    Return the requests, and the keys of the rows for which there is no budget left.
    """
    ImageVersion.lock_all({group.image.pk for group, _keys in allowed})
    # Claims queue on the lock of the budget's rows: from here on each sees what the others wrote.
    left = assess.within_limits(*BudgetPeriod.lock(clock.today()))
    room = settings.MAX_IN_FLIGHT - GatewayRequest.objects.unfinished().count()
    rows = _rows_of([group for group, _keys in allowed], locked=True)
    claimed: list[tuple[GatewayRequest, list[Recomposition]]] = []
    too_many: list[int] = []
    for group, keys in allowed:
        leaders = _join_shapes(rows[group.image.pk, group.recipe], keys)
        affordable = left // settings.CANDIDATES
        too_many += [row.pk for row in leaders[affordable:]]
        # The rest is due still, for the next claim.
        leaders = leaders[: min(affordable, plan.MAX_SIZES)]
        if leaders and len(claimed) < room:
            request = plan.build_request(
                group.image,
                settings.recipe(group.recipe),
                leaders,
                reserved_on=clock.today(),
                lease=new_token(),
                leased_until=timezone.now() + SUBMISSION_LEASE,
                **source_image.as_fields(group.facts),
            )
            claimed.append((request, leaders))
            left -= request.outputs_asked
    Recomposition.objects.filter(pk__in=too_many).wait(Reason.BUDGET, clock.tomorrow())
    requests = [request for request, _leaders in claimed]
    if requests:
        BudgetPeriod.add(sum(request.outputs_asked for request in requests), clock.today())
        _insert(requests)
        _claim_rows(claimed)
    return requests, too_many


def _insert(requests: list[GatewayRequest]) -> None:
    if connections[database.alias()].features.can_return_rows_from_bulk_insert:
        GatewayRequest.objects.bulk_create(requests)
    else:
        # MySQL doesn't tell the keys of rows that are inserted together.
        for request in requests:
            request.save(force_insert=True)


def _claim_rows(claimed: list[tuple[GatewayRequest, list[Recomposition]]]) -> None:
    """Note in each row the request that it waits for. Raise _Overtaken if one is not wanted."""
    by_request = {request.pk: [row.pk for row in leaders] for request, leaders in claimed}
    keys = [key for some in by_request.values() for key in some]
    still_wanted = unindexed(Q(purchase=Recomposition.Purchase.WANTED))
    changed = (
        Recomposition.objects.filter(pk__in=keys)
        .filter(still_wanted)
        .update(
            purchase=Recomposition.Purchase.REQUESTED,
            request=Case(
                *[When(pk__in=some, then=request) for request, some in by_request.items()]
            ),
            waiting_reason="",
            failure_code="",
            failure_detail="",
        )
    )
    if changed != len(keys):
        raise _Overtaken


# Joining shapes


def _join_shapes(rows: list[Recomposition], allowed: set[int]) -> list[Recomposition]:
    """Return the rows to buy, oldest first, after joining rows of nearly the same shape to them.

    `rows` are all of the image's and recipe's: bought, requested, failed or decided ones, whose
    shapes are not bought again, and those that are wanted.
    """
    wanted = [row for row in rows if row.is_wanted]
    bought = [row for row in rows if not row.is_wanted]
    refused = [row for row in wanted if row.pk not in allowed]
    leaders: list[Recomposition] = []
    # The largest first: a smaller one of nearly its shape can then share its picture.
    for row in sorted(wanted, key=_largest_area, reverse=True):
        if row.pk in allowed:
            joined = _of_same_shape(row, [*bought, *leaders])
            if joined is None:
                leaders.append(row)
            else:
                plan.join(row, joined)
    for row in refused:
        if joined := _of_same_shape(row, leaders):
            plan.join(row, joined)
    return sorted(leaders, key=lambda row: (row.wanted_at, row.pk))


def _largest_area(row: Recomposition) -> int:
    return max((slot.size.width * slot.size.height for slot in row.parsed_slots), default=0)


def _of_same_shape(row: Recomposition, others: Iterable[Recomposition]) -> Recomposition | None:
    return next((other for other in others if same_shape(row.shape, other.shape)), None)
