"""From completed to stored: outputs become candidates, and the first may go live."""

import datetime as dt
import logging
from collections import Counter
from typing import Any

from django.utils import timezone

from wagtail_smart_resize.core import clock
from wagtail_smart_resize.core.site_image import SiteImage
from wagtail_smart_resize.core.sizes import Size, cover, nearest_shape, shape_of
from wagtail_smart_resize.exceptions import DownloadError, SourceUnavailable
from wagtail_smart_resize.gateway import downloads
from wagtail_smart_resize.gateway.client import Output
from wagtail_smart_resize.imaging.decoding import Picture
from wagtail_smart_resize.models import Candidate, GatewayRequest, Recomposition
from wagtail_smart_resize.settings import settings

from . import outcomes, source_image

logger = logging.getLogger(__name__)

Status = GatewayRequest.Status
Charged = GatewayRequest.Charged

#: How long the download of unavailable outputs is retried: their URLs may live this long.
KEEP_TRYING_FOR = dt.timedelta(hours=1)
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
    else:
        _finish(request, incomplete)


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
    return request.candidates.filter(stored=True)


def _incomplete_rows(request: GatewayRequest, rows: list[Recomposition]) -> list[Recomposition]:
    """Return the rows that have fewer candidates of this request than were asked for."""
    found = Counter(_stored_candidates(request).values_list("recomposition_id", flat=True))
    return [row for row in rows if found[row.pk] < request.images_per_size]


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
    pk = _match_recomposition(request, picture)
    row = Recomposition.objects.filter(pk=pk).first() if pk else None
    if row is not None:
        _store_candidate(request, row, position, picture)
    elif pk:
        output["error"], output["detail"] = "gone", "The image was deleted meanwhile."
    else:
        output["error"] = "wrong_shape"
        output["detail"] = f"The service sent {picture.width}x{picture.height} px."


def _match_recomposition(request: GatewayRequest, picture: Picture) -> int | None:
    """Return the id of the recomposition that asked for this picture, or None for another shape.

    Outputs may come in another order, under other names and in other sizes. The shapes of one
    request differ by more than 3 %, so the picture's own shape identifies it.
    """
    ids = {shape_of(*Size.parse(asked["size"])): asked["recomposition"] for asked in request.sizes}
    shape = nearest_shape(shape_of(picture.width, picture.height), ids)
    return None if shape is None else ids[shape]


def _store_candidate(
    request: GatewayRequest, row: Recomposition, position: int, picture: Picture
) -> None:
    """Write the row that names the file, then the file, so that no crash orphans a file."""
    facts = {"width": picture.width, "height": picture.height, "digest": picture.digest}
    candidate, _created = Candidate.objects.update_or_create(
        request=request,
        recomposition=row,
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
        code, detail = _failure_of(request)
        # Stored before the rows change: a process that takes over sees only the rows that still
        # wait.
        request.step(error_code=code, error_detail=detail)
        for row in incomplete:
            if not offer_candidates(request, row):
                row.fail(code, detail)
    # Their URLs work for anybody who reads them in the ledger.
    outputs = [
        {key: value for key, value in output.items() if key != "url"} for output in request.outputs
    ]
    request.finish(Status.DONE, outputs=outputs)


def offer_candidates(request: GatewayRequest, row: Recomposition) -> bool:
    """Mark the row as bought if it has candidates of this request; return whether it has any.

    Without `REVIEW`, the first candidate with enough pixels goes live where nobody has decided and
    nothing is live, unless the request's id is also another's.
    """
    candidates = list(_stored_candidates(request).filter(recomposition=row))
    if not candidates:
        return False
    if not settings.REVIEW and row.is_open and not request.has_id_of_another():
        first = next((each for each in candidates if has_enough_pixels(row, each)), None)
        if first:
            row.go_live(first)
    row.bought()
    return True


def has_enough_pixels(row: Recomposition, candidate: Candidate) -> bool:
    """Return whether the candidate gives each slot as many pixels as the crop that it replaces.

    A candidate that fills every slot is enough, whatever the crop would give.
    """
    picture = Size(candidate.width, candidate.height)
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
