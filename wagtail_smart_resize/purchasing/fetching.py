"""From completed to stored: outputs become candidates, and the first may go live."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable
from operator import attrgetter
from typing import Any

from django.utils import timezone

from wagtail_smart_resize.core import clock
from wagtail_smart_resize.core.site_image import SiteImage
from wagtail_smart_resize.core.sizes import Size, cover, nearest_of, shape_of, share_cut_away
from wagtail_smart_resize.exceptions import DownloadError, SourceUnavailable
from wagtail_smart_resize.gateway import downloads
from wagtail_smart_resize.gateway.client import Output
from wagtail_smart_resize.imaging.decoding import Picture
from wagtail_smart_resize.models import Candidate, GatewayRequest, Recomposition, events
from wagtail_smart_resize.settings import settings

from . import circuit, outcomes, source_image

Status = GatewayRequest.Status
Charged = GatewayRequest.Charged

#: How long the download of unavailable outputs is retried: their URLs may live this long.
KEEP_TRYING_FOR = dt.timedelta(hours=1)
#: Maximum number of outputs that are fetched beyond those that were asked for.
MAX_SURPLUS = 20
#: Length of a turn of downloads. With the timeout of its last one it stays well within the lease.
TURN_LENGTH = dt.timedelta(minutes=2)


def fetch_outputs(request: GatewayRequest) -> None:
    """Fetch the missing outputs of a request leased by this process; finish it if none is left.

    Each recomposition gets its candidates as soon as they are complete, so that one URL that does
    not answer delays no other shape. After `TURN_LENGTH` the rest is fetched in another turn.
    """
    rows = list(outcomes.recompositions_of(request))
    ends = timezone.now() + TURN_LENGTH
    for position, output in _missing_outputs(request):
        if timezone.now() > ends or not _incomplete_rows(request, rows):
            break
        _fetch_one(request, position, output)
    missing = [output for _position, output in _missing_outputs(request)]
    incomplete = _incomplete_rows(request, rows)
    for row in rows:
        if row not in incomplete:
            offer_candidates(request, row)
    if incomplete and missing:
        _schedule_next_turn(request, at_once=any("later" not in output for output in missing))
        return
    _fetch_surplus(request, ends)
    _finish(request, incomplete)


def _fetch_surplus(request: GatewayRequest, ends: dt.datetime) -> None:
    """Fetch what came beyond what was asked for: it may be paid for, and a person may choose it.

    Each is tried once, as all shapes have their pictures already.
    """
    if request.image_id is None:
        return
    for position, output in _missing_outputs(request)[:MAX_SURPLUS]:
        if timezone.now() > ends:
            break
        _fetch_one(request, position, output)


def _missing_outputs(request: GatewayRequest) -> list[tuple[int, dict[str, str]]]:
    """Return the outputs neither stored nor given up, with their positions, untried ones first."""
    stored = set(_stored_candidates(request).values_list("position", flat=True))
    missing = [
        (position, output)
        for position, output in enumerate(request.outputs)
        if position not in stored and "error" not in output
    ]
    return sorted(missing, key=lambda each: "later" in each[1])


def _stored_candidates(request: GatewayRequest) -> Any:
    return request.candidates.filter(stored=True).select_related("recomposition")


def _incomplete_rows(request: GatewayRequest, rows: list[Recomposition]) -> list[Recomposition]:
    """Return the rows that have fewer candidates of their shape than were asked for."""
    found = _count_of_own_shape(_stored_candidates(request))
    return [row for row in rows if found[row.pk] < request.images_per_size]


def _count_of_own_shape(candidates: Iterable[Candidate]) -> Counter[int]:
    """Return by recomposition's id how many of these are of the shape that was asked for."""
    return Counter(each.recomposition_id for each in candidates if not each.share_cut_away)


def _fetch_one(request: GatewayRequest, position: int, output: dict[str, str]) -> None:
    """Fetch and store one output, or note on it why not: "error" is final, "later" is retried."""
    for note in ("later", "detail"):
        output.pop(note, None)
    named = Output(output["url"], output["file_name"], output["content_type"])
    try:
        picture = downloads.download(named, gateway_url=settings.BASE_URL)
    except DownloadError as error:
        age = timezone.now() - (request.completed_at or request.created_at)
        given_up = error.final or age > KEEP_TRYING_FOR
        output["error" if given_up else "later"] = error.code
        output["detail"] = error.detail
        return
    row = Recomposition.objects.filter(pk=_nearest_recomposition(request, picture)).first()
    if row is None:
        output["error"], output["detail"] = "gone", "The image was deleted meanwhile."
    else:
        _store_candidate(request, row, position, picture)


def _nearest_recomposition(request: GatewayRequest, picture: Picture) -> int:
    """Return the id of the recomposition whose shape comes nearest to the picture's.

    Outputs may come in another order, under other names and in other sizes. The shapes of one
    request differ by more than 3 %, so the picture's own shape identifies it; one of another shape
    may be handed to another recomposition in the end.
    """
    ids = {shape_of(*Size.parse(asked["size"])): asked["recomposition"] for asked in request.sizes}
    return ids[nearest_of(shape_of(picture.width, picture.height), ids)]


