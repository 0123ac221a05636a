"""What a person can do: ask, choose, refuse, retry, keep an image in."""

import contextlib
import datetime as dt
import uuid
from dataclasses import replace

import pytest
from django.contrib.auth import get_user_model
from django.db import transaction
from django.utils import timezone
from support.factories import candidate, colour_of, live, photo, plain_image, recomposition
from support.waiting import until
from wagtail.images import get_image_model
from wagtail.models import ModelLogEntry

from wagtail_smart_resize import actions
from wagtail_smart_resize.actions import GenerationOptions, Refused, ResizeTarget
from wagtail_smart_resize.gateway.client import GatewayClient, JobStatus
from wagtail_smart_resize.models import (
    BudgetPeriod,
    Candidate,
    GatewayRequest,
    ImageVersion,
    OptOut,
    PipelineState,
    Recomposition,
)
from wagtail_smart_resize.publishing import publication

pytestmark = pytest.mark.django_db

BLUE, GOLD = (70, 130, 180), (255, 215, 0)
SQUARE = ResizeTarget.parse("400x400")
WIDE = ResizeTarget.parse("400x200")
SMALL = ResizeTarget.parse("200x200")
"""What `gateway` draws is large enough to go live."""


@pytest.fixture
def user():
    return get_user_model().objects.create_superuser("ada", "ada@example.org", "secret")


def fresh(image):
    return get_image_model().objects.get(pk=image.pk)


def near(colour, other):
    return all(abs(a - b) < 12 for a, b in zip(colour, other, strict=True))


def spent():
    return {row.period: row.outputs for row in BudgetPeriod.objects.all() if row.outputs}


def finished(client, request_id):
    """Wait until the sandbox has fetched the source and drawn its pictures."""
    until(
        lambda: client.status(request_id).status == JobStatus.COMPLETED, "the sandbox had finished"
    )


def logged(image):
    return list(
        ModelLogEntry.objects.filter(object_id=str(image.pk))
        .order_by("pk")
        .values_list("action", "user__username")
    )


class TestAsking:
    def test_the_request_is_the_persons_own(self, user, gateway, run, configure):
        configure(RESOLUTION="2K")
        image = photo()
        options = GenerationOptions(
            prompt="Keep the rocket.", resolution="1K", candidates=3, seed=7
        )
        actions.request_recomposition(image, [SMALL], user=user, options=options)
        assert list(spent().values()) == [3, 3]
        run()
        sent = gateway.requests[0]
        assert (sent["prompt"], sent["resolution"]) == ("Keep the rocket.", "1K")
        assert (sent["num_images_per_size"], sent["seed"]) == (3, 7)
        row = Recomposition.objects.get()
        assert row.candidates.filter(stored=True).count() == 3
        assert row.live is None
        assert (row.wanted_by, row.asked_by) == ("person", user)
        assert ("smart_resize.ask", "ada") in logged(image)

    def test_pressed_twice_is_bought_once(self, user):
        image, key = photo(), uuid.uuid4()
        first = actions.request_recomposition(image, [SQUARE], user=user, key=key)
        second = actions.request_recomposition(image, [SQUARE], user=user, key=key)
        assert [each.pk for each in first] == [each.pk for each in second]
        assert list(spent().values()) == [1, 1]

    def test_what_is_under_way_is_not_asked_for_again(self, user):
        image = photo()
        actions.request_recomposition(image, [SQUARE], user=user)
        with pytest.raises(Refused, match="already been asked for"):
            actions.request_recomposition(image, [SQUARE], user=user)
        assert GatewayRequest.objects.count() == 1

    def test_shapes_of_one_recipe_share_a_request(self, user):
        image = photo()
        targets = [SQUARE, ResizeTarget.parse("200x400"), ResizeTarget.parse("portrait")]
        requests = actions.request_recomposition(image, targets, user=user)
        assert sorted(len(request.sizes) for request in requests) == [1, 2]

    def test_the_history_has_the_sizes_of_wishes_that_can_be_read_once(self, user):
        image = photo()
        actions.request_recomposition(image, (target for target in [SQUARE]), user=user)
        entry = ModelLogEntry.objects.get(action="smart_resize.ask", object_id=str(image.pk))
        assert entry.data["sizes"] == [str(SQUARE.slot.size)]

    def test_for_a_preset_that_the_settings_hold_no_more_nothing_is_asked(self, user):
        image = photo()
        with pytest.raises(Refused, match="no longer have the preset") as raised:
            actions.request_recomposition(image, [replace(SQUARE, recipe="removed")], user=user)
        assert raised.value.code == "unknown_preset"
        assert not GatewayRequest.objects.exists()
        assert not Recomposition.objects.exists()

    def test_beyond_the_budget_nothing_is_asked(self, user, settings):
        settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, "DAILY_LIMIT": 1}
        image = photo()
        with pytest.raises(Refused, match="2 AI versions, and the budget allows 1 more"):
            actions.request_recomposition(image, [SQUARE, ResizeTarget.parse("200x400")], user=user)
        assert not GatewayRequest.objects.exists()
        assert spent() == {}
        assert not Recomposition.objects.filter(purchase="requested").exists()

    def test_taste_may_be_overruled_and_privacy_not(self, user):
        image = photo()
        enough = ResizeTarget.parse("450x300")
        with pytest.raises(Refused, match="no AI version is needed"):
            actions.request_recomposition(image, [enough], user=user)
        assert actions.request_recomposition(image, [enough], user=user, override_rules=True)
        OptOut.objects.create(image=image)
        with pytest.raises(Refused, match="opted out"):
            actions.request_recomposition(image, [SQUARE], user=user, override_rules=True)

    def test_without_its_file_nothing_is_asked(self, user):
        image = photo()
        image.file.storage.delete(image.file.name)
        type(image).objects.filter(pk=image.pk).update(file_hash="")
        with pytest.raises(Refused, match="can't be read"):
            actions.request_recomposition(fresh(image), [SQUARE], user=user)

    def test_a_further_candidate_leaves_live_what_is_live(self, user, gateway, run):
        image = photo()
        chosen = live(image, "200x200")
        actions.request_recomposition(image, [SMALL], user=user)
        run()
        row = Recomposition.objects.get()
        assert row.candidates.filter(stored=True).count() == 2
        assert row.live == chosen


