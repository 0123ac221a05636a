"""From completed to stored: outputs become candidates, and the first may go live."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from django.utils import timezone
from django.utils.functional import cached_property
from PIL import Image

from wagtail_smart_resize.core import clock
from wagtail_smart_resize.core.logs import get_logger
from wagtail_smart_resize.core.sizes import Size, nearest_of, shape_of, share_cut_away
from wagtail_smart_resize.exceptions import DownloadError
from wagtail_smart_resize.gateway import downloads
from wagtail_smart_resize.gateway.client import Output
from wagtail_smart_resize.imaging.cutting import cut, half_or_less
from wagtail_smart_resize.imaging.decoding import Picture
from wagtail_smart_resize.models import Candidate, GatewayRequest, Recomposition, events
from wagtail_smart_resize.publishing.material import Material
from wagtail_smart_resize.publishing.publication import FLIP_LEASE
from wagtail_smart_resize.settings import settings

from . import circuit, outcomes, own_pixels
from .comparing import Comparer, recipe_of
from .offering import is_true_enough, may_go_live_unseen, note_review, offer

logger = get_logger(__name__)

Status = GatewayRequest.Status
Charged = GatewayRequest.Charged

#: How long the download of unavailable outputs is retried: their URLs may live this long.
KEEP_TRYING_FOR = dt.timedelta(hours=1)
#: Maximum number of outputs that are fetched beyond those that were asked for.
MAX_SURPLUS = 20
#: Length of a turn of downloads. With the timeout of its last one it stays well within the lease.
TURN_LENGTH = dt.timedelta(minutes=2)


class Publishable(NamedTuple):
    """An image with something to publish, for the caller, who holds its flip until then."""

    image_id: Any
    held_until: dt.datetime
    material: Material


@dataclass
class _Looked:
    """What was made of a picture's pixels while they were decoded."""

    cuts: dict[Size, Any] = field(default_factory=dict)
    compared: dict[str, Any] = field(default_factory=dict)
    """Fields of the candidate."""


def fetch_outputs(request: GatewayRequest) -> Publishable | None:
    """Fetch the missing outputs of a request leased by this process; finish it if none is left.

    Each recomposition gets its candidates as soon as they are complete, so that one URL that does
    not answer delays no other shape. After `TURN_LENGTH` the rest is fetched in another turn.
    Return what is to be published at once, if anything.
    """
    turn = _Turn(request)
    for position, output in turn.missing():
        if turn.is_over or not turn.incomplete_rows():
            break
        turn.fetch(position, output)
    missing = [output for _position, output in turn.missing()]
    incomplete = turn.incomplete_rows()
    for row in turn.rows:
        if row not in incomplete:
            turn.offer(row)
    if incomplete and missing:
        note_review(incomplete, turn.stored, by_person=request.by_person)
        _schedule_next_turn(request, at_once=any("later" not in output for output in missing))
    else:
        _fetch_surplus(turn)
        _finish(turn, incomplete)
    return turn.publishable


