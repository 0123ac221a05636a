"""An image's screen: what it shows and offers, to whom."""

import datetime as dt
import io
import json
import re
import uuid

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.urls import reverse
from django.utils import timezone
from PIL import Image as PillowImage
from support.factories import candidate, live, photo, plain_image, recomposition
from wagtail.images import get_image_model
from wagtail.models import Collection, GroupCollectionPermission

from wagtail_smart_resize.admin.image import crop_frame, progress_estimate
from wagtail_smart_resize.admin.image.screen import Screen
from wagtail_smart_resize.core import formatting
from wagtail_smart_resize.core.sizes import Size, Slot
from wagtail_smart_resize.models import BudgetPeriod, GatewayRequest, OptOut, Recomposition
from wagtail_smart_resize.publishing import publication

pytestmark = pytest.mark.django_db

ACTIONS = ["ask", "choose", "failed", "opt_out"]


def collection(name):
    root = Collection.get_first_root_node()
    return root.get_children().filter(name=name).first() or root.add_child(name=name)


def person(name, *rights, where="Press"):
    """An editor who may change images in a collection, and has these rights of ours there."""
    user = get_user_model().objects.create_user(name, f"{name}@example.org", "secret")
    group = Group.objects.create(name=f"{name}'s")
    user.groups.add(group)
    group.permissions.add(Permission.objects.get(codename="access_admin"))
    for codename in ["change_image", *rights]:
        for permission in Permission.objects.filter(codename=codename):
            GroupCollectionPermission.objects.create(
                group=group, collection=collection(where), permission=permission
            )
    return user


OURS = "smart_resize_recomposition"
APPROVE = "approve_recomposition"


@pytest.fixture
def ada():
    return get_user_model().objects.create_superuser("ada", "ada@example.org", "secret")


@pytest.fixture
def here():
    return person("here", OURS)


@pytest.fixture
def elsewhere():
    return person("elsewhere", OURS, where="Sports")


@pytest.fixture
def nobody():
    return person("nobody")


@pytest.fixture
def image():
    return photo(collection=collection("Press"))


def url(image, name="image", *args):
    return reverse(f"smart_resize_admin:{name}", args=[image.pk, *args])


def shown(client, user, image, query=""):
    client.force_login(user)
    response = client.get(url(image) + query)
    assert response.status_code == 200
    return response


def text(response):
    """The words of a page, each run of white space one space."""
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def asking(image, what="400x400", **fields):
    return {
        "what": what,
        "prompt": "Keep the rocket.",
        "candidates": "2",
        "resolution": "2K",
        "seed": "",
        "key": str(uuid.uuid4()),
        "source": image.file_hash,
        **fields,
    }


def failed(image, code="failed", **fields):
    row = recomposition(image, purchase="failed", failure_code=code, **fields)
    request = GatewayRequest.objects.create(
        image=image,
        source_hash=image.file_hash,
        resolution="2K",
        output_format="webp",
        images_per_size=1,
        status="unknown" if code == "unknown" else "failed",
        finished_at=timezone.now(),
    )
    row.update_if(where={}, request=request)
    return row


class TestShapes:
    def test_what_templates_wanted_and_the_presets_are_shown(self, client, ada, image):
        recomposition(image, "400x400")
        page = text(shown(client, ada, image))
        assert "400×400" in page
        assert "Hero 1920×600" in page
        assert "Portrait 400×500" in page

    def test_a_preset_and_a_size_of_its_shape_are_one(self, ada, image):
        recomposition(image, "960x300")
        heading = [shape.title for shape in Screen(image, ada).shapes]
        assert len(heading) == 2
        assert heading[0] == 'Hero <bdi dir="ltr">960×300</bdi>'

    def test_a_typed_size_is_added_and_nothing_is_written(self, client, ada, image):
        page = text(shown(client, ada, image, "?size=1080×1350"))
        assert "1080×1350" in page
        assert not Recomposition.objects.exists()

    def test_a_typed_size_that_is_none_is_explained(self, client, ada, image):
        response = shown(client, ada, image, "?size=huge")
        assert "such as 1080x1350" in text(response)

    def test_a_typed_size_of_a_shape_that_is_there_shows_that(self, ada, image):
        row = recomposition(image, "400x400")
        from wagtail_smart_resize.editorial.actions import ResizeTarget

        screen = Screen(image, ada, ResizeTarget.parse("500x500"))
        assert screen.typed_shape.row == row

    def test_what_was_bought_for_a_replaced_file_is_not_shown(self, ada, image):
        recomposition(image, "400x400").update_if(where={}, source_hash="old")
        assert [shape.row for shape in Screen(image, ada).shapes] == [None, None]

    def test_looking_changes_nothing(self, client, ada, image):
        candidate(recomposition(image, purchase="idle"))
        before = list(Recomposition.objects.values())
        shown(client, ada, image)
        client.get(url(image, "progress"))
        assert list(Recomposition.objects.values()) == before
        assert not GatewayRequest.objects.exists()

    def test_more_shapes_do_not_mean_more_queries(
        self, client, ada, image, django_assert_max_num_queries
    ):
        candidate(recomposition(image, "400x400", purchase="idle"))
        shown(client, ada, image)
        with django_assert_max_num_queries(100) as few:
            client.get(url(image))
        for slot in ["200x400", "300x400", "900x400", "1200x400"]:
            candidate(recomposition(image, slot, purchase="idle"))
        with django_assert_max_num_queries(100) as many:
            client.get(url(image))
        assert len(many) == len(few)

    def test_an_image_without_its_file_is_told(self, client, ada, image):
        image.file.storage.delete(image.file.name)
        assert "missing or damaged" in text(shown(client, ada, image))