class TestDeciding:
    def test_choosing_is_recorded_at_once_and_live_after_the_flip(self, user):
        image = plain_image()
        row = recomposition(image, purchase="idle")
        actions.choose(candidate(row), user=user)
        assert near(colour_of(fresh(image).get_rendition("smartresize-400x400")), GOLD)
        row.refresh_from_db()
        assert (row.decision, row.decided_by) == ("candidate", user)
        publication.publish(image.pk)
        assert near(colour_of(fresh(image).get_rendition("smartresize-400x400")), BLUE)
        assert ("smart_resize.choose", "ada") in logged(image)
        assert "smart_resize.publish" in [action for action, _user in logged(image)]

    def test_the_crop_undoes_it_and_loses_no_candidate(self, user):
        image = plain_image()
        chosen = live(image)
        actions.use_crop(chosen.recomposition, user=user)
        publication.publish(image.pk)
        assert near(colour_of(fresh(image).get_rendition("smartresize-400x400")), GOLD)
        assert chosen.recomposition.candidates.count() == 1
        assert ("smart_resize.decline", "ada") in logged(image)

    def test_what_is_declined_is_not_bought(self, user, gateway, run):
        image = photo()
        row = recomposition(image)
        actions.use_crop(row, user=user)
        run()
        assert gateway.requests == []

    def test_a_candidate_of_a_replaced_file_is_refused(self, user):
        image = plain_image()
        old = candidate(recomposition(image))
        type(image).objects.filter(pk=image.pk).update(file_hash="new")
        old.recomposition.refresh_from_db()
        with pytest.raises(Refused, match="replaced"):
            actions.choose(old, user=user)
        assert not ImageVersion.objects.exclude(publish_due_at=None).exists()


