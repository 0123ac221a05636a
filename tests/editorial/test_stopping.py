"""All buying is stopped by a person, and goes on; one purchase is called off before it is sent."""

import io

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from support import bulk_action
from support.factories import plain_image, published_page, recomposition
from support.purchases import Purchase, again, claimed, only, spent, want

from wagtail_smart_resize import actions
from wagtail_smart_resize.actions import Refused, ResizeTarget
from wagtail_smart_resize.models import GatewayRequest, PipelineState, Recomposition
from wagtail_smart_resize.purchasing import passes

pytestmark = pytest.mark.django_db

SCREENS = ["report", "review", "image", "bulk", "side panel"]


def address(screen, image):
    if screen == "bulk":
        return bulk_action.address(query=f"id={image.pk}&next=/admin/images/")
    if screen == "side panel":
        return reverse("wagtailimages:edit", args=[image.pk])
    if screen == "image":
        return reverse("smart_resize_admin:image", args=[image.pk])
    return reverse(f"smart_resize_admin:{screen}")


class TestStoppingAll:
    def test_nothing_is_sent_until_it_goes_on(self, gateway, run, people):
        rows = [want(plain_image(400, 300), "200x200")[0] for _ in range(3)]
        assert actions.stop_buying(user=people.superuser)
        run()
        assert gateway.requests == []
        assert {again(row).purchase for row in rows} == {Purchase.WANTED}
        assert actions.resume_buying(user=people.superuser)
        run()
        assert len(gateway.requests) == 3

    def test_what_was_claimed_is_not_sent_and_what_was_sent_is_fetched(self, gateway, run):
        gateway.misbehave("never")
        (first,) = want(plain_image(400, 300), "200x200")
        run(2)
        (second,) = want(plain_image(400, 300), "200x200")
        passes.run_pass(workers=1, go_on=lambda: False)
        actions.stop_buying()
        gateway.behave()
        run()
        assert len(gateway.requests) == 1
        again(first), again(second)
        assert first.purchase in {Purchase.IDLE, Purchase.REQUESTED}
        assert second.live_id is None

    def test_nor_is_the_probe_of_an_open_circuit(self, gateway, run, moving_clock):
        want(plain_image(400, 300), "200x200")
        gateway.misbehave("401")
        run()
        actions.stop_buying()
        moving_clock.skip(minutes=30)
        run()
        assert len(gateway.requests) == 1

    def test_a_person_who_asks_is_told(self, people):
        actions.stop_buying(user=people.superuser)
        with pytest.raises(Refused) as refused:
            actions.request_recomposition(
                plain_image(), [ResizeTarget.parse("200x200")], user=people.editor
            )
        assert refused.value.code == "stopped"
        assert not GatewayRequest.objects.exists()

    def test_twice_is_once(self, people):
        assert actions.stop_buying(user=people.superuser)
        assert not actions.stop_buying(user=people.editor)
        assert PipelineState.peek().buying_stopped_by == people.superuser
        assert actions.resume_buying()
        assert not actions.resume_buying()

    @pytest.mark.parametrize("screen", SCREENS)
    def test_every_screen_says_so(self, admin, people, screen, configure):
        configure(REVIEW=True)
        image = plain_image()
        recomposition(image)
        page = address(screen, image)
        assert "has stopped it" not in admin.get(page).content.decode()
        actions.stop_buying(user=people.superuser)
        shown = admin.get(page).content.decode()
        assert "nothing is bought" in shown
        assert "has stopped it" in shown

    def test_a_row_that_waits_says_so(self, admin):
        image = plain_image()
        recomposition(image)
        actions.stop_buying()
        shown = admin.get(address("image", image)).content.decode()
        assert "All buying is stopped for now." in shown

    def test_the_button_is_for_those_who_may_approve(self, admin, client, people):
        report = reverse("smart_resize_admin:report")
        assert "Stop all buying" in admin.get(report).content.decode()
        answer = admin.post(reverse("smart_resize_admin:buying"), follow=True)
        assert "Nothing more is bought" in answer.content.decode()
        assert PipelineState.peek().is_stopped
        assert "Go on buying" in admin.get(report).content.decode()
        admin.post(reverse("smart_resize_admin:buying"), {"resume": "1"})
        assert not PipelineState.peek().is_stopped
        client.force_login(people.editor)
        if "Stop all buying" not in client.get(report).content.decode():
            answer = client.post(reverse("smart_resize_admin:buying"))
            assert answer.status_code in {302, 403}
            assert not PipelineState.peek().is_stopped

    def test_the_command_does_the_same(self):
        def run(act, **options):
            out = io.StringIO()
            call_command("smart_resize_buying", act, stdout=out, **options)
            return out.getvalue().strip()

        assert run("stop") == "Nothing more is bought."
        assert PipelineState.peek().is_stopped
        assert run("stop") == "It was stopped before."
        assert run("resume", verbosity=0) == ""
        assert run("resume") == "It was not stopped."
        with pytest.raises(CommandError):
            call_command("smart_resize_buying", "perhaps")

    def test_the_status_names_it(self):
        actions.stop_buying()
        out = io.StringIO()
        with pytest.raises(SystemExit) as ended:
            call_command("smart_resize_status", stdout=out)
        assert ended.value.code == 1
        assert "stopped on the command line" in out.getvalue()

    def test_a_page_shows_the_crop(self, client):
        actions.stop_buying()
        page = published_page(plain_image())
        assert client.get(page.url).status_code == 200


