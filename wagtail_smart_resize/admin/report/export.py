"""Spreadsheet export of the report: one record per recomposition."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

from django.db.models import Q, QuerySet
from django.utils.encoding import force_str
from django.utils.translation import gettext_lazy as _
from wagtail.admin.utils import get_user_display_name

from wagtail_smart_resize.admin.image.context import open_pages
from wagtail_smart_resize.core.formatting import Text
from wagtail_smart_resize.core.money import Price
from wagtail_smart_resize.editorial import delays, failures, listings, places
from wagtail_smart_resize.editorial.listings import ListedRecomposition
from wagtail_smart_resize.editorial.states import cost_of
from wagtail_smart_resize.models import GatewayRequest, Recomposition

#: Maximum number of rows held in memory.
CHUNK_SIZE = 500
#: The report's own order, for which there is an index.
BY_INDEX = "wanted_at"

_SIGNS = r"[=+\-@＝＋－＠]"  # noqa: RUF001
_INVISIBLE = (
    r"[ \x00-\x08\x0b\x0c\x0e-\x1f\x85\xa0\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff]*"
)
#: What spreadsheet programs read as the beginning of a formula. A program whose separator is not
#: the comma splits a cell of the file into several, so a formula can begin within a cell, too.
_FORMULA = re.compile(rf"(^|[;\t\r\n])({_INVISIBLE}{_SIGNS})|^(?=[\t\r\n])")
#: Control characters that XML, and so an XLSX workbook, can't hold.
_NOT_IN_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def csv_safe(value: Text) -> str:
    """Return the text with formulas quoted, since image titles may begin with "="."""
    return _FORMULA.sub(r"\1'\2", force_str(value))


def xlsx_safe(value: Text) -> str:
    """Return the text without control characters that a workbook can't hold."""
    return _NOT_IN_XML.sub("", force_str(value))


class Field(NamedTuple):
    """A column of the export: its heading, and the function that reads its value."""

    heading: Text
    read: "Callable[[ExportedRecomposition], Any]"


def _name(user: Any) -> str:
    return get_user_display_name(user) if user else ""


def _live(row: Recomposition) -> Any:
    if row.live is None:
        return _("Crop")
    return _("AI version with own pixels") if row.live.is_derived else _("AI version")


def _live_since(row: Recomposition) -> Any:
    """Return when the live picture was chosen or, if nobody chose it, when it arrived."""
    if row.live is None:
        return None
    return row.decided_at or row.live.created_at


def _live_by(row: Recomposition) -> Any:
    """Return who chose the live picture. A decision remains a person's if the user is deleted."""
    if row.live is None:
        return ""
    if row.decision == Recomposition.Decision.NONE:
        return _("Automatic")
    return _name(row.decided_by) or _("A person")


def _live_request(row: Recomposition) -> GatewayRequest | None:
    """Return the request that made the live picture, which may not be the row's last."""
    return row.live.bought_with if row.live else None


def _from_live_request(
    read: Callable[[GatewayRequest], Any],
) -> Callable[[ListedRecomposition], Any]:
    """Return a reader that applies `read` to the live picture's request, or returns None."""

    def field(each: ListedRecomposition) -> Any:
        request = _live_request(each.row)
        return read(request) if request else None

    return field


def _live_cost(row: Recomposition) -> Price | None:
    return cost_of(_live_request(row))


def _failure(row: Recomposition) -> Any:
    if row.purchase != Recomposition.Purchase.FAILED:
        return ""
    return failures.describe(row.failure_code, row.failure_detail).message


def _seconds(each: ListedRecomposition) -> int | None:
    return round(each.state.took.total_seconds()) if each.state.took else None


def _whole_seconds(moment: Any) -> Any:
    return moment.replace(microsecond=0) if moment else None


def _page_titles(each: "ExportedRecomposition") -> str:
    return "; ".join(str(page.title) for page in each.pages)


