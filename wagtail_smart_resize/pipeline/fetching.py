"""From completed to stored: the outputs become candidates, and the first may go live."""

import datetime as dt
import logging
from typing import Any

from .. import downloads, matching, moments
from ..client import Output
from ..exceptions import DownloadError
from ..models import Candidate, GatewayRequest, Recomposition
from ..pictures import Picture
from ..settings import settings
from ..shapes import Size, Slot, cut
from . import outcomes

logger = logging.getLogger(__name__)

Status = GatewayRequest.Status
Charged = GatewayRequest.Charged

#: How long outputs that can't be had are asked for: so long their addresses may live.
PATIENCE = dt.timedelta(hours=1)


def fetch(request: GatewayRequest) -> None:
    """Fetch what is missing of a request whose lease is ours; finish it if nothing is."""
    stored = set(request.candidates.filter(stored=True).values_list("position", flat=True))
    outputs = request.outputs
    for position, output in enumerate(outputs):
        if position not in stored and "error" not in output:
            _fetch_one(request, position, output)
    if any("later" in output for output in outputs):
        _again_later(request)
    else:
        _finish(request)


def _fetch_one(request: GatewayRequest, position: int, output: dict[str, str]) -> None:
    """Fetch and store one output, or note in it why not: for good (error), or for now (later)."""
    output.pop("later", None)
    named = Output(output["url"], output["file_name"], output["content_type"])
    try:
        picture = downloads.fetch(named, gateway_url=settings.BASE_URL)
    except DownloadError as error:
        given_up = error.final or moments.now() - request.completed_at > PATIENCE
        output["error" if given_up else "later"] = error.code
        output["detail"] = error.detail
        return
    row = _row_for(request, output["file_name"], picture)
    if row is None:
        output["error"] = "wrong_shape"
        output["detail"] = f"The service sent {picture.width}x{picture.height} px."
    else:
        _store(request, row, position, picture)


def _row_for(request: GatewayRequest, file_name: str, picture: Picture) -> Recomposition | None:
    """The recomposition that asked for this picture; None if its shape was not asked for.

    The shapes of one request differ by more than 3 %, so that the picture's own shape tells.
    """
    ids = {Size.parse(asked["size"]): asked["recomposition"] for asked in request.sizes}
    size = Size(picture.width, picture.height)
    matched = matching.assign([(file_name, size)], list(ids), request.per_size)
    found = next((asked for asked, indexes in matched.by_size.items() if indexes), None)
    if found is None:
        return None
    return Recomposition.objects.filter(pk=ids[found]).first()


def _store(request: GatewayRequest, row: Recomposition, position: int, picture: Picture) -> None:
    """The row that names the file first, then the file: no crash can leave a file of nobody."""
    candidate, _created = Candidate.objects.get_or_create(
        request=request,
        recomposition=row,
        position=position,
        defaults={
            "file": Candidate.new_name(row.image_id, picture.format),
            "width": picture.width,
            "height": picture.height,
            "digest": picture.digest,
        },
    )
    candidate.store(picture.content)


def _again_later(request: GatewayRequest) -> None:
    troubles = request.troubles + 1
    wait = moments.backoff(troubles, first=5, most=300)
    request.release(outputs=request.outputs, troubles=troubles, next_step=moments.now() + wait)


# Finishing


def _finish(request: GatewayRequest) -> None:
    """Tell each recomposition what came for it; then the request is done."""
    for row in outcomes.rows_of(request):
        candidates = list(request.candidates.filter(recomposition=row, stored=True))
        if candidates:
            _give(row, candidates)
        else:
            row.fail(*_why(request))
    code, detail = (
        _why(request) if any("error" in output for output in request.outputs) else ("", "")
    )
    request.finish(
        Status.DONE,
        outputs=[_without_address(output) for output in request.outputs],
        error_code=code,
        error_detail=detail,
    )


def _give(row: Recomposition, candidates: list[Candidate]) -> None:
    """What was bought is there; the first good one goes live where nobody has a say."""
    if not settings.REVIEW:
        good = (each for each in candidates if gives_enough(row, each))
        first = next(good, None)
        if first:
            row.go_live(first)
    row.bought()


def gives_enough(row: Recomposition, candidate: Candidate) -> bool:
    """Whether the candidate gives each slot as many pixels as the crop that it replaces."""
    source = Size(row.image.width, row.image.height)
    picture = Size(candidate.width, candidate.height)
    wanted = [Slot.parse(slot).size for slot in row.slots]
    return all(_width(picture, size) >= _width(source, size) for size in wanted)


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
