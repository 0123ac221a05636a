"""Where a recomposition stands, in words."""

import datetime as dt
from decimal import Decimal

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone
from support.factories import candidate, live, plain_image, recomposition

from wagtail_smart_resize import actions
from wagtail_smart_resize.core.money import Price
from wagtail_smart_resize.editorial import failures, states
from wagtail_smart_resize.editorial.states import StateName, Tone
from wagtail_smart_resize.models import GatewayRequest, ImageVersion, PipelineState, Recomposition
from wagtail_smart_resize.publishing import publication
from wagtail_smart_resize.purchasing import passes
from wagtail_smart_resize.rules.verdict import Reason

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada():
    return get_user_model().objects.create_superuser("ada", "ada@example.org", "secret")


def state_of(row):
    return states.states(states.with_state_relations(Recomposition.objects.filter(pk=row.pk)))[0]


def request(row, status="sent", **fields):
    made = GatewayRequest.objects.create(
        image=row.image,
        source_hash=row.source_hash,
        resolution="2K",
        output_format="webp",
        sizes=[{"size": "1000x1000", "recomposition": row.pk}],
        outputs_asked=1,
        status=status,
        **fields,
    )
    row.update_if(where={}, request=made)
    return made


class TestBuying:
    @pytest.mark.parametrize(
        ("status", "word"),
        [
            ("new", StateName.QUEUED),
            ("sending", StateName.SENDING),
            ("sent", StateName.WORKING),
            ("fetching", StateName.FETCHING),
        ],
    )
    def test_a_request_under_way_says_how_far_it_is(self, status, word):
        row = recomposition(plain_image(), purchase="requested")
        request(row, status)
        assert (state_of(row).name, state_of(row).is_busy) == (word, True)

    def test_what_a_template_wanted_is_queued(self):
        assert state_of(recomposition(plain_image())).name is StateName.QUEUED

    @pytest.mark.parametrize("reason", [Reason.BUDGET, Reason.CIRCUIT_OPEN])
    def test_what_time_will_bring_waits(self, reason):
        state = state_of(recomposition(plain_image(), waiting_reason=reason))
        assert (state.name, state.message) == (StateName.WAITING, reason.label)

    def test_what_the_rules_keep_as_a_crop_is_not_needed(self):
        state = state_of(recomposition(plain_image(), waiting_reason="enough_kept"))
        assert (state.name, str(state.message)) == (StateName.NOT_NEEDED, "Crop cuts away little")

    def test_it_says_who_asked_how_long_it_took_and_what_it_cost(self, ada):
        row = recomposition(plain_image(), purchase="idle")
        sent = timezone.now() - dt.timedelta(minutes=5)
        request(
            row,
            "done",
            asked_by=ada,
            sent_at=sent,
            finished_at=sent + dt.timedelta(seconds=70),
            charged="yes",
            price="0.24",
            currency="USD",
        )
        candidate(row)
        state = state_of(row)
        assert (state.by, state.took) == (ada, dt.timedelta(seconds=70))
        assert state.cost == Price(Decimal("0.24"), "USD")
        assert state.since == sent + dt.timedelta(seconds=70)

    def test_what_was_not_charged_cost_nothing(self):
        row = recomposition(plain_image(), purchase="failed", failure_code="http_400")
        request(row, "failed", charged="no", price="0.24", currency="USD")
        assert state_of(row).cost is None


def soon():
    return timezone.now() + dt.timedelta(minutes=5)


def circuit(code="http_402"):
    state = PipelineState.get_current()
    state.open_circuit(code, "In the gateway's words.", soon())


def pause():
    PipelineState.get_current().update_if(where={}, paused_until=soon())


def never_tried():
    return recomposition(plain_image(), next_attempt_at=timezone.now())


def tried(code):
    """Its request has failed and cost nothing."""
    row = recomposition(plain_image(), next_attempt_at=soon())
    request(row, "failed", error_code=code)
    return row


def unsent(**fields):
    row = recomposition(plain_image(), purchase="requested")
    request(row, "new", **fields)
    return row