def _store_candidate(
    request: GatewayRequest, row: Recomposition, position: int, picture: Picture
) -> None:
    """Write the row that names the file, then the file, so that no crash orphans a file."""
    facts = {
        "recomposition": row,
        "width": picture.width,
        "height": picture.height,
        "digest": picture.digest,
    }
    candidate, _created = Candidate.objects.update_or_create(
        request=request,
        position=position,
        defaults=facts,
        create_defaults={"file": Candidate.new_name(row.image_id, picture.format), **facts},
    )
    candidate.store(picture.content)


def _schedule_next_turn(request: GatewayRequest, *, at_once: bool) -> None:
    """Schedule another turn: at once if this one ran out of time, else after a backoff."""
    consecutive_errors = 0 if at_once else request.consecutive_errors + 1
    wait = dt.timedelta() if at_once else clock.backoff(consecutive_errors, first=5, most=300)
    request.release(
        outputs=request.outputs,
        consecutive_errors=consecutive_errors,
        next_step_at=timezone.now() + wait,
    )


# Finishing


def _finish(request: GatewayRequest, incomplete: list[Recomposition]) -> None:
    """Fail the recompositions that have no candidates, with the reason, and finish the request."""
    if incomplete:
        _hand_out_other_shapes(request, incomplete)
    empty = [row for row in incomplete if not offer_candidates(request, row)]
    stored = _stored_candidates(request).count()
    if empty:
        code, detail = _failure_of(request)
        # Stored before the rows change: a process that takes over sees only the rows that still
        # wait.
        request.step(error_code=code, error_detail=detail)
        for row in empty:
            row.fail(code, detail)
        if not stored:
            outcomes.note_failure(request, code, detail)
    # Their URLs work for anybody who reads them in the ledger.
    outputs = [
        {key: value for key, value in output.items() if key != "url"} for output in request.outputs
    ]
    request.finish(Status.DONE, outputs=outputs)
    if stored:
        circuit.note_success()
        events.completed(request, stored)


def _hand_out_other_shapes(request: GatewayRequest, incomplete: list[Recomposition]) -> None:
    """Give the rows that lack pictures those of other shapes, the nearest first.

    So that each shape gets its picture where the service cuts none to shape, and several come
    nearest to the same.
    """
    candidates = list(_stored_candidates(request))
    others = [each for each in candidates if each.share_cut_away]
    lacking = Counter({row.pk: request.images_per_size for row in incomplete})
    lacking.subtract(_count_of_own_shape(candidates))
    pairs = [
        (share_cut_away(each.size, row.shape), each, row) for row in incomplete for each in others
    ]
    handed = set()
    for _lost, candidate, row in sorted(pairs, key=lambda pair: pair[0]):
        if candidate.pk not in handed and lacking[row.pk] > 0:
            candidate.move_to(row)
            handed.add(candidate.pk)
            lacking[row.pk] -= 1


def offer_candidates(request: GatewayRequest, row: Recomposition) -> bool:
    """Mark the row as bought if it has candidates of this request; return whether it has any.

    Without `REVIEW`, the first candidate that may go live by itself does so where nobody has
    decided and nothing is live, unless the request's id is also another's. Those of the row's own
    shape come first.
    """
    candidates = sorted(
        _stored_candidates(request).filter(recomposition=row), key=attrgetter("share_cut_away")
    )
    if not candidates:
        return False
    if not settings.REVIEW and row.is_open and not request.has_id_of_another():
        first = next((each for each in candidates if _may_go_live(row, each)), None)
        if first:
            row.go_live(first)
    if row.bought() and row.is_open:
        events.awaits_review(row, request)
    return True


def _may_go_live(row: Recomposition, candidate: Candidate) -> bool:
    """Return whether the candidate may be shown though nobody has seen it.

    One of another shape may if the cut loses less of it than a crop of the image must lose to be
    worth replacing.
    """
    lost = candidate.share_cut_away
    return (not lost or lost < settings.MIN_CROP_LOSS) and has_enough_pixels(row, candidate)


def has_enough_pixels(row: Recomposition, candidate: Candidate) -> bool:
    """Return whether the candidate gives each slot as many pixels as the crop that it replaces.

    A candidate that fills every slot is enough, whatever the crop would give.
    """
    picture = candidate.size
    sizes = [slot.size for slot in row.parsed_slots]
    short = [size for size in sizes if _covered_width(picture, size) < size.width]
    if not short:
        return True
    crop = _displayed_size(row.image)
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


def _failure_of(request: GatewayRequest) -> tuple[str, str]:
    """Return the code and detail of a missing picture: an output's error, or that too few came."""
    for output in request.outputs:
        if "error" in output:
            return output["error"], output["detail"]
    return "missing", "The service sent no picture of this shape."