class _Turn:
    """A turn of downloads: the rows that wait for the request, and its candidates so far.

    They are read once. Nobody else stores any while this process has the request's lease.
    """

    def __init__(self, request: GatewayRequest) -> None:
        self.request = request
        self.rows = list(outcomes.recompositions_of(request).select_related("image"))
        self.publishable: Publishable | None = None
        self._candidates: dict[int, Candidate] = {
            each.position: each for each in request.candidates.select_related("recomposition")
        }
        self._material = Material(
            self.rows[0].image if self.rows else None,
            request.source_hash,
            request.source_format,
            request.source_size,
        )
        self._comparer = Comparer(request, self.rows[0].image if self.rows else request.image)
        self._ends = timezone.now() + TURN_LENGTH

    @cached_property
    def _held_until(self) -> dt.datetime:
        """Return the end of this process's lease on the flip: one for all rows of the image.

        What is due earlier stays so, and a process knows by this moment that it still has the
        lease.
        """
        return timezone.now() + FLIP_LEASE

    @property
    def is_over(self) -> bool:
        return timezone.now() > self._ends

    @property
    def stored(self) -> list[Candidate]:
        return [each for each in self._candidates.values() if each.stored]

    def missing(self) -> list[tuple[int, dict[str, str]]]:
        """Return the outputs neither stored nor given up, with positions, untried ones first."""
        stored = {each.position for each in self.stored}
        missing = [
            (position, output)
            for position, output in enumerate(self.request.outputs)
            if position not in stored and "error" not in output
        ]
        return sorted(missing, key=lambda each: "later" in each[1])

    def incomplete_rows(self) -> list[Recomposition]:
        """Return the rows that have fewer candidates of their shape than were asked for."""
        found = _count_of_own_shape(self.stored)
        return [row for row in self.rows if found[row.pk] < self.request.images_per_size]

    def fetch(self, position: int, output: dict[str, str]) -> None:
        """Fetch and store an output, or note on it why not: "error" is final, "later" retried."""
        for note in ("later", "detail"):
            output.pop(note, None)
        named = Output(output["url"], output["file_name"], output["content_type"])
        looked = _Looked()
        self._comparer.read_original()
        try:
            picture = downloads.download(
                named, gateway_url=settings.BASE_URL, look=partial(self._look, looked)
            )
        except DownloadError as error:
            age = timezone.now() - (self.request.completed_at or self.request.created_at)
            given_up = error.final or age > KEEP_TRYING_FOR
            output["error" if given_up else "later"] = error.code
            output["detail"] = error.detail
            return
        row = self._row_of(Size(picture.width, picture.height))
        if row is None:
            output["error"], output["detail"] = "gone", "The image was deleted meanwhile."
        else:
            self._store(row, position, picture, looked)

    def _row_of(self, picture: Size) -> Recomposition | None:
        """Return the recomposition of a picture; None if it was deleted."""
        key = _nearest_recomposition(self.request, picture)
        return self._waiting_row(key) or Recomposition.objects.filter(pk=key).first()

    def _waiting_row(self, key: int) -> Recomposition | None:
        return next((row for row in self.rows if row.pk == key), None)

    def _look(self, looked: "_Looked", picture: Image.Image) -> None:
        """Compare a decoded picture with the original, and cut it to the sizes of its slots.

        It is cut if it may go live at once. The first of each shape does: of further ones, most are
        never shown.
        """
        looked.compared = self._comparer.facts(picture)
        if is_true_enough(looked.compared["passed"]):
            self._cut_out(looked.cuts, picture)

    def _cut_out(self, cuts: dict[Size, Any], picture: Image.Image) -> None:
        key = _nearest_recomposition(self.request, Size(*picture.size))
        row = self._waiting_row(key)
        is_first = not any(each.recomposition_id == key for each in self.stored)
        if row is None or not (is_first and may_go_live_unseen(self.request, row)):
            return
        room = self._material.room
        sizes = {slot.size for slot in row.parsed_slots}
        for size in sorted(sizes, reverse=True):
            room -= size.width * size.height
            if room >= 0:
                cuts[size] = cut(half_or_less(cuts.values(), size) or picture, size)

    def _store(
        self, row: Recomposition, position: int, picture: Picture, looked: "_Looked"
    ) -> None:
        """Write the row that names the file, then the file, so that no crash orphans a file."""
        facts = {
            "recomposition": row,
            "width": picture.width,
            "height": picture.height,
            "digest": picture.digest,
            "source_type": picture.origin.source_type,
            "has_c2pa": picture.origin.has_c2pa,
            **looked.compared,
        }
        candidate = self._candidates.get(position)
        is_new = candidate is None
        if candidate is None:
            name = Candidate.new_name(row.image_id, picture.format)
            candidate = self.request.candidates.create(position=position, file=name, **facts)
        else:
            candidate.update_if(where={}, **facts)
        if candidate.write(picture.content, is_new=is_new):
            self._candidates[position] = candidate
            self._material.keep(candidate.file_name, looked.cuts)

    def offer(self, row: Recomposition) -> bool:
        """Offer the row its candidates; return whether it has any."""
        ours = [each for each in self.stored if each.recomposition_id == row.pk]
        derived = list(self._with_own_pixels(row, ours))
        if offer(self.request, row, [*ours, *derived], self._held_until):
            self.publishable = Publishable(row.image_id, self._held_until, self._material)
        return bool(ours)

    def _with_own_pixels(self, row: Recomposition, bought: list[Candidate]) -> Iterator[Candidate]:
        """Derive versions with the photograph's own pixels, where the recipe asks for that."""
        if recipe_of(row.recipe).keep_pixels == "no":
            return
        for candidate in bought:
            if self.is_over:
                break
            try:
                yield own_pixels.keep_pixels(candidate, row.image)
            except own_pixels.CantKeepPixels as error:
                logger.info("No own pixels for candidate %s: %s", candidate.pk, error.code)
            except Exception:
                # What is paid for must not wait for it.
                logger.exception("Can't lay own pixels over candidate %s", candidate.pk)