def _page_addresses(each: "ExportedRecomposition") -> str:
    addresses = (page.get_full_url() for page in each.pages)
    return " ".join(filter(None, addresses))


#: The export's columns: what matters first, and last what only programs read. Values are not
#: formatted for people, since programs may read them.
FIELDS: dict[str, Field] = {
    "image": Field(_("Image"), lambda each: each.row.image.title),
    "description": Field(_("Description"), lambda each: each.row.image.default_alt_text),
    "presets": Field(_("Place"), lambda each: ", ".join(listings.names_of(each.row))),
    "sizes": Field(_("Sizes"), lambda each: ", ".join(listings.sizes_of(each.row))),
    "live": Field(_("Visitors see"), lambda each: _live(each.row)),
    "live_since": Field(_("Since"), lambda each: _whole_seconds(_live_since(each.row))),
    "live_by": Field(_("By decision of"), lambda each: _live_by(each.row)),
    "pages": Field(_("Pages"), _page_titles),
    "page_urls": Field(_("Addresses of the pages"), _page_addresses),
    "state": Field(_("State"), lambda each: each.state.label),
    "check": Field(_("Check"), lambda each: each.verdict.label if each.verdict else ""),
    "check_found": Field(_("What the check found"), lambda each: " ".join(each.found)),
    "check_score": Field(
        _("Share that is the same"), lambda each: each.shown.score if each.shown else None
    ),
    "decided_by": Field(_("Decided by"), lambda each: _name(each.row.decided_by)),
    "decided_at": Field(_("Decided"), lambda each: _whole_seconds(each.row.decided_at)),
    "asked_by": Field(_("Asked by"), lambda each: _name(each.row.asked_by)),
    "wanted_at": Field(_("Asked since"), lambda each: _whole_seconds(each.row.wanted_at)),
    "prompt": Field(_("Prompt"), lambda each: each.row.request.prompt if each.row.request else ""),
    "cost": Field(_("Cost"), lambda each: each.state.cost.amount if each.state.cost else None),
    "currency": Field(
        _("Currency"), lambda each: each.state.cost.currency if each.state.cost else ""
    ),
    "failure": Field(_("Failure"), lambda each: _failure(each.row)),
    "waits_for": Field(
        _("Why it waits"), lambda each: delays.reason_label(each.row.waiting_reason)
    ),
    "collection": Field(_("Collection"), lambda each: each.row.image.collection.name),
    "live_asked_by": Field(
        _("Live: asked by"), _from_live_request(lambda request: _name(request.asked_by))
    ),
    "live_prompt": Field(
        _("Live: prompt as sent"), _from_live_request(lambda request: request.prompt)
    ),
    "live_sent_at": Field(
        _("Live: sent"), _from_live_request(lambda request: _whole_seconds(request.sent_at))
    ),
    "live_cost": Field(
        _("Live: cost"), lambda each: cost.amount if (cost := _live_cost(each.row)) else None
    ),
    "live_currency": Field(
        _("Live: currency"), lambda each: cost.currency if (cost := _live_cost(each.row)) else ""
    ),
    "live_size": Field(
        _("Live size"),
        lambda each: f"{each.row.live.width}×{each.row.live.height}" if each.row.live else "",
    ),
    "live_seed": Field(_("Live: seed"), _from_live_request(lambda request: request.seed)),
    "live_resolution": Field(
        _("Live: resolution"), _from_live_request(lambda request: request.resolution)
    ),
    "live_request_id": Field(
        _("Live: request ID"), _from_live_request(lambda request: request.request_id)
    ),
    "live_source_type": Field(
        _("Live: digital source type"), lambda each: each.row.live.label if each.row.live else ""
    ),
    "live_c2pa": Field(
        _("Live: came with C2PA"), lambda each: each.row.live.has_c2pa if each.row.live else None
    ),
    "live_digest": Field(
        _("Live file (SHA-256)"), lambda each: each.row.live.digest if each.row.live else ""
    ),
    "source_digest": Field(_("Source file (SHA-1)"), lambda each: each.row.source_hash),
    "image_id": Field(_("Image ID"), lambda each: each.row.image_id),
    "ratio": Field(_("Ratio"), lambda each: each.row.shape),
    "recipe": Field(_("Recipe"), lambda each: each.row.recipe),
    "purchase": Field(_("Purchase"), lambda each: each.row.get_purchase_display()),
    "decision": Field(_("Decision"), lambda each: each.row.get_decision_display()),
    "wanted_by": Field(_("How it was asked for"), lambda each: each.row.get_wanted_by_display()),
    "failure_code": Field(_("Failure code"), lambda each: each.row.failure_code),
    "failure_detail": Field(_("Failure in detail"), lambda each: each.row.failure_detail),
    "seconds": Field(_("Seconds"), _seconds),
    "batch": Field(
        _("Batch"), lambda each: str(each.row.request.batch or "") if each.row.request else ""
    ),
}