class TestCallingOff:
    def test_what_a_template_wants_is_not_bought_and_not_wanted_again(self, gateway, run):
        image = plain_image(400, 300)
        (row,) = want(image, "200x200")
        assert actions.call_off(row) == 1
        want(image, "200x200")
        run()
        assert gateway.requests == []
        assert again(row).purchase == Purchase.IDLE

    def test_a_person_may_still_ask_for_it(self, gateway, run, people):
        image = plain_image(400, 300)
        (row,) = want(image, "200x200")
        actions.call_off(row)
        actions.request_recomposition(
            image, [ResizeTarget.parse("200x200")], user=people.superuser, override_rules=True
        )
        run()
        assert again(row).live_id or row.purchase == Purchase.IDLE
        assert len(gateway.requests) == 1

    def test_a_request_that_was_not_sent_gives_its_budget_back(self, gateway, people):
        image = plain_image(400, 300)
        asked = [ResizeTarget.parse("200x200"), ResizeTarget.parse("200x100")]
        actions.request_recomposition(image, asked, user=people.superuser, override_rules=True)
        assert spent() == 2
        row = Recomposition.objects.first()
        assert actions.call_off(row, user=people.superuser) == 2
        assert spent() == 0
        request = only(GatewayRequest)
        assert (request.status, request.error_code, request.charged) == (
            "failed",
            "called_off",
            "no",
        )
        passes.run_pass(workers=1)
        assert gateway.requests == []

    def test_of_what_templates_want_the_others_are_bought(self, gateway, run, configure):
        image = plain_image(400, 300)
        square, wide = want(image, "200x200", "200x100")
        passes.run_pass(workers=1, go_on=lambda: False)

        claimed(image.pk, "")
        assert again(square).purchase == Purchase.REQUESTED
        assert actions.call_off(square) == 1
        run()
        assert again(square).purchase == Purchase.IDLE
        assert again(wide).live_id
        assert [each.sizes for each in GatewayRequest.objects.filter(status="done")]
        assert len(gateway.requests) == 1

    @pytest.mark.parametrize("status", ["sending", "sent", "fetching"])
    def test_what_was_sent_is_shown_as_what_it_is(self, status):
        image = plain_image(400, 300)
        row = recomposition(image, purchase="requested")
        request = GatewayRequest.objects.create(
            image=image,
            source_hash=image.file_hash,
            resolution="2K",
            status=status,
            sizes=[{"size": "400x400", "recomposition": row.pk}],
        )
        row.update_if(where={}, request=request)
        with pytest.raises(Refused) as refused:
            actions.call_off(row)
        assert refused.value.code == "sent"
        assert again(row).purchase == Purchase.REQUESTED

    def test_what_a_runner_holds_is_not_taken_from_it(self, people):
        image = plain_image(400, 300)
        actions.request_recomposition(
            image, [ResizeTarget.parse("200x200")], user=people.superuser, override_rules=True
        )
        request = only(GatewayRequest)
        assert request.take(passes.timezone.now(), passes.STEP_LEASE)
        with pytest.raises(Refused):
            actions.call_off(only(Recomposition))

    def test_nothing_to_call_off_is_said(self):
        row = recomposition(plain_image(), purchase="idle")
        with pytest.raises(Refused) as refused:
            actions.call_off(row)
        assert refused.value.code == "not_wanted"

    def test_the_button_does_it(self, admin):
        image = plain_image()
        row = recomposition(image)
        screen = address("image", image)
        url = reverse("smart_resize_admin:call_off", args=[image.pk])
        assert f'action="{url}"' in admin.get(screen).content.decode()
        answer = admin.post(url, {"row": row.pk}, follow=True)
        assert "Cancelled: nothing is bought." in answer.content.decode()
        assert again(row).purchase == Purchase.IDLE
        assert f'action="{url}"' not in admin.get(screen).content.decode()
        answer = admin.post(url, {"row": row.pk}, follow=True)
        assert "There is nothing to cancel." in answer.content.decode()

    @pytest.mark.parametrize("value", ["", "0", "9" * 40, "x"])
    def test_forged_keys_are_refused(self, admin, value):
        image = plain_image()
        url = reverse("smart_resize_admin:call_off", args=[image.pk])
        assert admin.post(url, {"row": value}, follow=True).status_code == 200
