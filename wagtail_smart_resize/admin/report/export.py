"""The report as a spreadsheet: one record per recomposition."""

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple

from django.db.models import QuerySet
from django.utils.encoding import force_str
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from wagtail.admin.utils import get_user_display_name

from wagtail_smart_resize.core.money import Price
from wagtail_smart_resize.editorial import delays, failures, listings
from wagtail_smart_resize.editorial.states import cost_of
from wagtail_smart_resize.models import GatewayRequest, Recomposition

#: So many rows are loaded and held at once.
CHUNK = 500

_SIGNS = r"[=+\-@＝＋－＠]"  # noqa: RUF001
_NOT_SEEN = (
    r"[ \x00-\x08\x0b\x0c\x0e-\x1f\x85\xa0\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff]*"
)
#: What a spreadsheet program takes for the beginning of a formula. One whose separator is another
#: than the comma begins cells of its own within ours.
_FORMULA = re.compile(rf"(^|[;\t\r\n])({_NOT_SEEN}{_SIGNS})|^(?=[\t\r\n])")
#: Control characters that a workbook can't hold.
_NOT_IN_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def csv_safe(value: str | Promise) -> str:
    """Text that no spreadsheet program runs: a title may begin with "="."""
    return _FORMULA.sub(r"\1'\2", force_str(value))


def xlsx_safe(value: str | Promise) -> str:
    return _NOT_IN_XML.sub("", force_str(value))


class Field(NamedTuple):
    heading: str | Promise
    read: Callable[[Any], Any]


def _name(user: Any) -> str:
    return get_user_display_name(user) if user else ""


def _live(row: Recomposition) -> Any:
    return _("Recomposed picture") if row.live_id else _("Standard crop")


def _live_size(row: Recomposition) -> str:
    return f"{row.live.width}×{row.live.height}" if row.live else ""


def _live_since(row: Recomposition) -> Any:
    """When it was chosen; where nobody chose it, when it came."""
    if row.live is None:
        return None
    return row.decided_at or row.live.created_at


def _live_by(row: Recomposition) -> Any:
    """A decision whose user has been deleted since is still a person's."""
    if row.live is None:
        return ""
    if row.decision == Recomposition.Decision.NONE:
        return _("Automatic")
    return _name(row.decided_by) or _("A person")


def _made(row: Recomposition) -> GatewayRequest | None:
    """The request that made the live picture: not the row's last where others followed."""
    return row.live.request if row.live else None


def _of_made(read: Callable[[GatewayRequest], Any]) -> Callable[[Recomposition], Any]:
    """A fact of the request that made the live picture; None where there is none."""

    def field(row: Recomposition) -> Any:
        request = _made(row)
        return read(request) if request else None

    return field


def _live_cost(row: Recomposition) -> Price | None:
    return cost_of(_made(row))


def _failure(row: Recomposition) -> Any:
    if row.purchase != Recomposition.Purchase.FAILED:
        return ""
    return failures.describe(row.failure_code, row.failure_detail).message


def _seconds(row: Any) -> int | None:
    return round(row.state.took.total_seconds()) if row.state.took else None


#: A row has its `state`. No words here are formatted: a program may read them.
FIELDS: dict[str, Field] = {
    "image_id": Field(_("Image ID"), lambda row: row.image_id),
    "image": Field(_("Image"), lambda row: row.image.title),
    "collection": Field(_("Collection"), lambda row: row.image.collection.name),
    "presets": Field(_("Presets"), lambda row: ", ".join(listings.presets_of(row))),
    "sizes": Field(_("Sizes"), lambda row: ", ".join(listings.sizes_of(row))),
    "shape": Field(_("Shape"), lambda row: row.shape),
    "recipe": Field(_("Recipe"), lambda row: row.recipe),
    "state": Field(_("State"), lambda row: row.state.label),
    "live": Field(_("Live"), _live),
    "purchase": Field(_("Purchase"), lambda row: row.get_purchase_display()),
    "decision": Field(_("Decision"), lambda row: row.get_decision_display()),
    "decided_by": Field(_("Decided by"), lambda row: _name(row.decided_by)),
    "decided_at": Field(_("Decided"), lambda row: row.decided_at),
    "waits_for": Field(_("Waits because"), lambda row: delays.reason_label(row.waiting_reason)),
    "failure": Field(_("Failure"), _failure),
    "failure_code": Field(_("Failure code"), lambda row: row.failure_code),
    "failure_detail": Field(_("Failure in detail"), lambda row: row.failure_detail),
    "wanted_at": Field(_("Wanted since"), lambda row: row.wanted_at),
    "wanted_by": Field(_("Wanted by"), lambda row: row.get_wanted_by_display()),
    "asked_by": Field(_("Asked by"), lambda row: _name(row.asked_by)),
    "prompt": Field(_("Prompt"), lambda row: row.request.prompt if row.request else ""),
    "seconds": Field(_("Seconds"), _seconds),
    "cost": Field(_("Cost"), lambda row: row.state.cost.amount if row.state.cost else None),
    "currency": Field(_("Currency"), lambda row: row.state.cost.currency if row.state.cost else ""),
    # Where the live picture comes from.
    "source_digest": Field(_("Source file (SHA-1)"), lambda row: row.source_hash),
    "live_size": Field(_("Live size"), _live_size),
    "live_digest": Field(_("Live file (SHA-256)"), lambda row: row.live.digest if row.live else ""),
    "live_since": Field(_("Live since"), _live_since),
    "live_by": Field(_("Live by decision of"), _live_by),
    "live_asked_by": Field(_("Live: asked by"), _of_made(lambda made: _name(made.asked_by))),
    "live_prompt": Field(_("Live: prompt as sent"), _of_made(lambda made: made.prompt)),
    "live_seed": Field(_("Live: seed"), _of_made(lambda made: made.seed)),
    "live_resolution": Field(_("Live: resolution"), _of_made(lambda made: made.resolution)),
    "live_request_id": Field(_("Live: request ID"), _of_made(lambda made: made.request_id)),
    "live_sent_at": Field(_("Live: sent"), _of_made(lambda made: made.sent_at)),
    "live_cost": Field(
        _("Live: cost"), lambda row: cost.amount if (cost := _live_cost(row)) else None
    ),
    "live_currency": Field(
        _("Live: currency"), lambda row: cost.currency if (cost := _live_cost(row)) else ""
    ),
    "batch": Field(_("Batch"), lambda row: str(row.request.batch or "") if row.request else ""),
}


def record(row: Recomposition) -> dict[str, Any]:
    return {name: field.read(row) for name, field in FIELDS.items()}


def stream(found: QuerySet) -> Iterator[Recomposition]:
    """The rows in their order, each with its `state`, as they are read.

    One query cuts the keys, and a fixed number loads each chunk: a database that sorts all that a
    row is shown with takes many times as long before its first row. What is deleted meanwhile is
    left out.
    """
    keys = found.values_list("pk", flat=True).iterator(chunk_size=CHUNK)
    while chunk := list(islice(keys, CHUNK)):
        yield from _loaded(chunk)


def _loaded(keys: Iterable[Any]) -> list[Recomposition]:
    related = ("live__request", "live__request__asked_by__wagtail_userprofile")
    by_key = listings.load(Recomposition.objects.select_related(*related)).in_bulk(list(keys))
    loaded = [by_key[key] for key in keys if key in by_key]
    listings.tell_states(loaded)
    return loaded