class TestWaiting:
    """Delays of a purchase, which must not be promised in a moment."""

    @pytest.mark.parametrize("make", [never_tried, unsent])
    @pytest.mark.parametrize(
        ("code", "why"),
        [
            ("http_402", "is used up"),
            ("source_403", "could not get the image from this site"),
            ("refused", "can't be reached"),
        ],
    )
    def test_while_the_circuit_is_open_it_says_why_nothing_is_sent(self, make, code, why):
        circuit(code)
        state = state_of(make())
        assert (state.name, state.tone) == (StateName.WAITING, Tone.WARNING)
        assert "Nothing is sent to the service for now: " in state.message
        assert why in state.message

    def test_so_it_does_for_what_was_the_try(self):
        circuit()
        row = recomposition(plain_image(), waiting_reason=Reason.CIRCUIT_OPEN)
        assert "is used up" in state_of(row).message

    @pytest.mark.parametrize("make", [never_tried, unsent])
    def test_while_the_service_pauses_it_says_so(self, make):
        pause()
        state = state_of(make())
        assert (state.name, "asked for a pause" in state.message) == (StateName.WAITING, True)

    def test_a_pause_that_is_over_holds_nothing_up(self):
        PipelineState.get_current().update_if(where={}, paused_until=timezone.now())
        assert state_of(never_tried()).name is StateName.QUEUED

    @pytest.mark.parametrize(
        ("code", "why"),
        [
            ("http_500", "The service says that it is out of order."),
            ("error", "The service says that it is out of order."),
            ("http_429", "The service asked for a pause."),
            ("refused", "The service can't be reached."),
        ],
    )
    def test_what_was_tried_in_vain_says_what_was_wrong(self, code, why):
        state = state_of(tried(code))
        assert state.name is StateName.WAITING
        assert state.message == f"{why} It is tried again by itself."

    @pytest.mark.parametrize(
        ("code", "why"),
        [
            ("storage", "The site's storage did not give the image's file."),
            ("file_missing", "The image's file can't be read."),
        ],
    )
    def test_what_could_not_be_claimed_says_what_is_wrong_with_the_file(self, code, why):
        row = never_tried()
        row.try_later(code, "In the storage's words.", soon(), attempts=1)
        state = state_of(row)
        assert (state.name, state.message) == (
            StateName.WAITING,
            f"{why} It is tried again by itself.",
        )

    def test_what_the_site_could_not_go_on_with_does_not_blame_the_service(self):
        row = recomposition(plain_image(), next_attempt_at=soon())
        assert "The site could not go on with it" in state_of(row).message
        held = unsent(next_step_at=soon(), consecutive_errors=1)
        assert "The site could not go on with it" in state_of(held).message

    def test_a_request_that_waits_for_the_budget_says_so_whatever_else_is_wrong(self):
        circuit()
        state = state_of(unsent(next_step_at=soon(), error_code="budget"))
        assert (state.name, state.message) == (StateName.WAITING, Reason.BUDGET.label)

    def test_a_request_that_is_asked_again_later_waits(self):
        state = state_of(unsent(next_step_at=soon()))
        assert (state.name, "could not be sent so far" in str(state.message)) == (
            StateName.WAITING,
            True,
        )

    @pytest.mark.parametrize(
        ("outputs", "why"),
        [
            ([{"later": "connection"}, {}], "can't be fetched from the service"),
            ([{}], "storage or database has not taken the AI versions"),
        ],
    )
    def test_pictures_that_do_not_come_in_say_where_it_sticks(self, outputs, why):
        row = recomposition(plain_image(), purchase="requested")
        request(row, "fetching", consecutive_errors=2, outputs=outputs)
        state = state_of(row)
        assert (state.name, why in str(state.message)) == (StateName.FETCHING, True)