class TestOffering:
    def test_what_a_template_wants_can_be_declined_before_it_is_bought(self, client, ada, image):
        recomposition(image)
        page = text(shown(client, ada, image))
        assert "Keep the standard crop" in page
        assert "Use the selected picture" not in page

    def test_where_there_is_a_picture_there_is_a_choice(self, client, ada, image):
        candidate(recomposition(image, purchase="idle"))
        page = text(shown(client, ada, image))
        assert "Use the selected picture" in page
        assert "Keep the standard crop" not in page

    def test_nobody_asks_twice_for_what_is_under_way(self, client, ada, image):
        row = recomposition(image, purchase="requested")
        html = shown(client, ada, image).content.decode()
        assert 'data-key="any-1000" hidden' in html
        assert Screen(image, ada).find(str(row.pk)).is_under_way

    def test_a_close_up_is_not_blamed_on_the_shape(self, client, ada, image):
        image.focal_point_x, image.focal_point_y = 300, 200
        image.focal_point_width = image.focal_point_height = 60
        image.save()
        recomposition(image, "450x300-c100", waiting_reason="enough_kept")
        page = text(shown(client, ada, image))
        assert "the template asks for a close-up" in page
        assert "The crop keeps" not in page

    def test_a_preset_that_is_gone_is_told(self, client, ada, image):
        recomposition(image, "400x400", recipe="gone", purchase="idle")
        assert "no longer hold the preset" in text(shown(client, ada, image))

    def test_forms_of_a_preset_that_is_gone_buy_nothing(self, client, ada, image):
        row = recomposition(image, "400x400", recipe="gone", purchase="idle")
        client.force_login(ada)
        response = client.post(url(image, "ask"), asking(image, str(row.pk)), follow=True)
        assert response.status_code == 200
        assert not GatewayRequest.objects.exists()


class TestFrames:
    def test_the_frame_is_wagtails_crop(self, image):
        frame = crop_frame.frame_of(image, Slot.parse("400x400"), Size(640, 427))
        assert (frame.crop_width, frame.crop_height) == (428, 427)
        assert (frame.left, frame.top) == (106, 0)
        assert frame.lost == 34

    def test_focal_point_and_closeness_count(self, image):
        image.focal_point_x, image.focal_point_y = 500, 200
        image.focal_point_width = image.focal_point_height = 100
        wide = crop_frame.frame_of(image, Slot.parse("100x100"), Size(640, 427))
        close = crop_frame.frame_of(image, Slot.parse("100x100-c100"), Size(640, 427))
        assert wide.left > 106
        assert (close.crop_width, close.lost > wide.lost) == (100, True)

    def test_what_exif_turns_is_drawn_upright(self, image):
        class Standing:
            width, height = 427, 640

        assert crop_frame.upright_box(image, Standing) == Size(image.height, image.width)


