"""The report as a spreadsheet: one record per recomposition."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from django.utils.encoding import force_str
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from wagtail.admin.utils import get_user_display_name

from ..models import Recomposition
from . import failures, rows, states

#: What a spreadsheet program takes for the beginning of a formula.
_FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]|[\t\r\n]")  # noqa: RUF001
#: Control characters that a workbook can't hold.
_NOT_IN_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


def csv_safe(value: str | Promise) -> str:
    """Text that no spreadsheet program runs: a title may begin with "="."""
    text = force_str(value)
    return f"'{text}" if _FORMULA.match(text) else text


def xlsx_safe(value: str | Promise) -> str:
    return _NOT_IN_XML.sub("", force_str(value))


class Field(NamedTuple):
    heading: str | Promise
    read: Callable[[Any], Any]


def _name(user: Any) -> str:
    return get_user_display_name(user) if user else ""


def _live(row: Recomposition) -> Any:
    return _("Recomposed picture") if row.live_id else _("Standard crop")


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
    "presets": Field(_("Presets"), lambda row: ", ".join(rows.presets_of(row))),
    "sizes": Field(_("Sizes"), lambda row: ", ".join(rows.sizes_of(row))),
    "shape": Field(_("Shape"), lambda row: row.shape),
    "recipe": Field(_("Recipe"), lambda row: row.recipe),
    "state": Field(_("State"), lambda row: row.state.label),
    "live": Field(_("Live"), _live),
    "purchase": Field(_("Purchase"), lambda row: row.get_purchase_display()),
    "decision": Field(_("Decision"), lambda row: row.get_decision_display()),
    "decided_by": Field(_("Decided by"), lambda row: _name(row.decided_by)),
    "decided_at": Field(_("Decided"), lambda row: row.decided_at),
    "waits_for": Field(_("Waits because"), lambda row: states.reason_label(row.waiting_reason)),
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
    "batch": Field(_("Batch"), lambda row: str(row.request.batch or "") if row.request else ""),
}


def record(row: Recomposition) -> dict[str, Any]:
    return {name: field.read(row) for name, field in FIELDS.items()}
