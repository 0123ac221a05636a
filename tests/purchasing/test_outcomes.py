"""DESIGN's table of outcomes, row by row, over real sockets against a sandbox that misbehaves."""

import contextlib
import datetime as dt

import pytest
from django.db import OperationalError, connection
from django.utils import timezone
from support.factories import plain_image
from support.gateways import client_of, finished, wait_for_calls
from support.purchases import (
    Purchase,
    Status,
    again,
    candidates,
    circuit_is_open,
    only,
    spent,
    want,
)

from wagtail_smart_resize.gateway.client import GatewayClient
from wagtail_smart_resize.models import (
    Candidate,
    GatewayRequest,
    ImageVersion,
    PipelineState,
    Recomposition,
)
from wagtail_smart_resize.purchasing import circuit, outcomes, passes, polling, submission

pytestmark = pytest.mark.django_db


@pytest.fixture
def row():
    """One square of a landscape picture is wanted."""
    return want(plain_image(400, 300), "200x200")[0]


def one_pass():
    return passes.run_pass(workers=1)


REFUSED_FOR_GOOD = [
    ("400", "the request is wrong, and would be wrong again"),
    ("408", "they say that they did not get it in time"),
    ("409", "a conflict is a refusal"),
    ("413", "the picture is too large for them"),
    ("414", "the address is too long for them"),
    ("422", "a value is out of range"),
]


@pytest.mark.parametrize(("word", "reason"), REFUSED_FOR_GOOD)
def test_a_refusal_fails_the_purchase_for_good_and_gives_the_budget_back(
    gateway, run, row, word, reason
):
    gateway.misbehave(word)
    run()
    gateway.behave()
    run()
    want(row.image, "200x200", "100x100")
    run()
    assert len(gateway.requests) == 1, reason
    request = only(GatewayRequest)
    code = f"http_{word}"
    assert (request.status, request.error_code, request.charged) == (Status.FAILED, code, "no")
    assert (again(row).purchase, row.failure_code) == (Purchase.FAILED, code)
    assert "HTTP" in row.failure_detail
    assert spent() == 0
    assert not circuit_is_open()


DENIED = [
    ("401", "the key is wrong"),
    ("402", "there is no balance"),
    ("403", "some gateways say this for no balance"),
    ("404", "the base URL is wrong"),
    ("405", "it is that of something else"),
    ("410", "it is wrong since they moved"),
]


@pytest.mark.parametrize(("word", "reason"), DENIED)
def test_denied_access_opens_the_circuit_until_a_try_succeeds(
    gateway, run, moving_clock, row, word, reason
):
    other = want(plain_image(400, 300), "200x200")[0]
    gateway.misbehave(word)
    run(2)
    assert len(gateway.requests) == 1, reason
    state = PipelineState.get_current()
    assert (state.circuit_open, state.circuit_code) == (True, f"http_{word}")
    assert (again(row).purchase, row.waiting_reason) == (Purchase.WANTED, "circuit_open")
    assert spent() == 1, "the other image's request keeps its place"
    gateway.behave()
    run(2)
    assert len(gateway.requests) == 1
    moving_clock.skip(minutes=6)
    one_pass()
    assert not circuit_is_open()
    moving_clock.skip(minutes=6)
    run()
    assert len(gateway.requests) == 3
    assert (again(row).purchase, again(other).purchase) == (Purchase.IDLE, Purchase.IDLE)
    assert spent() == 2


def test_an_open_circuit_lets_one_try_through_however_much_waits(gateway, run, moving_clock):
    rows = [want(plain_image(400, 300), "200x200")[0] for _ in range(6)]
    gateway.misbehave("402")
    run(2)
    for tries in (2, 3, 4):
        moving_clock.skip(minutes=6)
        run(2)
        assert len(gateway.requests) == tries
    assert Recomposition.objects.filter(purchase=Purchase.FAILED).count() == 0
    gateway.behave()
    moving_clock.skip(minutes=6)
    one_pass()
    moving_clock.skip(minutes=6)
    run()
    assert {again(row).purchase for row in rows} == {Purchase.IDLE}
    assert len(gateway.requests) == 4 + len(rows)


def test_each_try_of_an_open_circuit_is_another_image(gateway, run, moving_clock, settings):
    settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, "MAX_IN_FLIGHT": 1}
    for _ in range(3):
        want(plain_image(400, 300), "200x200")
    gateway.misbehave("403")
    for _ in range(3):
        run(2)
        moving_clock.skip(minutes=6)
    tried = GatewayRequest.objects.filter(status=Status.FAILED).values_list("image", flat=True)
    assert len(set(tried)) == 3