class TestWords:
    def test_the_share_lost_and_the_verdict(self, client, ada, image):
        recomposition(image, "450x300")
        page = text(shown(client, ada, image))
        assert "The crop cuts away nothing." in page
        assert "The crop cuts away 53 % of the picture." in page
        assert "no recomposition needed" in page
        assert "You may ask for one all the same." in page
        assert "Generate 1 picture anyway" in page

    def test_where_nothing_can_be_asked_it_says_why(self, client, ada, image):
        OptOut.objects.create(image=image, user=ada, reason="Her face must stay hers.")
        response = shown(client, ada, image)
        assert "Her face must stay hers." in text(response)
        assert "Generate a picture" not in text(response)

    def test_outputs_price_and_budget_are_told_before(self, client, ada, image, settings):
        settings.WAGTAIL_SMART_RESIZE = {
            **settings.WAGTAIL_SMART_RESIZE,
            "PRICE_PER_OUTPUT": ("0.12", "USD"),
            "DAILY_LIMIT": 3,
            "CANDIDATES": 2,
        }
        page = text(shown(client, ada, image))
        assert "2 pictures are bought, for 0.24 USD. After that, the budget allows 1 more" in page

    def test_who_asked_how_long_it_took_and_what_it_cost(self, client, ada, image):
        row = candidate(recomposition(image, purchase="idle")).recomposition
        sent = timezone.now() - dt.timedelta(minutes=9)
        request = GatewayRequest.objects.create(
            image=image,
            source_hash=image.file_hash,
            resolution="2K",
            output_format="webp",
            sizes=[{"size": "1000x1000", "recomposition": row.pk}],
            status="done",
            charged="yes",
            price="0.5",
            currency="EUR",
            asked_by=ada,
            sent_at=sent,
            finished_at=sent + dt.timedelta(seconds=64),
        )
        row.update_if(where={}, request=request)
        page = text(shown(client, ada, image))
        assert "asked for by ada took 64 seconds cost 0.50 EUR" in page

    @pytest.mark.parametrize(
        ("seconds", "words_"), [(1, "1 second"), (64, "64 seconds"), (125, "2 min 5 s")]
    )
    def test_durations_are_short(self, seconds, words_):
        assert formatting.duration_text(dt.timedelta(seconds=seconds)) == words_

    def test_a_failure_says_what_to_do(self, client, ada, image):
        failed(image, failure_detail="Odd <b>picture</b>.")
        response = shown(client, ada, image)
        assert "The service could not recompose the picture." in text(response)
        assert b"Odd &lt;b&gt;picture" in response.content
        assert "Try again" in text(response)
        assert "Look again" not in text(response)

    def test_an_unknown_outcome_offers_three_ways(self, client, ada, image):
        row = failed(image, "unknown")
        row.request.update_if(where={}, request_id="r-1")
        page = text(shown(client, ada, image))
        assert "nobody knows whether it was made and charged" in page
        assert all(words in page for words in ["Look again", "Buy it again", "Leave it"])