def _fetch_surplus(turn: _Turn) -> None:
    """Fetch what came beyond what was asked for: it may be paid for, and a person may choose it.

    Each is tried once, as all shapes have their pictures already.
    """
    if turn.request.image_id is None:
        return
    for position, output in turn.missing()[:MAX_SURPLUS]:
        if turn.is_over:
            break
        turn.fetch(position, output)


def _count_of_own_shape(candidates: Iterable[Candidate]) -> Counter[int]:
    """Return by recomposition's id how many of these are of the shape that was asked for."""
    return Counter(each.recomposition_id for each in candidates if not each.share_cut_away)


def _nearest_recomposition(request: GatewayRequest, picture: Size) -> int:
    """Return the id of the recomposition whose shape comes nearest to the picture's.

    Outputs may come in another order, under other names and in other sizes. The shapes of one
    request differ by more than 3 %, so the picture's own shape identifies it; one of another shape
    may be handed to another recomposition in the end.
    """
    ids = {shape_of(*Size.parse(asked["size"])): asked["recomposition"] for asked in request.sizes}
    return ids[nearest_of(shape_of(*picture), ids)]


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


def _finish(turn: _Turn, incomplete: list[Recomposition]) -> None:
    """Fail the recompositions that have no candidates, with the reason, and finish the request."""
    request, stored = turn.request, turn.stored
    if incomplete:
        _hand_out_other_shapes(request, incomplete, stored)
    empty = [row for row in incomplete if not turn.offer(row)]
    if empty:
        code, detail = _failure_of(request)
        # Stored before the rows change: a process that takes over sees only the rows that still
        # wait.
        request.step(error_code=code, error_detail=detail)
        for row in empty:
            row.fail(code, detail)
        if not stored:
            outcomes.note_failure(request, code, detail)
    # Rows that do not wait for the request any more, since a person has gone on.
    others = {each.recomposition for each in stored} - {*turn.rows}
    note_review(others, stored, by_person=request.by_person)
    # Their URLs work for anybody who reads them in the ledger.
    outputs = [
        {key: value for key, value in output.items() if key != "url"} for output in request.outputs
    ]
    request.finish(Status.DONE, outputs=outputs)
    if stored:
        circuit.note_success()
        events.completed(request, len(stored))


def _hand_out_other_shapes(
    request: GatewayRequest, incomplete: list[Recomposition], candidates: list[Candidate]
) -> None:
    """Give the rows that lack pictures those of other shapes, the nearest first.

    So that each shape gets its picture where the service cuts none to shape, and several come
    nearest to the same.
    """
    others = [each for each in candidates if each.share_cut_away]
    lacking = Counter({row.pk: request.images_per_size for row in incomplete})
    lacking.subtract(_count_of_own_shape(candidates))
    pairs = [
        (share_cut_away(each.size, row.shape), each, row) for row in incomplete for each in others
    ]
    handed = set()
    for _lost, candidate, row in sorted(pairs, key=lambda pair: pair[0]):
        if candidate.pk not in handed and lacking[row.pk] > 0:
            row.adopt(candidate)
            handed.add(candidate.pk)
            lacking[row.pk] -= 1


def _failure_of(request: GatewayRequest) -> tuple[str, str]:
    """Return the code and detail of a missing picture: an output's error, or that too few came."""
    for output in request.outputs:
        if "error" in output:
            return output["error"], output["detail"]
    return "missing", "The service sent no AI version for this place."
