"""The address for uptime checks: what it answers, at what cost, and what it keeps to itself."""

import datetime as dt

import pytest
from django.db import DatabaseError
from django.urls import reverse
from django.utils import timezone

from wagtail_smart_resize.models import PipelineState

pytestmark = pytest.mark.django_db


def ask(client, **headers):
    answer = client.get(reverse("smart_resize:health"), headers=headers)
    return answer.status_code, answer.json()


def test_all_is_well_on_a_site_that_has_not_begun(client):
    status, told = ask(client)
    assert (status, told["level"], told["last_pass_at"]) == (200, "ok", None)
    assert not PipelineState.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_it_asks_the_database_once(client, django_assert_num_queries):
    PipelineState.get_current()
    with django_assert_num_queries(1):
        ask(client)


def test_an_open_circuit_is_critical(client):
    state = PipelineState.get_current()
    state.open_circuit("http_401", "a secret detail", timezone.now())
    status, told = ask(client)
    assert (status, told["level"], told["circuit"]) == (503, "critical", "open")
    assert "secret" not in str(told)
    state.close_circuit()
    assert ask(client)[0] == 200


def test_a_pass_that_nobody_made_is_critical(client):
    now = timezone.now()
    state = PipelineState.get_current()
    state.update_if(where={}, next_pass_at=now - dt.timedelta(minutes=4))
    assert ask(client)[0] == 200
    state.update_if(where={}, next_pass_at=now - dt.timedelta(minutes=6))
    status, told = ask(client)
    assert (status, told["runner"]) == (503, "overdue")


def test_buying_that_a_person_stopped_is_a_warning(client):
    PipelineState.get_current().stop_buying(None)
    status, told = ask(client)
    assert (status, told["level"], told["buying"]) == (200, "warning", "stopped")


def test_a_database_that_is_away_is_critical(client, monkeypatch):
    def away():
        raise DatabaseError("the password is hunter2")

    monkeypatch.setattr(PipelineState, "peek", away)
    status, told = ask(client)
    assert (status, told) == (503, {"level": "critical", "database": "can't tell"})


def test_no_cache_keeps_it_and_nobody_logs_in_for_it(client):
    answer = client.get(reverse("smart_resize:health"))
    assert answer["Cache-Control"] == "no-store"
    assert not answer.cookies
    assert client.post(reverse("smart_resize:health")).status_code == 405