class TestAsking:
    def ask(self, client, user, image, **fields):
        client.force_login(user)
        return client.post(url(image, "ask"), asking(image, **fields), follow=True)

    def test_a_typed_size_is_asked_for_as_it_is_worded(self, client, here, image):
        response = self.ask(client, here, image, what="1080x1080", seed="7")
        assert "2 pictures are being made" in text(response)
        request = GatewayRequest.objects.get()
        assert (request.prompt, request.images_per_size, request.seed) == ("Keep the rocket.", 2, 7)
        assert request.asked_by == here
        assert Recomposition.objects.get().slots == ["1080x1080"]

    def test_a_preset_is_asked_for_with_its_recipe(self, client, here, image):
        self.ask(client, here, image, what="400x500 portrait")
        assert GatewayRequest.objects.get().recipe == "portrait"

    def test_a_row_is_asked_for_by_its_key(self, client, here, image):
        row = live(image).recomposition
        self.ask(client, here, image, what=str(row.pk))
        row.refresh_from_db()
        assert (row.purchase, row.live_id is not None) == ("requested", True)

    def test_pressed_twice_it_is_bought_once(self, client, here, image):
        key = str(uuid.uuid4())
        self.ask(client, here, image, key=key)
        response = self.ask(client, here, image, key=key)
        assert "nothing was bought twice" in text(response)
        assert GatewayRequest.objects.count() == 1
        assert set(BudgetPeriod.objects.values_list("outputs", flat=True)) == {2}

    def test_two_editors_at_once_buy_once(self, client, ada, here, image):
        self.ask(client, here, image)
        response = self.ask(client, ada, image)
        assert "already been asked for" in text(response)
        assert GatewayRequest.objects.count() == 1

    def test_what_is_refused_keeps_what_was_typed(self, client, here, image, settings):
        settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, "DAILY_LIMIT": 1}
        response = self.ask(client, here, image, prompt="Keep her hat.", seed="99")
        assert "the budget allows 1 more now" in text(response)
        assert "Keep her hat." in text(response)
        assert 'value="99"' in response.content.decode()
        assert not GatewayRequest.objects.exists()

    @pytest.mark.parametrize(
        "wrong", [{"candidates": "5"}, {"seed": "-1"}, {"resolution": "8K"}, {"key": "x"}]
    )
    def test_what_no_form_would_send_buys_nothing(self, client, here, image, wrong):
        response = self.ask(client, here, image, **wrong)
        assert "Nothing was bought" in text(response)
        assert not GatewayRequest.objects.exists()

    def test_taste_is_overruled_by_the_button_that_says_so(self, client, here, image):
        self.ask(client, here, image, what="450x300")
        assert not GatewayRequest.objects.exists()
        self.ask(client, here, image, what="450x300", override_rules="True")
        assert GatewayRequest.objects.count() == 1

    def test_privacy_is_not_overruled_by_a_forged_form(self, client, here, image):
        OptOut.objects.create(image=image)
        response = self.ask(client, here, image, override_rules="True")
        assert "opted out" in text(response)
        assert not GatewayRequest.objects.exists()

    def test_of_a_file_replaced_meanwhile_nothing_is_bought(self, client, here, image):
        response = self.ask(client, here, image, source="the hash of the old file")
        assert "was replaced while you were here" in text(response)
        assert "Keep the rocket." in text(response)
        assert not GatewayRequest.objects.exists()

    def test_of_an_image_deleted_meanwhile_nothing_is_bought(self, client, here, image):
        fields = asking(image)
        target = url(image, "ask")
        image.delete()
        client.force_login(here)
        response = client.post(target, fields, follow=True)
        assert "has been deleted: nothing was done" in text(response)
        assert not GatewayRequest.objects.exists()

    def test_a_page_loaded_again_leads_back(self, client, here, image):
        client.force_login(here)
        assert client.get(url(image, "ask")).url == url(image)


class TestChoosing:
    def choose(self, client, user, row, choice):
        client.force_login(user)
        fields = {"row": row.pk, "choice": choice}
        return client.post(url(row.image, "choose"), fields, follow=True)

    def test_it_is_being_published_until_the_flip(self, client, here, image):
        row = recomposition(image, purchase="idle")
        first = candidate(row)
        response = self.choose(client, here, row, first.pk)
        assert "Being published" in text(response)
        publication.publish(image.pk)
        assert "Recomposition live" in text(shown(client, here, image))
        row.refresh_from_db()
        assert (row.live, row.decided_by) == (first, here)

    def test_the_crop_undoes_it_and_loses_nothing(self, client, here, image):
        row = live(image).recomposition
        response = self.choose(client, here, row, "crop")
        assert "No picture is lost" in text(response)
        row.refresh_from_db()
        assert (row.live, row.decision, row.candidates.count()) == (None, "crop", 1)

    def test_a_candidate_of_another_image_is_none(self, client, here, image):
        row = recomposition(image, purchase="idle")
        other = candidate(recomposition(plain_image(), purchase="idle"))
        response = self.choose(client, here, row, other.pk)
        assert "not there any more" in text(response)
        row.refresh_from_db()
        assert row.decision == "none"

    @pytest.mark.parametrize("choice", ["", "x", "0", "²"])
    def test_nonsense_decides_nothing(self, client, here, image, choice):
        row = candidate(recomposition(image, purchase="idle")).recomposition
        assert "not there any more" in text(self.choose(client, here, row, choice))
        row.refresh_from_db()
        assert row.decision == "none"

    def test_a_row_of_another_image_is_none(self, client, here, image):
        other = live(plain_image())
        client.force_login(here)
        fields = {"row": other.recomposition_id, "choice": "crop"}
        client.post(url(image, "choose"), fields)
        other.recomposition.refresh_from_db()
        assert other.recomposition.decision == "none"

    def test_in_review_mode_choosing_needs_the_right_to_approve(
        self, client, here, image, settings
    ):
        settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, "REVIEW": True}
        row = recomposition(image, purchase="idle")
        first = candidate(row)
        assert "Whoever may approve" in text(shown(client, here, image))
        self.choose(client, here, row, first.pk)
        row.refresh_from_db()
        assert row.decision == "none"
        approver = person("approver", APPROVE)
        self.choose(client, approver, row, first.pk)
        row.refresh_from_db()
        assert (row.decision, row.decided_by) == ("candidate", approver)

    def test_in_review_mode_whoever_may_ask_may_decline(self, client, here, image, settings):
        settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, "REVIEW": True}
        row = recomposition(image, purchase="idle")
        candidate(row)
        self.choose(client, here, row, "crop")
        row.refresh_from_db()
        assert row.decision == "crop"