class TestFailing:
    def test_a_failure_says_what_happened_and_what_to_do(self):
        row = recomposition(
            plain_image(), purchase="failed", failure_code="failed", failure_detail="Odd picture."
        )
        state = state_of(row)
        assert (state.name, state.is_failed) == (StateName.FAILED, True)
        assert "could not make the AI version" in str(state.message)
        assert "try again" in str(state.remedy)
        assert state.detail == "Odd picture."

    def test_an_unknown_outcome_is_no_plain_failure(self):
        row = recomposition(plain_image(), purchase="failed", failure_code="unknown")
        state = state_of(row)
        assert (state.name, state.may_recheck) == (StateName.UNKNOWN, False)
        assert "nobody knows" in str(state.message)

    def test_with_an_id_the_service_can_be_asked_again(self):
        row = recomposition(plain_image(), purchase="failed", failure_code="unknown")
        request(row, "unknown", request_id="r-1")
        assert state_of(row).may_recheck

    @pytest.mark.parametrize("code", ["failed", "error"])
    def test_of_what_the_service_says_has_failed_it_would_say_nothing_else(self, code):
        row = recomposition(plain_image(), purchase="failed", failure_code=code)
        request(row, "failed", request_id="r-1")
        assert not state_of(row).may_recheck

    @pytest.mark.parametrize(("charged", "certain"), [("yes", True), ("unknown", False)])
    def test_a_cost_that_is_not_certain_is_told_as_such(self, charged, certain):
        row = recomposition(plain_image(), purchase="failed", failure_code="unknown")
        request(row, "unknown", charged=charged, price="0.24", currency="USD")
        assert state_of(row).cost_is_certain is certain

    def test_what_was_withdrawn_names_the_rule(self):
        failure = failures.describe("withdrawn", "private")
        assert "nothing was bought: Private collection" in str(failure.message)
        assert "was changed" in str(failures.describe("withdrawn", "outdated").message)

    @pytest.mark.parametrize(
        ("code", "words"),
        [
            ("result_404", "could not be fetched"),
            ("http_422", "refused"),
            ("http_503", "problem of its own"),
            ("source_401", "could not get the image"),
            ("timeout", "could not be fetched"),
            ("something_new", "could not be made"),
        ],
    )
    def test_every_code_has_words(self, code, words):
        assert words in str(failures.describe(code).message)

    @pytest.mark.parametrize(
        ("code", "words"),
        [
            ("http_402", "balance"),
            ("bad_key", "key"),
            ("source_403", "could not get the image"),
            ("http_503", "out of order"),
            ("timeout", "can't be reached"),
            ("not_json", "can't be read"),
        ],
    )
    def test_every_open_circuit_has_words(self, code, words):
        assert words in str(failures.describe_circuit(code).message)

    def test_a_missing_file_is_told_from_a_missing_output(self):
        assert "for this place" in str(failures.describe("missing").message)
        assert "can't be read" in str(failures.describe("file_missing").message)


class TestDeciding:
    def test_a_decision_is_being_published_until_the_flip(self, ada):
        row = recomposition(plain_image(), purchase="idle")
        actions.choose(candidate(row), user=ada)
        state = state_of(row)
        assert (state.name, state.by, state.is_busy) == (StateName.PUBLISHING, ada, True)
        assert "Your choice is recorded" in str(state.message)
        publication.publish(row.image_id)
        assert state_of(row).name is StateName.LIVE

    def test_what_could_not_be_published_says_so(self, ada):
        row = recomposition(plain_image(), purchase="idle")
        chosen = candidate(row)
        actions.choose(chosen, user=ada)
        chosen.file.storage.delete(chosen.file.name)
        row.image.get_rendition("smartresize-400x400")
        passes.run_pass(workers=1)
        state = state_of(row)
        assert state.name is StateName.PUBLISHING
        assert "could not publish it so far" in str(state.message)

    def test_what_goes_live_by_itself_is_nobodys_choice(self):
        row = recomposition(plain_image(), purchase="idle")
        row.update_if(where={}, live=candidate(row))
        state = state_of(row)
        assert (state.name, state.by) == (StateName.PUBLISHING, None)
        assert "choice" not in str(state.message)

    def test_the_crop_is_being_published_too(self, ada):
        row = live(plain_image()).recomposition
        actions.use_crop(row, user=ada)
        assert state_of(row).name is StateName.PUBLISHING
        publication.publish(row.image_id)
        assert state_of(row).name is StateName.DECLINED

    def test_the_crop_where_nothing_was_live_is_there_at_once(self, ada):
        row = recomposition(plain_image())
        actions.use_crop(row, user=ada)
        assert state_of(row).name is StateName.DECLINED

    def test_undecided_candidates_wait_for_a_person(self, settings):
        row = recomposition(plain_image(), purchase="idle")
        candidate(row)
        assert state_of(row).name is StateName.REVIEW
        settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, "REVIEW": True}
        assert state_of(row).name is StateName.REVIEW

    def test_what_is_published_for_an_old_file_counts_for_nothing(self):
        row = live(plain_image()).recomposition
        ImageVersion.objects.update(source_hash="old")
        assert state_of(row).name is StateName.PUBLISHING


class TestMany:
    def test_the_queries_do_not_grow_with_the_rows(self, django_assert_num_queries):
        for _each in range(3):
            candidate(recomposition(plain_image(), purchase="idle"))
        with django_assert_num_queries(2):
            found = states.states(states.with_state_relations(Recomposition.objects.all()))
        assert states.tally(found) == {StateName.REVIEW: 3}