class TestAfterAFailure:
    def test_retry_asks_again_as_it_was_asked(
        self, user, gateway, run, django_capture_on_commit_callbacks
    ):
        image = photo()
        gateway.misbehave("400", times=1)
        actions.request_recomposition(
            image, [SQUARE], user=user, options=GenerationOptions(prompt="Keep it.", candidates=2)
        )
        with django_capture_on_commit_callbacks(execute=True):
            run()
        row = Recomposition.objects.get()
        assert row.purchase == "failed"
        assert "smart_resize.fail" in [action for action, _user in logged(image)]
        actions.retry(row, user=user)
        run()
        row.refresh_from_db()
        assert row.purchase == "idle"
        assert gateway.requests[-1]["prompt"] == "Keep it."
        assert gateway.requests[-1]["num_images_per_size"] == 2

    def test_retry_finds_the_row_that_served_other_shapes_too(self, user):
        row = recomposition(photo(), "400x220", purchase="failed", failure_code="failed")
        row.update_if(where={}, slots=["600x338", "400x220"])
        request = actions.retry(row, user=user)
        assert [each["recomposition"] for each in request.sizes] == [row.pk]
        assert Recomposition.objects.count() == 1

    def test_what_has_not_failed_can_not_be_retried(self, user):
        with pytest.raises(Refused, match="nothing to try again"):
            actions.retry(recomposition(photo()), user=user)

    def test_what_somebody_has_retried_already_is_under_way(self, user):
        actions.request_recomposition(photo(), [SMALL], user=user)
        with pytest.raises(Refused) as raised:
            actions.retry(Recomposition.objects.get(), user=user)
        assert raised.value.code == "under_way"

    def test_an_unknown_outcome_is_asked_about_by_its_id(self, user, gateway, run):
        image = photo()
        actions.request_recomposition(image, [SMALL], user=user)
        run(passes=1)
        row, request = Recomposition.objects.get(), GatewayRequest.objects.get()
        finished(GatewayClient.from_settings(), request.request_id)
        request.update_if(
            where={}, status="unknown", next_step_at=None, lease="", leased_until=None
        )
        row.update_if(where={}, purchase="failed", failure_code="unknown", live=None)
        row.candidates.all().delete()
        actions.recheck_status(row, user=user)
        run()
        row.refresh_from_db()
        assert (row.purchase, row.candidates.count()) == ("idle", 1)
        assert len(gateway.requests) == 1

    def test_looking_again_finds_all_that_the_request_failed(self, user, gateway, run):
        image = photo()
        actions.request_recomposition(image, [SQUARE, WIDE], user=user)
        gateway.misbehave("svg")
        run()
        gateway.behave()
        rows = Recomposition.objects.filter(image=image)
        assert {row.purchase for row in rows} == {"failed"}
        actions.recheck_status(rows[0], user=user)
        run()
        assert {row.purchase for row in rows.all()} == {"idle"}
        assert all(row.candidates.filter(stored=True).count() == 1 for row in rows)
        assert len(gateway.requests) == 1

    def test_what_was_unknown_and_is_there_after_all_was_charged(self, user, gateway, run):
        actions.request_recomposition(photo(), [SMALL], user=user)
        gateway.misbehave("half-json", where="submit")
        run()
        gateway.behave()
        request = GatewayRequest.objects.get()
        assert (request.status, request.charged) == ("unknown", "unknown")
        actions.recheck_status(Recomposition.objects.get(), user=user)
        run()
        request.refresh_from_db()
        assert (request.status, request.charged) == ("done", "yes")
        assert Recomposition.objects.get().candidates.exists()

    def test_without_an_id_there_is_nothing_to_ask_about(self, user):
        row = recomposition(photo(), purchase="failed", failure_code="unknown")
        with pytest.raises(Refused, match="gave no ID"):
            actions.recheck_status(row, user=user)

    def test_leaving_it_buys_nothing(self, user, gateway, run):
        row = recomposition(photo(), purchase="failed", failure_code="unknown")
        actions.dismiss_failure(row, user=user)
        run()
        row.refresh_from_db()
        assert (row.purchase, row.failure_code) == ("idle", "")
        assert gateway.requests == []


class TestKeepingIn:
    def test_an_opted_out_image_is_not_sent(self, user, gateway, run):
        image = photo()
        recomposition(image, next_attempt_at="2026-01-01T00:00:00Z")
        actions.opt_out(image, user=user, reason="Her face must stay hers.")
        run()
        assert gateway.requests == []
        row = Recomposition.objects.get()
        assert (row.purchase, row.waiting_reason) == ("wanted", "opted_out")
        assert ("smart_resize.opt_out", "ada") in logged(image)

    def test_opting_in_again_lets_what_waited_go(self, user, gateway, run):
        image = photo()
        recomposition(image, next_attempt_at="2026-01-01T00:00:00Z")
        actions.opt_out(image, user=user)
        run()
        actions.opt_in(image, user=user)
        run()
        assert len(gateway.requests) == 1
        assert not OptOut.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("outer", [transaction.atomic, contextlib.nullcontext])
