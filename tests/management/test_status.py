"""`smart_resize_status`: what it says, how it ends, and that it changes nothing."""

import datetime as dt
import io
import json

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from support.factories import candidate, plain_image, recomposition

from wagtail_smart_resize.core import clock
from wagtail_smart_resize.models import BudgetPeriod, GatewayRequest, PipelineState

pytestmark = pytest.mark.django_db


def status(*args):
    """Run it; returns its exit status and what it printed."""
    out = io.StringIO()
    try:
        call_command("smart_resize_status", *args, stdout=out)
    except SystemExit as end:
        return end.code, out.getvalue()
    return 0, out.getvalue()


def told():
    code, text = status("--json")
    report = json.loads(text)
    assert code == {"ok": 0, "warning": 1, "critical": 2}[report["level"]]
    return report


@pytest.fixture
def image():
    return plain_image()


def test_with_nothing_to_do_all_is_well():
    report = told()
    assert report["level"] == "ok"
    assert report["waiting"] == {"count": 0, "oldest_since": None}
    assert (report["failed"], report["notices"]) == ({}, [])
    assert report["runner"] == {"mode": "off", "activity": "Nothing to do", "last_at_work": None}


def test_it_counts_what_was_bought_and_what_it_cost(image, settings):
    settings.WAGTAIL_SMART_RESIZE = {
        **settings.WAGTAIL_SMART_RESIZE,
        "DAILY_LIMIT": 10,
        "MONTHLY_LIMIT": 100,
        "PRICE_PER_OUTPUT": ("0.12", "USD"),
    }
    today = clock.today()
    for period in BudgetPeriod.periods(today):
        BudgetPeriod.objects.create(period=period, outputs=3)
    GatewayRequest.objects.create(
        image=image, resolution="2K", price="0.36", currency="USD", reserved_on=today
    )
    report = told()
    assert report["outputs"]["today"] == {"used": 3, "limit": 10}
    assert report["outputs"]["month"] == {"used": 3, "limit": 100}
    assert [*report["spent_this_month"]] == ["USD"]
    assert float(report["spent_this_month"]["USD"]) == 0.36


def test_what_waits_for_review_and_what_waits_for_its_turn_are_told_apart(image, settings):
    settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, "REVIEW": True}
    candidate(recomposition(image, "400x400", purchase="idle"))
    row = recomposition(image, "400x300")
    report = told()
    assert report["awaiting_review"] == 1
    assert report["waiting"] == {"count": 1, "oldest_since": row.wanted_at.isoformat()}


def test_a_purchase_of_unknown_outcome_wants_somebody_however_rare_it_is(image):
    for number in range(6):
        for _each in range(2):
            recomposition(plain_image(), purchase="failed", failure_code=f"http_50{number}")
    assert told()["level"] == "ok"
    recomposition(image, purchase="failed", failure_code="unknown")
    report = told()
    assert report["level"] == "warning"
    assert report["failed"]["unknown"] == 1
    assert len(report["failed"]) == 7


def test_without_a_key_somebody_should_look(settings):
    settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, "API_KEY": ""}
    report = told()
    assert report["level"] == "warning"
    assert "no API key" in report["notices"][0]["message"]


def test_an_open_circuit_is_critical_and_named():
    PipelineState.get_current().open_circuit("http_402", "no funds", timezone.now())
    report = told()
    assert report["level"] == "critical"
    assert report["service"]["circuit"] == "open"
    assert report["service"]["circuit_code"] == "http_402"
    code, text = status()
    assert code == 2
    assert "(http_402)" in text
    assert "is used up" in text


def test_an_open_circuit_says_when_it_tries_again_and_that_it_can_t_without_a_request(image):
    probe_at = timezone.now() + dt.timedelta(minutes=4)
    PipelineState.get_current().open_circuit("http_401", "Unauthorized", probe_at)
    recomposition(image, waiting_reason="enough_kept", next_attempt_at=timezone.now())
    report = told()
    assert (report["level"], report["service"]["next_try"]) == ("critical", None)
    assert "the next request is the next try" in report["notices"][0]["message"]
    assert "tries again with the next request" in status()[1]
    recomposition(image, "800x400", next_attempt_at=timezone.now())
    report = told()
    assert report["service"]["next_try"] == probe_at.isoformat()
    assert "one request tries again." in report["notices"][0]["message"]
    assert f"tries again at {probe_at.isoformat()}" in status()[1]


def test_a_pause_is_no_alarm():
    until = timezone.now() + dt.timedelta(minutes=1)
    PipelineState.get_current().update_if(where={}, paused_until=until)
    report = told()
    assert (report["level"], report["service"]["paused_until"]) == ("ok", until.isoformat())
    assert f"pauses until {until.isoformat()}" in status()[1]


def test_work_that_nobody_does_is_critical(image):
    long_ago = timezone.now() - dt.timedelta(hours=1)
    recomposition(image, next_attempt_at=long_ago)
    PipelineState.get_current().update_if(where={}, last_pass_at=long_ago)
    report = told()
    assert report["level"] == "critical"
    assert "smart_resize_worker" in report["notices"][0]["remedy"]


def test_a_person_reads_the_same_in_lines(image):
    recomposition(image, purchase="failed", failure_code="unknown")
    code, text = status()
    rows = dict(line.split(":", 1) for line in text.strip().splitlines())
    assert code == 1
    assert rows["Failed"].strip() == "unknown (1)"
    assert rows["Runner"].strip() == "off: Nothing to do"
    assert rows["Last at work"].strip() == "never"


def test_it_changes_nothing(image):
    recomposition(image)
    with CaptureQueriesContext(connection) as queries:
        status()
    assert {query["sql"].split()[0] for query in queries} == {"SELECT"}
    assert not PipelineState.objects.exists()


def test_a_database_that_cannot_tell_is_no_verdict():
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE wagtail_smart_resize_pipelinestate RENAME TO elsewhere")
    out = io.StringIO()
    with pytest.raises(CommandError, match=r"The database can't tell.*pipelinestate") as raised:
        call_command("smart_resize_status", "--json", stdout=out)
    assert raised.value.returncode == 3
    assert out.getvalue() == ""
