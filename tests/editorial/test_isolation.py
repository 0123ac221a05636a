"""Actions that lose to another transaction: they are repeated, and the person notices nothing."""

import pytest
from django.db import DatabaseError, OperationalError, connection, transaction
from django.urls import resolve, reverse
from support.factories import plain_image, recomposition
from support.waiting import in_background, somebody_waits, until

from wagtail_smart_resize import actions
from wagtail_smart_resize.admin.urls import urlpatterns
from wagtail_smart_resize.core import database
from wagtail_smart_resize.models import GatewayRequest, ImageVersion, OptOut
from wagtail_smart_resize.purchasing import plan


class Lost(Exception):
    """What a database's library raises; Django's exception has it as its cause."""

    def __init__(self, code, attribute=None):
        super().__init__(code)
        if attribute:
            setattr(self, attribute, code)


def lost(code, attribute=None, error=OperationalError):
    try:
        raise error("lost") from Lost(code, attribute)
    except DatabaseError as raised:
        return raised


CODES = [
    (lost("40001", "sqlstate"), True),
    (lost("40P01", "sqlstate"), True),
    (lost("40001", "pgcode"), True),
    (lost(1213), True),
    (lost(1205), True),
    (lost(1020), True),
    (lost("57014", "sqlstate"), False),
    (lost(2006), False),
    (lost("database is locked"), False),
    (OperationalError("no cause"), False),
    (ValueError("of another kind"), False),
]


@pytest.mark.parametrize(("error", "expected"), CODES, ids=map(str, range(len(CODES))))
def test_only_what_was_lost_to_another_is_repeated(error, expected):
    assert database.lost_to_another(error) is expected


def tries_of_one_that_always_loses():
    """Run an action that loses each time; return how often it was tried."""
    tries = []

    @database.retried
    def action():
        tries.append(1)
        raise lost("40001", "sqlstate")

    with pytest.raises(OperationalError):
        action()
    return len(tries)


@pytest.mark.django_db(transaction=True)
def test_it_is_given_up_in_the_end(monkeypatch):
    monkeypatch.setattr(database, "MAX_TRIES", 3)
    assert tries_of_one_that_always_loses() == 3


@pytest.mark.django_db
def test_within_a_transaction_of_the_caller_s_nothing_is_repeated():
    assert tries_of_one_that_always_loses() == 1


@pytest.mark.django_db(transaction=True)
def test_what_is_repeated_is_done_once(gateway, monkeypatch):
    image = plain_image(400, 300)
    reserve, calls = plan.reserve, []

    def lose_twice(request):
        calls.append(request)
        if len(calls) < 3:
            raise lost("40001", "sqlstate")
        return reserve(request)

    monkeypatch.setattr(plan, "reserve", lose_twice)
    actions.request_recomposition(image, [actions.ResizeTarget.parse("200x200")])
    assert len(calls) == 3
    assert GatewayRequest.objects.count() == 1


def test_no_view_of_ours_is_within_the_transaction_of_its_request():
    for pattern in urlpatterns:
        view = resolve_by_name(pattern.name)
        assert view._non_atomic_requests == {"default"}, pattern.name


def resolve_by_name(name):
    for arguments in ([], [1], [1, 1]):
        try:
            return resolve(reverse(f"smart_resize_admin:{name}", args=arguments)).func
        except Exception:
            continue
    raise LookupError(name)


@pytest.fixture(params=["REPEATABLE READ", "SERIALIZABLE"])
def isolated(request, monkeypatch):
    """Let all connections have an isolation level under which transactions are ended."""
    level = request.param.replace(" ", "_")
    from django.db.backends.postgresql.psycopg_any import IsolationLevel

    monkeypatch.setitem(
        connection.settings_dict, "OPTIONS", {"isolation_level": IsolationLevel[level]}
    )
    connection.close()
    yield
    connection.close()


def of(image):
    row = recomposition(image, purchase="failed")
    return {
        "opt_out": lambda: actions.opt_out(image),
        "request": lambda: actions.request_recomposition(
            image, [actions.ResizeTarget.parse("100x200")], override_rules=True
        ),
        "use_crop": lambda: actions.use_crop(row),
        "dismiss": lambda: actions.dismiss_failure(row),
    }


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", ["opt_out", "request", "use_crop", "dismiss"])
def test_an_action_waits_for_another_transaction_and_is_then_repeated(isolated, name):
    image = plain_image(400, 300)
    ImageVersion.get_for(image.pk)
    action = of(image)[name]
    with in_background(action) as start, transaction.atomic():
        # As a runner that publishes does.
        ImageVersion.mark_publish_due(image.pk)
        start()
        until(somebody_waits, "the action waits for the lock")
    done = {
        "opt_out": OptOut.objects.exists,
        "request": GatewayRequest.objects.exists,
        "use_crop": lambda: image.smart_resize_recompositions.get().decision == "crop",
        "dismiss": lambda: image.smart_resize_recompositions.get().purchase == "idle",
    }
    assert done[name]()