@pytest.mark.parametrize(
    "act",
    [
        lambda row: actions.request_recomposition(row.image, [SQUARE]),
        lambda row: actions.dismiss_failure(row),
        lambda row: actions.use_crop(row),
        lambda row: actions.choose(Candidate(recomposition=row, stored=True)),
        lambda row: actions.opt_out(row.image),
        lambda row: actions.opt_in(row.image),
    ],
    ids=["ask", "leave", "use_crop", "choose", "opt_out", "opt_in"],
)
def test_a_deleted_image_is_refused_within_a_callers_transaction_too(act, outer):
    row = recomposition(photo())
    fresh(row.image).delete()
    with outer(), pytest.raises(Refused, match="has been deleted"):
        act(row)
    assert not ImageVersion.objects.exists()
    assert not GatewayRequest.objects.exists()


class TestWaiting:
    """What waits has ways out: try now, ask differently, call off."""

    def ask(self, user, image=None, **options):
        image = image or photo()
        actions.request_recomposition(
            image, [SMALL], user=user, options=GenerationOptions(**options)
        )
        return Recomposition.objects.get(image=image)

    def test_what_waits_for_its_time_is_due_now(self, user):
        later = timezone.now() + dt.timedelta(hours=1)
        row = recomposition(photo(), waiting_reason="budget", next_attempt_at=later)
        actions.try_now(row, user=user)
        row.refresh_from_db()
        assert row.waiting_reason == ""
        assert row.next_attempt_at <= timezone.now()

    def test_so_is_a_request_that_could_not_be_sent(self, user):
        row = self.ask(user)
        later = timezone.now() + dt.timedelta(hours=1)
        GatewayRequest.objects.update(next_step_at=later)
        actions.try_now(row, user=user)
        assert GatewayRequest.objects.get().next_step_at <= timezone.now()

    def test_a_service_that_turned_requests_down_is_asked_at_once(self, user, gateway, run):
        row = self.ask(user)
        state = PipelineState.get_current()
        state.open_circuit("http_401", "", timezone.now() + dt.timedelta(hours=1))
        run()
        assert not gateway.requests
        actions.try_now(row, user=user)
        run()
        assert len(gateway.requests) == 1

    def test_a_pause_that_the_service_asked_for_is_kept(self, user, gateway, run):
        row = self.ask(user)
        until_then = timezone.now() + dt.timedelta(hours=1)
        PipelineState.get_current().pause(until_then, "")
        actions.try_now(row, user=user)
        run()
        assert not gateway.requests

    def test_what_does_not_wait_is_refused(self, user):
        row = self.ask(user)
        GatewayRequest.objects.update(status=GatewayRequest.Status.SENT)
        for each in (row, recomposition(photo(), purchase=Recomposition.Purchase.IDLE)):
            with pytest.raises(Refused) as raised:
                actions.try_now(each, user=user)
            assert raised.value.code == "not_waiting"

    def test_nothing_is_tried_while_all_buying_is_stopped(self, user):
        row = self.ask(user)
        actions.stop_buying(user=user)
        with pytest.raises(Refused, match="stopped"):
            actions.try_now(row, user=user)

    def test_asked_for_differently_it_replaces_what_was_not_sent(self, user):
        row = self.ask(user, prompt="Once.")
        self.ask(user, row.image, prompt="Anew.", replaces_unsent=True)
        row.refresh_from_db()
        assert row.request.prompt == "Anew."
        statuses = GatewayRequest.objects.order_by("pk").values_list("status", flat=True)
        assert list(statuses) == ["failed", "new"]
        assert list(spent().values()) == [1, 1]

    def test_what_was_sent_can_not_be_replaced(self, user):
        row = self.ask(user)
        GatewayRequest.objects.update(status=GatewayRequest.Status.SENT)
        with pytest.raises(Refused, match="already been asked for"):
            self.ask(user, row.image, replaces_unsent=True)

    def test_what_was_asked_for_with_other_shapes_stays(self, user):
        image = photo()
        both = [SMALL, ResizeTarget.parse("200x400")]
        actions.request_recomposition(image, both, user=user)
        with pytest.raises(Refused, match="already been asked for"):
            actions.request_recomposition(
                image, [SMALL], user=user, options=GenerationOptions(replaces_unsent=True)
            )
        assert Recomposition.objects.filter(purchase="requested").count() == 2