BUSY = [
    ("429", 20, 40, "no time named: a short pause"),
    ("429-seconds", 0, 3, "Retry-After in seconds"),
    ("429-date", 50, 61, "Retry-After as a date"),
]


@pytest.mark.parametrize(("word", "least", "most", "reason"), BUSY)
def test_a_busy_gateway_pauses_submissions_without_alarm(
    gateway, run, moving_clock, frozen_time, row, word, least, most, reason
):
    other = want(plain_image(400, 300), "200x200")[0]
    gateway.misbehave(word, times=1)
    one_pass()
    assert len(gateway.requests) == 1
    paused = (PipelineState.get_current().paused_until - timezone.now()).total_seconds()
    assert least <= paused <= most, reason
    assert not circuit_is_open()
    assert (again(row).purchase, row.waiting_reason, row.attempts) == (Purchase.WANTED, "", 0)
    moving_clock.skip(seconds=most + 1)
    run()
    assert (again(row).purchase, again(other).purchase) == (Purchase.IDLE, Purchase.IDLE)
    assert len(gateway.requests) == 3
    assert spent() == 2


def test_a_gateway_that_is_always_busy_fails_nobody(gateway, run, moving_clock, row):
    gateway.misbehave("429")
    for _ in range(12):
        run()
        moving_clock.skip(minutes=2)
    assert len(gateway.requests) == 12
    assert (again(row).purchase, spent()) == (Purchase.WANTED, 0)


OUT_OF_ORDER = [("500", "it says so itself"), ("503", "it says so itself")]


@pytest.mark.parametrize(("word", "reason"), OUT_OF_ORDER)
def test_a_declared_failure_is_tried_again_and_bought_once(gateway, run, row, word, reason):
    gateway.misbehave(word, times=2)
    run()
    assert len(gateway.requests) == 3, reason
    assert again(row).purchase == Purchase.IDLE
    assert spent() == 1
    assert PipelineState.get_current().consecutive_outages == 0
    failed = GatewayRequest.objects.filter(status=Status.FAILED)
    assert [request.charged for request in failed] == ["no", "no"]


def test_a_gateway_that_stays_out_of_order_opens_the_circuit_then_fails(
    gateway, run, moving_clock, row
):
    gateway.misbehave("503")
    run()
    assert len(gateway.requests) == circuit.MAX_OUTAGES
    assert circuit_is_open()
    for _ in range(5):
        moving_clock.skip(hours=2)
        run()
    assert len(gateway.requests) == outcomes.MAX_ATTEMPTS
    assert (again(row).purchase, row.failure_code) == (Purchase.FAILED, "http_503")
    assert spent() == 0


def test_nobody_there_is_no_attempt_and_opens_the_circuit(
    gateway, run, moving_clock, row, monkeypatch
):
    nowhere = GatewayClient("key", "http://127.0.0.1:9/smart-resize/v1", sleep=lambda seconds: None)
    with monkeypatch.context() as patch:
        patch.setattr(GatewayClient, "from_settings", lambda: nowhere)
        run()
        assert GatewayRequest.objects.count() == circuit.MAX_OUTAGES
        assert set(GatewayRequest.objects.values_list("error_code", "charged")) == {
            ("refused", "no")
        }
        assert circuit_is_open()
        assert (again(row).purchase, row.attempts, spent()) == (Purchase.WANTED, 0, 0)
        assert row.waiting_reason == "circuit_open", "editors read that it waits"
    moving_clock.skip(hours=2)
    run()
    assert (again(row).purchase, circuit_is_open(), spent()) == (Purchase.IDLE, False, 1)
    assert len(gateway.requests) == 1


UNKNOWN = [
    ("502", "a proxy's word says nothing about the gateway"),
    ("504", "a proxy gave up waiting, the gateway perhaps not"),
    ("500-html", "not the documented error body"),
    ("503-html", "not the documented error body"),
    ("html", "a page with status 200"),
    ("half-json", "the answer broke off after it was accepted"),
    ("broken-off", "the connection ended within the answer"),
    ("wrong-types", "nothing in it can be read"),
    ("unknown-status", "a status that the reference doesn't have"),
    ("redirect", "redirects are not followed with a key"),
    ("redirect-private", "redirects are not followed with a key"),
    ("reset", "the request was sent before the reset"),
]


