"""What changes several rows locks them in the order of their keys, so that no two changes wait for
each other."""

import datetime as dt

import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone
from support.factories import plain_image, recomposition
from support.waiting import in_background, somebody_waits, until

from wagtail_smart_resize.models import GatewayRequest, ImageVersion, Recomposition
from wagtail_smart_resize.models.image_collection import follow
from wagtail_smart_resize.publishing import frontend_cache
from wagtail_smart_resize.purchasing import claims
from wagtail_smart_resize.repair import moments
from wagtail_smart_resize.rules.verdict import Reason

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]

NOW = timezone.now()
PAST, FUTURE = NOW - dt.timedelta(minutes=1), NOW + dt.timedelta(days=400)


def rows(**fields):
    return [recomposition(plain_image(400, 300), **fields) for _ in range(2)]


def versions(**fields):
    made = rows()
    for row in made:
        ImageVersion.get_for(row.image_id).update_if(where={}, **fields)
    return list(ImageVersion.objects.order_by("pk"))


def wanted(**fields):
    return rows(purchase="wanted", next_attempt_at=PAST, **fields)


def all_rows():
    return Recomposition.objects.all()


def requests():
    made = [
        GatewayRequest.objects.create(
            image=row.image, status="sent", next_step_at=PAST, sizes=[], outputs_asked=1
        )
        for row in rows()
    ]
    return made, lambda: GatewayRequest.take_due(made, NOW, dt.timedelta(seconds=30))


def claim():
    made = wanted()
    groups = [claims.DueGroup(row.image_id, "") for row in made]
    return made, lambda: claims.claim(groups)


def repair():
    made = wanted()
    Recomposition.objects.update(next_attempt_at=FUTURE)
    return made, lambda: [finding.act() for finding in moments.find_ahead()]


def purge():
    made = versions(purge_due_at=PAST)
    return made, lambda: frontend_cache.purge_pages(made)


CHANGES = {
    "wait": lambda: (wanted(), lambda: all_rows().wait(Reason.BUDGET, None)),
    "wake": lambda: (
        wanted(waiting_reason="budget"),
        lambda: all_rows().wake(Reason.BUDGET, NOW),
    ),
    "postpone": lambda: (wanted(), lambda: all_rows().postpone_due(NOW, FUTURE)),
    "note review": lambda: (rows(), lambda: all_rows().note_review()),
    "follow the images": lambda: (rows(), lambda: follow(all_rows())),
    "claim": claim,
    "repair": repair,
    "take the leases of polls": requests,
    "purge": purge,
    "lock versions": lambda: (
        versions(),
        lambda: transaction.atomic()(ImageVersion.lock_all)(
            ImageVersion.objects.values_list("pk", flat=True)
        ),
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_rows_are_locked_in_the_order_of_their_keys(name):
    (first, second), change = CHANGES[name]()
    assert first.pk < second.pk
    model = type(first)
    # In the table it stands behind the other now, where an UPDATE alone comes to it last.
    with connection.cursor() as cursor:
        table, key = model._meta.db_table, model._meta.pk.column
        cursor.execute(f"UPDATE {table} SET {key} = {key} WHERE {key} = %s", [first.pk])
    with in_background(change) as start, transaction.atomic():
        locked(model, first)
        start()
        until(somebody_waits, "the change waits for the first row")
        try:
            locked(model, second)
        except OperationalError as error:
            raise AssertionError("it has locked the second row first") from error


def locked(model, row):
    return model.objects.select_for_update(nowait=True).get(pk=row.pk)
