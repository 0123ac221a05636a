"""What holds a purchase up just now, in words."""

import datetime as dt
from typing import Any, TypeAlias

from django.db.models import Exists, QuerySet, Subquery
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from wagtail_smart_resize.core import clock
from wagtail_smart_resize.models import GatewayRequest, PipelineState, Recomposition
from wagtail_smart_resize.rules.verdict import Reason

from . import failures

Words: TypeAlias = Promise | str
Purchase = Recomposition.Purchase
Status = GatewayRequest.Status

#: What is due within this time is as good as due.
SOON = dt.timedelta(seconds=5)

_PAUSE = gettext_lazy("The service asked for a pause. It is sent after that.")
_OURS = gettext_lazy("The site could not go on with it just now. It is tried again by itself.")
_NOT_SENT = gettext_lazy("It could not be sent so far. It is tried again by itself.")
_NOT_FETCHED = gettext_lazy(
    "The pictures can't be fetched from the service for now. It is tried again by itself."
)
_NOT_STORED = gettext_lazy(
    "The site's storage or database has not taken the pictures so far. It is tried again by itself."
)


def load(rows: QuerySet) -> QuerySet:
    """The rows, each with what stops them all: the open circuit's code, and a pause."""
    state = PipelineState.objects.filter(pk=1)
    stopped = state.filter(circuit_opened_at__isnull=False)
    return rows.annotate(
        open_circuit=Subquery(stopped.values("circuit_code")),
        is_paused=Exists(state.filter(paused_until__gt=clock.now())),
    )


def why(row: Any) -> Words:
    """What keeps the row, which comes from `load`, from going on now; "" where nothing does."""
    if row.purchase == Purchase.WANTED:
        return _wanted(row)
    if row.purchase != Purchase.REQUESTED or row.request is None:
        return ""
    if row.request.status == Status.NEW:
        return _unsent(row, row.request)
    return _unfetched(row.request) if row.request.status == Status.FETCHING else ""


def reason_label(code: str) -> Words:
    """A stored reason in a few words; the code itself if it is none of ours (any more)."""
    try:
        return Reason(code).label
    except ValueError:
        return code


def _wanted(row: Any) -> Words:
    if row.waiting_reason and row.waiting_reason != Reason.CIRCUIT_OPEN:
        return reason_label(row.waiting_reason)
    return _service(row) or reason_label(row.waiting_reason) or _last_try(row)


def _service(row: Any) -> Words:
    """Why the service is sent nothing at all."""
    if row.open_circuit:
        reason = failures.describe_circuit(row.open_circuit).message
        return _("Nothing is sent to the service for now: %(why)s") % {"why": reason}
    return _PAUSE if row.is_paused else ""


def _last_try(row: Any) -> Words:
    """Why it is not tried again at once: the file could not be read, or the request failed."""
    if not _is_later(row.next_attempt):
        return ""
    if row.failure_code:
        return _tried_again(failures.describe(row.failure_code).message)
    if row.request and row.request.error_code:
        return _tried_again(failures.describe_circuit(row.request.error_code).message)
    return _OURS


def _tried_again(reason: Words) -> str:
    return _("%(why)s It is tried again by itself.") % {"why": reason}


def _unsent(row: Any, request: GatewayRequest) -> Words:
    if request.error_code == Reason.BUDGET:
        return Reason.BUDGET.label
    if stopped := _service(row):
        return stopped
    if not _is_later(request.next_step):
        return ""
    return _OURS if request.troubles else _NOT_SENT


def _unfetched(request: GatewayRequest) -> Words:
    if not request.troubles:
        return ""
    at_the_service = any("later" in output for output in request.outputs)
    return _NOT_FETCHED if at_the_service else _NOT_STORED


def _is_later(moment: dt.datetime | None) -> bool:
    return moment is not None and moment > clock.now() + SOON