@pytest.mark.parametrize(("word", "reason"), UNKNOWN)
def test_an_unknown_outcome_waits_for_a_person_and_is_never_repeated(
    gateway, run, moving_clock, row, word, reason
):
    gateway.misbehave(word, where="submit")
    run()
    gateway.behave()
    moving_clock.skip(days=2)
    run()
    want(row.image, "200x200", "101x100")
    run()
    assert len(gateway.requests) == 1, reason
    request = only(GatewayRequest)
    assert (request.status, request.charged) == (Status.UNKNOWN, "unknown")
    assert (again(row).purchase, row.failure_code) == (Purchase.FAILED, "unknown")
    assert request.reserved_on is not None
    assert not circuit_is_open()


def test_no_answer_in_time_is_unknown(gateway, run, row, monkeypatch):
    hasty = client_of(gateway, seconds=0.2)
    monkeypatch.setattr(GatewayClient, "from_settings", lambda: hasty)
    gateway.misbehave("hang", where="submit")
    run()
    assert len(wait_for_calls(lambda: gateway.requests, 1)) == 1
    assert (again(row).failure_code, spent()) == ("unknown", 1)


def test_unknown_outcomes_in_a_row_risk_no_more_money(gateway, run):
    for _ in range(8):
        want(plain_image(400, 300), "200x200")
    gateway.misbehave("502", where="submit")
    run()
    assert len(gateway.requests) == circuit.MAX_OUTAGES
    assert circuit_is_open()
    assert Recomposition.objects.filter(purchase=Purchase.FAILED).count() == circuit.MAX_OUTAGES


def test_a_request_killed_while_being_sent_is_unknown_and_never_repeated(
    gateway, run, moving_clock, row
):
    one_pass()
    gateway_saw = len(gateway.requests)
    request = only(GatewayRequest)
    until = timezone.now() + passes.STEP_LEASE
    request.update_if(
        where={}, status=Status.SENDING, lease="of a dead process", leased_until=until
    )
    run()
    assert only(GatewayRequest).status == Status.SENDING, "its lease still holds"
    moving_clock.skip(minutes=6)
    run()
    assert (only(GatewayRequest).status, again(row).failure_code) == (Status.UNKNOWN, "unknown")
    assert (len(gateway.requests), spent()) == (gateway_saw, 1)


@contextlib.contextmanager
def failing_updates(table, times):
    """The database refuses so many updates of a table."""
    left = [times]

    def refuse(execute, sql, params, many, context):
        if sql.startswith("UPDATE") and table in sql.split("SET")[0] and left[0]:
            left[0] -= 1
            raise OperationalError("the database is in trouble")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(refuse):
        yield


ANSWERS = [
    (None, "gatewayrequest", Purchase.IDLE, "the answer is paid for"),
    ("immediate", "gatewayrequest", Purchase.IDLE, "its pictures are named nowhere else"),
    ("400", "recomposition", Purchase.FAILED, "half an outcome is none"),
    ("400", "gatewayrequest", Purchase.FAILED, "a refusal is not an unknown outcome"),
    ("500", "recomposition", Purchase.IDLE, "nor is a failure that was not charged"),
]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("word", "table", "purchase", "reason"), ANSWERS)
def test_an_answer_is_remembered_through_trouble_with_the_database(
    gateway, run, row, monkeypatch, word, table, purchase, reason
):
    if word:
        gateway.misbehave(word, times=1)
    monkeypatch.setattr(submission, "sleep", lambda seconds: None)
    submit = GatewayClient.submit
    with contextlib.ExitStack() as stack:

        def submit_then_trouble(client, job):
            try:
                return submit(client, job)
            finally:
                stack.enter_context(failing_updates(table, 3))

        with monkeypatch.context() as patch:
            patch.setattr(GatewayClient, "submit", submit_then_trouble)
            one_pass()
    run()
    assert again(row).purchase == purchase, reason
    assert len(gateway.requests) == (2 if word == "500" else 1)
    assert spent() == (0 if word == "400" else 1)
    assert not GatewayRequest.objects.filter(status=Status.UNKNOWN).exists()


# With the gateway

STATUS_FAULTS = [
    "400", "401", "403", "404", "429", "500", "502", "503", "504", "html", "half-json",
    "wrong-types", "unknown-status", "redirect", "redirect-private", "reset", "broken-off",
]  # fmt: skip


@pytest.mark.parametrize("word", STATUS_FAULTS)
def test_trouble_with_asking_says_nothing_about_the_request(gateway, run, row, word):
    gateway.misbehave(word, times=7, where="status")
    run()
    assert len(gateway.requests) == 1
    assert (only(GatewayRequest).status, again(row).purchase) == (Status.DONE, Purchase.IDLE)
    assert (spent(), circuit_is_open()) == (1, False)