class TestAfterAFailure:
    def press(self, client, user, row, action, key=None):
        client.force_login(user)
        fields = {"row": row.pk, "action": action, "key": key or str(uuid.uuid4())}
        return client.post(url(row.image, "failed"), fields, follow=True)

    def test_retry_pressed_twice_buys_once(self, client, here, image):
        row, key = failed(image), str(uuid.uuid4())
        for _press in range(2):
            response = self.press(client, here, row, "retry", key)
        assert "nothing was bought twice" in text(response)
        assert GatewayRequest.objects.exclude(pk=row.request_id).count() == 1

    def test_leaving_it_buys_nothing(self, client, here, image):
        row = failed(image, "unknown")
        self.press(client, here, row, "dismiss")
        row.refresh_from_db()
        assert (row.purchase, GatewayRequest.objects.count()) == ("idle", 1)

    def test_looking_again_asks_by_the_id(self, client, here, image):
        row = failed(image, "unknown")
        row.request.update_if(where={}, request_id="r-1")
        self.press(client, here, row, "recheck")
        row.refresh_from_db()
        assert (row.purchase, row.request.status) == ("requested", "sent")

    def test_without_an_id_it_says_so(self, client, here, image):
        response = self.press(client, here, failed(image, "unknown"), "recheck")
        assert "never told an id" in text(response)

    def test_of_a_replaced_file_nothing_is_bought_again(self, client, here, image):
        row = failed(image)
        row.update_if(where={}, source_hash="old")
        response = self.press(client, here, row, "retry")
        assert "was replaced" in text(response)
        assert GatewayRequest.objects.count() == 1


class TestKeepingIn:
    def test_an_image_is_kept_in_with_a_reason_and_let_out_again(self, client, here, image):
        client.force_login(here)
        client.post(url(image, "opt_out"), {"reason": "She asked us."})
        assert OptOut.objects.get().reason == "She asked us."
        client.post(url(image, "opt_out"), {"allow": "1"})
        assert not OptOut.objects.exists()


class TestProgress:
    def poll(self, client, user, image, have="", **query):
        client.force_login(user)
        return client.get(
            url(image, "progress"),
            {"have": have, **query},
            headers={"X-Requested-With": "XMLHttpRequest"},
        )

    def cards(self, response):
        return {card["key"]: card for card in json.loads(response.content)["cards"]}

    def test_only_what_has_changed_is_sent(self, client, here, image):
        row = recomposition(image, purchase="idle")
        first = self.cards(self.poll(client, here, image))
        assert "any-1000" in first
        have = ",".join(f"{key}:{card['etag']}" for key, card in first.items())
        assert self.cards(self.poll(client, here, image, have)) == {}
        candidate(row)
        again = self.cards(self.poll(client, here, image, have))
        assert list(again) == ["any-1000"]
        assert "Picture 1" in again["any-1000"]["html"]

    def test_it_counts_what_is_under_way(self, client, here, image):
        recomposition(image)
        answer = json.loads(self.poll(client, here, image).content)
        assert (answer["active"], answer["summary"]) == (1, "1 shape is under way.")

    def test_it_tells_that_the_file_was_replaced(self, client, here, image):
        response = self.poll(client, here, image, source="the hash of the old file")
        assert json.loads(response.content) == {"active": 0, "replaced": True, "cards": []}

    def test_rights_are_asked_for_each_time(self, client, here, image):
        assert self.poll(client, here, image).status_code == 200
        here.groups.clear()
        assert self.poll(client, here, image).status_code == 403

    def test_logged_out_it_is_forbidden_instead_of_sent_to_the_login(self, client, image):
        headers = {"X-Requested-With": "XMLHttpRequest"}
        assert client.get(url(image, "progress"), headers=headers).status_code == 403

    def test_of_a_deleted_image_there_is_none(self, client, here, image):
        target = url(image, "progress")
        image.delete()
        client.force_login(here)
        assert client.get(target).status_code == 404

    @pytest.mark.parametrize(
        ("elapsed", "value"), [(0, 0), (30, 45), (60, 90), (120, 94), (6000, 96)]
    )
    def test_the_bar_never_says_done_before_it_is(self, elapsed, value):
        assert progress_estimate.reached(elapsed, 60) == value

    def test_the_bar_goes_by_what_was_usual(self, image):
        now = timezone.now()
        assert progress_estimate.usual() == progress_estimate.COMMON_DURATION
        for seconds in (10, 20, 90):
            GatewayRequest.objects.create(
                image=image,
                resolution="2K",
                status="done",
                sent_at=now - dt.timedelta(seconds=seconds),
                finished_at=now,
            )
        assert progress_estimate.usual() == dt.timedelta(seconds=20)