@dataclass(frozen=True)
class ExportedRecomposition(ListedRecomposition):
    """A recomposition with the pages that are known to show it, and that the user may see."""

    pages: list[Any]


def record(each: ExportedRecomposition) -> dict[str, Any]:
    """Return the values by the names of `FIELDS`."""
    return {name: field.read(each) for name, field in FIELDS.items()}


def stream(found: QuerySet[Recomposition], user: Any) -> Iterator[ExportedRecomposition]:
    """Yield the rows in their order, chunk by chunk, each loaded by a fixed number of queries.

    Only pages that the user may see in the admin are named.

    A database that has to sort the joined rows takes many times as long to return the first, so
    primary keys are selected first. Rows deleted meanwhile are left out.
    """
    first, *_rest = found.query.order_by
    chunks = _along_the_index if str(first).removeprefix("-") == BY_INDEX else _by_one_query
    for keys in chunks(found):
        yield from _load(keys, user)


def _along_the_index(found: QuerySet[Recomposition]) -> Iterator[list[Any]]:
    """Yield the keys of rows ordered by `BY_INDEX` and "-pk": each chunk goes on after the last.

    So no database sorts all rows before the first, and no client library holds the keys of all. A
    row that is asked for again meanwhile moves to the newest: it may be left out, or come twice.
    """
    direction = "lt" if str(found.query.order_by[0]).startswith("-") else "gt"
    rows = found.values_list("pk", BY_INDEX)
    part = list(rows[:CHUNK_SIZE])
    while part:
        yield [pk for pk, _value in part]
        pk, value = part[-1]
        same, beyond = Q(**{BY_INDEX: value}, pk__lt=pk), Q(**{f"{BY_INDEX}__{direction}": value})
        # The first condition says no more than the others, in a form that the index serves.
        rest = rows.filter(Q(**{f"{BY_INDEX}__{direction}e": value}), same | beyond)
        part = list(rest[:CHUNK_SIZE])


def _by_one_query(found: QuerySet[Recomposition]) -> Iterator[list[Any]]:
    """Yield the keys of rows in an order for which the database has to sort them, once."""
    keys = found.values_list("pk", flat=True).iterator(chunk_size=CHUNK_SIZE)
    while chunk := list(islice(keys, CHUNK_SIZE)):
        yield chunk


def _load(keys: Iterable[Any], user: Any) -> list[ExportedRecomposition]:
    requests = ("live__request", "live__derived_from__request")
    related = (f"{request}__asked_by__wagtail_userprofile" for request in requests)
    by_key = listings.with_relations(Recomposition.objects.select_related(*related)).in_bulk(
        list(keys)
    )
    rows = [by_key[key] for key in keys if key in by_key]
    images = {row.image_id: row.image for row in rows}
    pages = places.Pages.for_images(list(images.values()), rows)
    seen = open_pages(user, pages)
    return [
        ExportedRecomposition(
            each.row,
            each.state,
            [page for page in pages.of(each.row.image_id, each.row) if page.pk in seen],
        )
        for each in listings.listed(rows)
    ]