def test_a_request_that_never_ends_is_asked_about_slowly_then_fails(
    gateway, run, moving_clock, row
):
    gateway.misbehave("never")
    one_pass()
    assert polling.interval(only(GatewayRequest)) < dt.timedelta(seconds=5)
    moving_clock.skip(minutes=11)
    run(3)
    request = only(GatewayRequest)
    assert request.status == Status.SENT
    assert polling.interval(request) == polling.SLOW_INTERVAL
    moving_clock.skip(minutes=60)
    run()
    assert (again(row).purchase, row.failure_code) == (Purchase.FAILED, "deadline")
    assert (len(gateway.requests), spent()) == (1, 1)


def let_it_finish(gateway):
    client = client_of(gateway)
    finished(client, client.status(only(GatewayRequest).request_id))


def test_what_finished_while_nobody_asked_is_still_fetched(gateway, run, moving_clock, row):
    one_pass()
    let_it_finish(gateway)
    moving_clock.skip(days=1)
    run()
    assert again(row).purchase == Purchase.IDLE
    assert len(gateway.requests) == 1


def test_a_status_that_can_never_be_had_fails_at_the_deadline(gateway, run, moving_clock, row):
    gateway.misbehave("502", where="status")
    run(5)
    assert only(GatewayRequest).status == Status.SENT
    moving_clock.skip(minutes=61)
    run(5)
    assert again(row).failure_code == "deadline"
    assert (only(GatewayRequest).charged, spent()) == ("unknown", 1)


def test_without_a_key_what_is_with_the_gateway_waits_for_the_key(
    gateway, run, moving_clock, row, settings
):
    one_pass()
    with_key = settings.WAGTAIL_SMART_RESIZE
    settings.WAGTAIL_SMART_RESIZE = {**with_key, "API_KEY": ""}
    moving_clock.skip(hours=3)
    one_pass()
    assert only(GatewayRequest).status == Status.SENT
    let_it_finish(gateway)
    settings.WAGTAIL_SMART_RESIZE = with_key
    run()
    assert again(row).purchase == Purchase.IDLE


def test_a_system_error_of_theirs_costs_nothing_and_is_tried_again(gateway, run, row):
    gateway.misbehave("ERROR", times=2)
    run()
    assert len(gateway.requests) == 3
    assert (again(row).purchase, row.attempts, spent()) == (Purchase.IDLE, 0, 1)
    charged = GatewayRequest.objects.order_by("pk").values_list("charged", flat=True)
    assert list(charged) == ["no", "no", "yes"]


def test_system_errors_without_end_fail_the_purchase(gateway, run, row):
    gateway.misbehave("ERROR")
    run()
    assert len(gateway.requests) == outcomes.MAX_ATTEMPTS
    assert (again(row).purchase, row.failure_code) == (Purchase.FAILED, "error")
    assert (spent(), circuit_is_open()) == (0, False)


NO_PICTURE = [
    ("FAILED", "failed", Status.FAILED, "unknown", "the service gave up"),
    ("empty", "empty", Status.FAILED, "unknown", "done, they say, with nothing"),
]


@pytest.mark.parametrize(("word", "code", "status", "charged", "reason"), NO_PICTURE)
def test_a_shape_without_its_picture_fails_and_only_a_person_asks_again(
    gateway, run, moving_clock, row, word, code, status, charged, reason
):
    gateway.misbehave(word)
    run()
    gateway.behave()
    moving_clock.skip(days=2)
    run()
    assert len(gateway.requests) == 1, reason
    assert (only(GatewayRequest).status, only(GatewayRequest).charged) == (status, charged)
    assert (again(row).purchase, row.failure_code) == (Purchase.FAILED, code)
    assert only(GatewayRequest).reserved_on is not None
    assert Candidate.objects.count() == 0


def test_a_failure_reads_as_the_service_put_it(gateway, run, row):
    gateway.misbehave("FAILED")
    run()
    assert "refused the picture" in again(row).failure_detail


def test_pictures_in_the_first_answer_are_taken(gateway, run, row):
    gateway.misbehave("immediate")
    run()
    assert (len(gateway.requests), gateway.polls) == (1, [])
    assert (again(row).purchase, len(candidates(row))) == (Purchase.IDLE, 1)
    assert row.live == candidates(row)[0]


# A person's request