class TestCandidates:
    def test_a_picture_has_its_slots_shape_and_may_be_kept_privately(self, client, here, image):
        row = recomposition(image, "400x300", purchase="idle")
        shown = candidate(row, size=(1000, 760))
        client.force_login(here)
        response = client.get(url(image, "candidate", shown.pk), {"side": "800"})
        with PillowImage.open(io.BytesIO(response.content)) as opened:
            assert opened.size == (800, 600)
        assert response.headers["Content-Type"] == "image/webp"
        cached = response.headers["Cache-Control"]
        assert "private" in cached
        assert "no-store" not in cached

    def test_sizes_of_ones_own_are_not_made(self, client, here, image):
        shown = candidate(recomposition(image, "400x400", purchase="idle"), size=(3000, 3000))
        client.force_login(here)
        response = client.get(url(image, "candidate", shown.pk), {"side": "5000"})
        with PillowImage.open(io.BytesIO(response.content)) as opened:
            assert opened.size == (1600, 1600)

    def test_one_of_another_image_is_not_found(self, client, here, image):
        other = candidate(recomposition(plain_image(), purchase="idle"))
        client.force_login(here)
        assert client.get(url(image, "candidate", other.pk)).status_code == 404

    def test_one_that_is_lost_is_not_found(self, client, here, image):
        lost = candidate(recomposition(image, purchase="idle"))
        lost.file.storage.delete(lost.file.name)
        client.force_login(here)
        assert client.get(url(image, "candidate", lost.pk)).status_code == 404


class TestRights:
    """Four people, each by the screen and by forged posts."""

    @pytest.mark.parametrize("name", ["ada", "here"])
    def test_who_may_sees_the_screen(self, client, image, name, request):
        response = shown(client, request.getfixturevalue(name), image)
        assert "Generate a picture" in text(response)

    @pytest.mark.parametrize("name", ["elsewhere", "nobody"])
    def test_who_may_not_is_turned_away(self, client, image, name, request):
        shown = candidate(recomposition(image, purchase="idle"))
        client.force_login(request.getfixturevalue(name))
        for target in [url(image), url(image, "progress"), url(image, "candidate", shown.pk)]:
            response = client.get(target)
            assert (response.status_code, response.url) == (302, reverse("wagtailadmin_home"))

    @pytest.mark.parametrize("name", ["elsewhere", "nobody"])
    @pytest.mark.parametrize("action", ACTIONS)
    def test_forged_posts_change_nothing(self, client, image, name, action, request):
        row = failed(image)
        first = candidate(row)
        client.force_login(request.getfixturevalue(name))
        forged = asking(
            image,
            row=row.pk,
            choice=first.pk,
            action="retry",
            reason="Mine.",
            override_rules="True",
        )
        before = list(Recomposition.objects.values())
        response = client.post(url(image, action), forged)
        assert response.url == reverse("wagtailadmin_home")
        assert list(Recomposition.objects.values()) == before
        assert GatewayRequest.objects.count() == 1
        assert not OptOut.objects.exists()

    @pytest.mark.parametrize("action", ["ask", "failed", "opt_out"])
    def test_who_may_only_approve_can_not_spend_or_keep_in(self, client, image, action):
        row = failed(image)
        client.force_login(person("approver", APPROVE))
        client.post(url(image, action), asking(image, row=row.pk, action="retry"))
        assert GatewayRequest.objects.count() == 1
        assert not OptOut.objects.exists()

    def test_without_a_login_one_is_sent_to_it(self, client, image):
        assert client.get(url(image)).url.startswith(reverse("wagtailadmin_login"))

    def test_gets_do_nothing_where_posts_act(self, client, ada, image):
        client.force_login(ada)
        for action in ACTIONS:
            assert client.get(url(image, action)).url == url(image)
        assert get_image_model().objects.filter(pk=image.pk).exists()
