"""What becomes of candidates: the first may go live by itself, else they await review.

What the check against the original did not let pass never goes live by itself.
"""

import datetime as dt
from collections.abc import Iterable

from django.db.models import Q
from django.utils import timezone

from wagtail_smart_resize.core.site_image import SiteImage
from wagtail_smart_resize.core.sizes import Size, cover
from wagtail_smart_resize.exceptions import SourceUnavailable
from wagtail_smart_resize.integrity.report import Reason
from wagtail_smart_resize.models import Candidate, GatewayRequest, Recomposition, events
from wagtail_smart_resize.settings import settings

from . import source_image


def offer_candidates(request: GatewayRequest, row: Recomposition) -> bool:
    """Mark the row as bought if it has candidates of this request; return whether it has any.

    The first candidate that may go live by itself does so, those of the row's own shape first: for
    what templates wanted without `REVIEW`, where nobody has decided and nothing is live; for what a
    person asked for, only if they wanted it used at once. Never if the request's id is also
    another's.
    """
    ours = Q(request=request) | Q(derived_from__request=request)
    stored = row.candidates.filter(ours, stored=True)
    candidates = list(stored.select_related("recomposition"))
    offer(request, row, candidates, timezone.now())
    return bool(candidates)


def offer(
    request: GatewayRequest,
    row: Recomposition,
    candidates: list[Candidate],
    publish_at: dt.datetime,
) -> bool:
    """Offer the row these candidates of its own, as `offer_candidates` does.

    Return whether one goes live, from `publish_at` on.
    """
    if not candidates:
        return False
    if may_go_live_unseen(request, row) and not request.has_id_of_another():
        ordered = sorted(candidates, key=_rank)
        first = next((each for each in ordered if _is_good_enough(request, row, each)), None)
        if first and _go_live(request, row, first, publish_at):
            return True
    offered = [each for each in candidates if not is_declined(each)]
    if not offered:
        _decline(request, row)
        return False
    note_review([row], offered, by_person=request.by_person)
    if row.bought() and (row.is_open or request.by_person):
        events.awaits_review(row, request)
    return False


def _rank(candidate: Candidate) -> tuple[float, bool]:
    """Return by what candidates are sorted: the photograph's own pixels are the better ones."""
    return candidate.share_cut_away, not candidate.is_derived


def _decline(request: GatewayRequest, row: Recomposition) -> None:
    """Decide for the crop by the check, unless somebody has decided: then that stands."""
    is_news = row.decline_by_check()
    if row.bought() and is_news:
        events.declined_by_check(row, request)


def is_declined(candidate: Candidate) -> bool:
    """Return whether the check declines the candidate by itself.

    Not one in which the original was not found: the service may have turned or moved a subject.
    """
    if settings.integrity != "strict" or candidate.checked is None or candidate.passed:
        return False
    return Reason.NOT_FOUND not in candidate.checked.reasons


def is_true_enough(passed: bool | None) -> bool:
    """Return whether a candidate may be shown unseen, by whether it passed the check.

    `passed`: None if it was not checked.
    """
    return settings.integrity == "off" or bool(passed)


def may_go_live_unseen(request: GatewayRequest, row: Recomposition) -> bool:
    """Return whether what comes of the request may go live for the row unseen by anybody."""
    if request.by_person:
        return request.use_at_once
    return not settings.REVIEW and row.is_open


def _go_live(
    request: GatewayRequest, row: Recomposition, candidate: Candidate, publish_at: dt.datetime
) -> bool:
    if request.use_at_once:
        return row.bought_to_be_used(candidate, request, publish_at)
    return row.bought_to_go_live(candidate, publish_at)


def _is_good_enough(request: GatewayRequest, row: Recomposition, candidate: Candidate) -> bool:
    """Return whether the candidate may be shown though nobody has seen it.

    One of another shape may if the cut loses less of it than a crop of the image must lose to be
    worth replacing.
    """
    if not is_true_enough(candidate.passed):
        return False
    lost = candidate.share_cut_away
    if lost and lost >= settings.MIN_CROP_LOSS:
        return False
    return has_enough_pixels(row, candidate, request.source_size)


def has_enough_pixels(row: Recomposition, candidate: Candidate, source: Size | None) -> bool:
    """Return whether the candidate gives each slot as many pixels as the crop that it replaces.

    A candidate that fills every slot is enough, whatever the crop would give. `source`: the image's
    size as displayed; if it is None, the image's file is opened.
    """
    picture = candidate.size
    sizes = [slot.size for slot in row.parsed_slots]
    short = [size for size in sizes if _covered_width(picture, size) < size.width]
    if not short:
        return True
    crop = source or _displayed_size(row.image)
    return all(_covered_width(picture, size) >= _covered_width(crop, size) for size in short)


def _displayed_size(image: SiteImage) -> Size:
    """Return the image's size as Wagtail crops it: upright, which only the opened file tells."""
    try:
        facts = source_image.read_facts(image)
    except SourceUnavailable:
        return Size(image.width, image.height)
    return Size(facts.width, facts.height)


def _covered_width(available: Size, wanted: Size) -> int:
    _box, given = cover(available, wanted)
    return given.width


def note_review(
    rows: Iterable[Recomposition], stored: Iterable[Candidate], *, by_person: bool
) -> None:
    """Note that those of the rows that have candidates which the check left to people await review.

    `by_person`: whether a person asked for these candidates.
    """
    left = {each.recomposition_id for each in stored if not is_declined(each)}
    keys = {row.pk for row in rows} & left
    if keys:
        Recomposition.objects.filter(pk__in=keys).note_review(by_person=by_person)
