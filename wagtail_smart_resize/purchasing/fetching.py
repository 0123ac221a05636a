"""From completed to stored: the outputs become candidates, and the first may go live."""

import datetime as dt
import logging
from collections import Counter
from typing import Any

from wagtail_smart_resize.core import clock
from wagtail_smart_resize.core.sizes import Size, Slot, cut
from wagtail_smart_resize.exceptions import DownloadError, SourceUnavailable
from wagtail_smart_resize.gateway import downloads, matching
from wagtail_smart_resize.gateway.client import Output
from wagtail_smart_resize.imaging.decoding import Picture
from wagtail_smart_resize.models import Candidate, GatewayRequest, Recomposition
from wagtail_smart_resize.settings import settings

from . import outcomes, source_image

logger = logging.getLogger(__name__)

Status = GatewayRequest.Status
Charged = GatewayRequest.Charged

#: How long outputs that can't be had are asked for: so long their addresses may live.
PATIENCE = dt.timedelta(hours=1)
#: When a turn of downloads ends; with the last one's limit it stays well within the lease.
TURN = dt.timedelta(minutes=2)


def fetch(request: GatewayRequest) -> None:
    """Fetch what is missing of a request whose lease is ours; finish it if nothing is.

    Each recomposition gets its pictures as soon as they are complete: one address that doesn't
    answer holds up no other shape.
    """
    rows = list(outcomes.rows_of(request))
    ends = clock.now() + TURN
    for position, output in _missing(request):
        if clock.now() > ends or not _incomplete(request, rows):
            break
        _fetch_one(request, position, output)
    missing = [output for _position, output in _missing(request)]
    incomplete = _incomplete(request, rows)
    for row in rows:
        if row not in incomplete:
            give(request, row)
    if incomplete and missing:
        _go_on(request, at_once=any("later" not in output for output in missing))
    else:
        _finish(request, incomplete)


def _missing(request: GatewayRequest) -> list[tuple[int, dict[str, str]]]:
    """The outputs that are neither stored nor given up, by their position; untried ones first."""
    stored = set(_candidates(request).values_list("position", flat=True))
    missing = [
        (position, output)
        for position, output in enumerate(request.outputs)
        if position not in stored and "error" not in output
    ]
    return sorted(missing, key=lambda each: "later" in each[1])


def _candidates(request: GatewayRequest) -> Any:
    return request.candidates.filter(stored=True)


def _incomplete(request: GatewayRequest, rows: list[Recomposition]) -> list[Recomposition]:
    """The recompositions that have fewer candidates of this request than were asked for."""
    found = Counter(_candidates(request).values_list("recomposition_id", flat=True))
    return [row for row in rows if found[row.pk] < request.per_size]


def _fetch_one(request: GatewayRequest, position: int, output: dict[str, str]) -> None:
    """Fetch and store one output, or note in it why not: for good (error), or for now (later)."""
    for note in ("later", "detail"):
        output.pop(note, None)
    named = Output(output["url"], output["file_name"], output["content_type"])
    try:
        picture = downloads.fetch(named, gateway_url=settings.BASE_URL)
    except DownloadError as error:
        given_up = error.final or _is_old(request)
        output["error" if given_up else "later"] = error.code
        output["detail"] = error.detail
        return
    pk = _wanted_by(request, output["file_name"], picture)
    row = Recomposition.objects.filter(pk=pk).first()
    if row is not None:
        _store(request, row, position, picture)
    elif pk:
        output["error"], output["detail"] = "gone", "The image was deleted meanwhile."
    else:
        output["error"] = "wrong_shape"
        output["detail"] = f"The service sent {picture.width}x{picture.height} px."


def _is_old(request: GatewayRequest) -> bool:
    return clock.now() - (request.completed_at or request.created_at) > PATIENCE


def _wanted_by(request: GatewayRequest, file_name: str, picture: Picture) -> int | None:
    """The recomposition that asked for this picture; None if its shape was not asked for.

    The shapes of one request differ by more than 3 %, so that the picture's own shape tells.
    """
    ids = {Size.parse(asked["size"]): asked["recomposition"] for asked in request.sizes}
    size = Size(picture.width, picture.height)
    matched = matching.assign([(file_name, size)], list(ids), request.per_size)
    return next((ids[asked] for asked, indexes in matched.by_size.items() if indexes), None)


def _store(request: GatewayRequest, row: Recomposition, position: int, picture: Picture) -> None:
    """The row that names the file first, then the file: no crash can leave a file of nobody."""
    facts = {"width": picture.width, "height": picture.height, "digest": picture.digest}
    candidate, _created = Candidate.objects.update_or_create(
        request=request,
        recomposition=row,
        position=position,
        defaults=facts,
        create_defaults={"file": Candidate.new_name(row.image_id, picture.format), **facts},
    )
    candidate.store(picture.content)


def _go_on(request: GatewayRequest, *, at_once: bool) -> None:
    """Another turn: at once if this one's time was over, else when addresses may answer again."""
    troubles = 0 if at_once else request.troubles + 1
    wait = dt.timedelta() if at_once else clock.backoff(troubles, first=5, most=300)
    request.release(outputs=request.outputs, troubles=troubles, next_step=clock.now() + wait)


# Finishing


def _finish(request: GatewayRequest, incomplete: list[Recomposition]) -> None:
    """Tell the recompositions that lack pictures what came for them; then the request is done."""
    if incomplete:
        code, detail = _why(request)
        # First: a process that takes over sees only the rows that still wait.
        request.step(error_code=code, error_detail=detail)
        for row in incomplete:
            if not give(request, row):
                row.fail(code, detail)
    outputs = [_without_address(output) for output in request.outputs]
    request.finish(Status.DONE, outputs=outputs)


def give(request: GatewayRequest, row: Recomposition) -> bool:
    """Give a recomposition what was bought for it; False where that is nothing.

    The first picture that is good enough goes live where nobody has a say.
    """
    candidates = list(_candidates(request).filter(recomposition=row))
    if not candidates:
        return False
    if not settings.REVIEW and row.is_open:
        first = next((each for each in candidates if gives_enough(row, each)), None)
        if first:
            row.go_live(first)
    row.bought()
    return True


def gives_enough(row: Recomposition, candidate: Candidate) -> bool:
    """Whether the candidate gives each slot as many pixels as the crop that it replaces."""
    picture = Size(candidate.width, candidate.height)
    short = [size for size in _sizes(row) if _width(picture, size) < size.width]
    if not short:
        return True
    crop = _displayed(row.image)
    return all(_width(picture, size) >= _width(crop, size) for size in short)


def _sizes(row: Recomposition) -> list[Size]:
    return [Slot.parse(slot).size for slot in row.slots]


def _displayed(image: Any) -> Size:
    """The image's size as Wagtail crops it: upright, which only the opened file tells."""
    try:
        facts = source_image.inspect(image)
    except SourceUnavailable:
        return Size(image.width, image.height)
    return Size(facts.width, facts.height)


def _width(available: Size, wanted: Size) -> int:
    _box, given = cut(available, wanted)
    return given.width


def _why(request: GatewayRequest) -> tuple[str, str]:
    """Why a shape has no picture: what was wrong with an output, or that too few came."""
    for output in request.outputs:
        if "error" in output:
            return output["error"], output["detail"]
    return "missing", "The service sent no picture of this shape."


def _without_address(output: dict[str, Any]) -> dict[str, Any]:
    """The ledger keeps what came, not addresses that work for whoever reads them."""
    return {key: value for key, value in output.items() if key != "url"}