def test_a_persons_request_is_sent_again_as_it_was(gateway, run, row):
    request = by_person(row, prompt="Keep the boat.", seed=7)
    gateway.misbehave("ERROR", times=1)
    run()
    sent = [(asked["prompt"], asked["seed"]) for asked in gateway.requests]
    assert sent == [("Keep the boat.", 7)] * 2
    assert (again(row).purchase, spent()) == (Purchase.IDLE, 1)
    assert row.request != request
    assert row.request.by_person


def test_a_persons_request_fails_where_another_would_be_wanted_again(gateway, run, row):
    by_person(row)
    gateway.misbehave("ERROR")
    run()
    assert len(gateway.requests) == outcomes.MAX_ATTEMPTS
    assert (again(row).purchase, spent()) == (Purchase.FAILED, 0)


def by_person(row, **fields):
    from wagtail_smart_resize.purchasing import plan
    from wagtail_smart_resize.settings import settings

    ImageVersion.get_for(row.image_id)
    request = plan.new_request(row.image, settings.recipe(), [row], by_person=True)
    request.update_if(where={}, **fields)
    assert plan.reserve(request)
    row.update_if(where={}, purchase=Purchase.REQUESTED, request=request, next_attempt_at=None)
    return request


def test_a_row_whose_request_is_gone_is_found(gateway, row):
    request = by_person(row)
    assert not Recomposition.objects.stranded().exists()
    request.delete()
    assert list(Recomposition.objects.stranded()) == [row]


# An answer that comes after its lease


@pytest.fixture
def late(gateway, monkeypatch):
    """Let another process give the request up as lost before its answer is recorded."""
    submit = GatewayClient.submit

    def submit_and_be_paused(self, job):
        try:
            return submit(self, job)
        finally:
            sending = only(GatewayRequest)
            GatewayRequest.objects.update(leased_until=timezone.now(), lease="")
            assert sending.status == Status.SENDING
            submission.settle_as_lost(GatewayRequest.objects.get(lease=""))

    monkeypatch.setattr(GatewayClient, "submit", submit_and_be_paused)


def test_an_accepted_request_goes_on_by_itself(gateway, run, row, late):
    run()
    request = only(GatewayRequest)
    assert (request.status, request.charged) == (Status.DONE, "yes")
    assert request.request_id
    assert again(row).purchase == Purchase.IDLE
    assert again(row).failure_code == ""
    assert len(candidates(row)) == 1
    assert len(gateway.requests) == 1
    assert spent() == 1


def test_a_refused_one_fails_with_the_true_reason_and_costs_nothing(gateway, run, row, late):
    gateway.misbehave("422")
    run()
    assert only(GatewayRequest).error_code == "http_422"
    assert again(row).failure_code == "http_422"
    assert spent() == 0


def test_one_that_nobody_knows_of_stays_unknown(gateway, run, row, late):
    gateway.misbehave("reset")
    run()
    assert again(row).failure_code == "unknown"
    assert only(GatewayRequest).charged == "unknown"
    assert spent() == 1


def test_a_person_who_went_on_meanwhile_is_not_disturbed(gateway, row):
    one_pass()
    request = only(GatewayRequest)
    GatewayRequest.objects.update(request_id="", status=Status.UNKNOWN, finished_at=timezone.now())
    row.update_if(where={}, purchase=Purchase.IDLE)
    request.refresh_from_db()
    assert outcomes.reopen_lost(request)
    assert again(row).purchase == Purchase.IDLE
    assert not outcomes.reopen_lost(request)


# An id that is given twice


def test_what_has_an_id_of_another_request_never_goes_live_by_itself(
    gateway, run, monkeypatch, settings
):
    settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, "REVIEW": False}
    rows = [want(plain_image(400, 300), "200x200")[0] for _ in range(2)]
    record = submission._record_accepted

    def same_id(request, answer):
        record(request, answer)
        others = GatewayRequest.objects.exclude(pk=request.pk).exclude(request_id="")
        if first := others.first():
            request.step(request_id=first.request_id)
            GatewayRequest.objects.filter(pk=request.pk).update(
                request_id=first.request_id, polling_url=first.polling_url
            )

    monkeypatch.setattr(submission, "_record_accepted", same_id)
    run()
    assert [again(row).live for row in rows] == [None, None]
    assert [len(candidates(row)) for row in rows] == [1, 1]
    assert all(again(row).awaiting_review_since for row in rows)


def test_one_with_an_id_of_its_own_goes_live(gateway, run, row, settings):
    settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, "REVIEW": False}
    run()
    assert again(row).live is not None
