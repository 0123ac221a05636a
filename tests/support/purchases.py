"""Helpers of the pipeline's tests: note demand, and read its outcome."""

import datetime as dt

from django.utils import timezone

from wagtail_smart_resize.core import clock
from wagtail_smart_resize.models import (
    BudgetPeriod,
    Candidate,
    GatewayRequest,
    PipelineState,
    Recomposition,
)
from wagtail_smart_resize.purchasing import claims, demand

Purchase = Recomposition.Purchase
Status = GatewayRequest.Status


def want(image, *slots, recipe="", by="template"):
    """Note demand for slots of an image, due at once; return the rows in the order of the slots."""
    from wagtail_smart_resize.core.sizes import Slot

    rows = demand.record_demand(image, [Slot.parse(slot) for slot in slots], recipe, by=by)
    due()
    return rows


def claimed(image_id, recipe=""):
    """Claim what is wanted of an image and recipe; return the request, or None.

    Its process has ended before it was submitted, and the lease is over.
    """
    for request in claims.claim([claims.DueGroup(image_id, recipe)]):
        request.release()
        return request
    return None


def due():
    """Skip the time during which demand for a page is gathered."""
    now = timezone.now()
    gathering = Recomposition.objects.wanted().filter(waiting_reason="", next_attempt_at__gt=now)
    gathering.update(next_attempt_at=now - dt.timedelta(seconds=1))


def only(model):
    return model.objects.get()


def again(row):
    row.refresh_from_db()
    return row


def spent():
    """Return the outputs that today's budget holds; the month's must be equal."""
    today, month = BudgetPeriod.spent_on(clock.today())
    assert today == month
    return today


def circuit_is_open():
    return PipelineState.get_current().circuit_open


def candidates(row):
    return list(Candidate.objects.filter(recomposition=row, stored=True))
