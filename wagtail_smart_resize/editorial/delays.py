"""Messages about what currently delays a purchase."""

import datetime as dt
from typing import Any

from django.db.models import Exists, QuerySet, Subquery
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from wagtail_smart_resize.core.formatting import Text
from wagtail_smart_resize.models import GatewayRequest, PipelineState, Recomposition
from wagtail_smart_resize.rules.verdict import Reason

from . import failures

Purchase = Recomposition.Purchase
Status = GatewayRequest.Status

#: What is due within this time counts as due.
DUE_SOON = dt.timedelta(seconds=5)

_PAUSE = gettext_lazy("The service asked for a pause. It is sent after that.")
_STOPPED = gettext_lazy("All buying is stopped for now.")
_SITE_TROUBLE = gettext_lazy(
    "The site could not go on with it just now. It is tried again by itself."
)
_NOT_SENT = gettext_lazy("It could not be sent so far. It is tried again by itself.")
_NOT_FETCHED = gettext_lazy(
    "The AI versions can't be fetched from the service for now. It is tried again by itself."
)
_NOT_STORED = gettext_lazy(
    "The site's storage or database has not taken the AI versions so far. It is tried again by "
    "itself."
)


def load_delays(rows: QuerySet[Recomposition]) -> QuerySet[Recomposition]:
    """Annotate the rows with what stops all of them.

    `is_stopped`: by a person; `open_circuit`: a code, or None; `is_paused`: by the service.
    """
    state = PipelineState.objects.filter(pk=1)
    stopped = state.filter(circuit_opened_at__isnull=False)
    return rows.annotate(
        is_stopped=Exists(state.filter(buying_stopped_at__isnull=False)),
        open_circuit=Subquery(stopped.values("circuit_code")),
        is_paused=Exists(state.filter(paused_until__gt=timezone.now())),
    )


def delay_text(row: Any) -> Text:
    """Return what currently delays a row of `load_delays`; "" if nothing does."""
    if row.purchase == Purchase.WANTED:
        return _wanted_text(row)
    if row.purchase != Purchase.REQUESTED or row.request is None:
        return ""
    if row.request.status == Status.NEW:
        return _unsent_text(row, row.request)
    return _unfetched_text(row.request) if row.request.status == Status.FETCHING else ""


def reason_label(code: str) -> Text:
    """Return the label of a stored reason; the code itself if it is unknown or was removed."""
    try:
        return Reason(code).label
    except ValueError:
        return code


def _wanted_text(row: Any) -> Text:
    if row.waiting_reason and row.waiting_reason != Reason.CIRCUIT_OPEN:
        return reason_label(row.waiting_reason)
    return _service_text(row) or reason_label(row.waiting_reason) or _retry_text(row)


def _service_text(row: Any) -> Text:
    """Return why nothing at all is sent to the service."""
    if row.is_stopped:
        return _STOPPED
    if row.open_circuit:
        reason = failures.describe_circuit(row.open_circuit).message
        return _("Nothing is sent to the service for now: %(why)s") % {"why": reason}
    return _PAUSE if row.is_paused else ""


def _retry_text(row: Any) -> Text:
    """Return why the retry is not due yet: the file could not be read, or the request failed."""
    if not _is_later(row.next_attempt_at):
        return ""
    if row.failure_code:
        return _tried_again(failures.describe(row.failure_code).message)
    if row.request and row.request.error_code:
        return _tried_again(failures.describe_circuit(row.request.error_code).message)
    return _SITE_TROUBLE


def _tried_again(reason: Text) -> str:
    return _("%(why)s It is tried again by itself.") % {"why": reason}


def _unsent_text(row: Any, request: GatewayRequest) -> Text:
    if request.error_code == Reason.BUDGET:
        return Reason.BUDGET.label
    if stopped := _service_text(row):
        return stopped
    if not _is_later(request.next_step_at):
        return ""
    return _SITE_TROUBLE if request.consecutive_errors else _NOT_SENT


def _unfetched_text(request: GatewayRequest) -> Text:
    if not request.consecutive_errors:
        return ""
    at_the_service = any("later" in output for output in request.outputs)
    return _NOT_FETCHED if at_the_service else _NOT_STORED


def _is_later(moment: dt.datetime | None) -> bool:
    return moment is not None and moment > timezone.now() + DUE_SOON
