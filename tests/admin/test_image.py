"""An image's screen: what it shows and offers, to whom."""

import datetime as dt
import io
import json
import re
import uuid

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.core.files.base import ContentFile
from django.urls import reverse
from django.utils import timezone
from django.utils.html import strip_tags
from PIL import Image as PillowImage
from support.factories import (
    candidate,
    live,
    photo,
    plain_image,
    published_page,
    recomposition,
)
from testapp.models import PicturePage
from wagtail.images import get_image_model
from wagtail.models import Collection, GroupCollectionPermission

from wagtail_smart_resize import actions
from wagtail_smart_resize.actions import ResizeTarget
from wagtail_smart_resize.admin.image import crop_frame, progress_estimate
from wagtail_smart_resize.admin.image.screen import Screen
from wagtail_smart_resize.core import formatting
from wagtail_smart_resize.core.sizes import Size, Slot
from wagtail_smart_resize.models import (
    BudgetPeriod,
    Candidate,
    GatewayRequest,
    ImageVersion,
    OptOut,
    Recomposition,
)
from wagtail_smart_resize.publishing import publication
from wagtail_smart_resize.settings import settings

pytestmark = pytest.mark.django_db

ACTIONS = [
    "make",
    "choose",
    "undo",
    "failed",
    "call_off",
    "try_now",
    "crop_everywhere",
    "opt_out",
    "focal_area",
]
FETCHED = {"X-Requested-With": "XMLHttpRequest"}


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


def images_like(image, count):
    """Create images of the same file in a few statements."""
    model = type(image)
    values = {field.name: getattr(image, field.name) for field in model._meta.concrete_fields}
    values = {name: value for name, value in values.items() if name != model._meta.pk.name}
    return model._default_manager.bulk_create([model(**values) for _number in range(count)])


def twelve_places(image):
    """Give the image twelve places, each with a version that awaits a decision."""
    slots = [f"{width}x300" for width in range(350, 950, 50)]
    rows = Recomposition.objects.bulk_create(
        Recomposition(
            image=image,
            collection_id=image.collection_id,
            source_hash=image.file_hash,
            shape=Slot.parse(slot).shape,
            slots=[slot],
            purchase="idle",
            awaiting_review_since=timezone.now(),
        )
        for slot in slots
    )
    Candidate.objects.bulk_create(
        Candidate(recomposition=row, file=f"{row.pk}.jpg", stored=True, width=600, height=300)
        for row in rows
    )


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


def room(client, user, image, key="any-1000", query=""):
    client.force_login(user)
    response = client.get(url(image, "room", key) + query, headers=FETCHED)
    assert response.status_code == 200
    return response


def film(response):
    """The texts below the pictures of a room, where its versions are listed."""
    (part,) = re.findall(
        r'<ul class="smart-resize-film".*?</ul>', response.content.decode(), re.DOTALL
    )
    return " ".join(strip_tags(part).split())


def told(response):
    """What a script is told."""
    return json.loads(response.content)["text"]


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


def chosen(image, user):
    """Return a row of which a version is chosen, and not published yet."""
    row = recomposition(image, purchase="idle")
    row.choose(candidate(row), user)
    return row


class TestSheet:
    def test_what_templates_wanted_and_the_presets_are_shown(self, client, ada, image):
        recomposition(image, "400x400")
        page = text(shown(client, ada, image))
        assert "400×400" in page
        assert "Hero 1920×600" in page
        assert "Portrait 400×500" in page

    def test_a_preset_and_a_size_of_its_shape_are_one(self, ada, image):
        recomposition(image, "960x300")
        titles = [place.title for place in Screen(image, ada).places]
        assert len(titles) == 2
        assert titles[0] == 'Hero <bdi dir="ltr">960×300</bdi>'

    @pytest.mark.parametrize(
        ("size", "expected"),
        [("1080×1350", "1080×1350"), ("16:9", "1600×900"), ("2.35:1", "1600×681")],
    )
    def test_a_typed_size_or_ratio_is_added_and_nothing_is_written(
        self, client, ada, image, size, expected
    ):
        response = shown(client, ada, image, f"?size={size}")
        assert expected in text(response)
        assert "/places/any-" in response.context["opened_url"]
        assert not Recomposition.objects.exists()

    @pytest.mark.parametrize("size", ["huge", "16:0", "0:9", "16:9:4", "1x"])
    def test_a_typed_size_that_is_none_is_explained(self, client, ada, image, size):
        response = shown(client, ada, image, f"?size={size}")
        assert "such as 1080x1350" in text(response)

    def test_a_typed_size_of_a_shape_that_is_there_shows_that(self, ada, image):
        row = recomposition(image, "400x400")
        screen = Screen(image, ada, ResizeTarget.parse("500x500"))
        assert screen.typed_place.row == row

    def test_what_was_bought_for_a_replaced_file_is_not_shown(self, ada, image):
        recomposition(image, "400x400").update_if(where={}, source_hash="old")
        assert [place.row for place in Screen(image, ada).places] == [None, None]

    def test_looking_changes_nothing(self, client, ada, image):
        candidate(recomposition(image, purchase="idle"))
        before = list(Recomposition.objects.values())
        shown(client, ada, image)
        room(client, ada, image)
        client.get(url(image, "progress"))
        assert list(Recomposition.objects.values()) == before
        assert not GatewayRequest.objects.exists()

    @pytest.mark.parametrize("part", ["image", "progress"])
    def test_neither_more_places_nor_more_images_mean_more_queries(
        self, client, ada, image, part, django_assert_max_num_queries
    ):
        candidate(recomposition(image, "400x400", purchase="idle"))
        shown(client, ada, image)
        with django_assert_max_num_queries(100) as few:
            client.get(url(image, part))
        twelve_places(image)
        with django_assert_max_num_queries(100) as many:
            client.get(url(image, part))
        assert len(many) == len(few)
        for other in images_like(image, 199):
            twelve_places(other)
        assert Recomposition.objects.count() == 200 * 12 + 1
        with django_assert_max_num_queries(100) as most:
            client.get(url(image, part))
        assert len(most) == len(few)

    def test_an_image_without_its_file_is_told(self, client, ada, image):
        image.file.storage.delete(image.file.name)
        assert "missing or damaged" in text(shown(client, ada, image))

    def test_a_close_up_is_not_blamed_on_the_shape(self, client, ada, image):
        image.focal_point_x, image.focal_point_y = 300, 200
        image.focal_point_width = image.focal_point_height = 60
        image.save()
        recomposition(image, "450x300-c100", waiting_reason="enough_kept")
        page = text(shown(client, ada, image))
        assert "Close-up, as asked" in page


class TestGroups:
    def group_of(self, ada, image, row):
        return Screen(image, ada).find(str(row.pk)).group

    def test_a_version_without_a_decision_is_to_decide(self, ada, image):
        row = recomposition(image, purchase="idle")
        candidate(row)
        assert self.group_of(ada, image, row) == "to_decide"

    def test_so_is_what_failed(self, ada, image):
        assert self.group_of(ada, image, failed(image)) == "to_decide"

    def test_what_is_chosen_stays_in_its_group_unless_publishing_keeps_failing(self, ada, image):
        row = chosen(image, ada)
        assert self.group_of(ada, image, row) == "fine"
        ImageVersion.objects.update(publish_attempts=1)
        assert self.group_of(ada, image, row) == "under_way"

    @pytest.mark.parametrize("fields", [{}, {"waiting_reason": "budget"}])
    def test_what_is_bought_or_waits_is_under_way(self, ada, image, fields):
        assert self.group_of(ada, image, recomposition(image, **fields)) == "under_way"

    def test_a_crop_that_cuts_away_much_is_told_apart_from_one_that_is_fine(self, ada, image):
        square = recomposition(image, "400x400", purchase="idle")
        same = recomposition(image, "640x427", purchase="idle")
        assert self.group_of(ada, image, square) == "loses_much"
        assert self.group_of(ada, image, same) == "fine"

    def test_what_somebody_has_decided_is_fine(self, ada, image):
        assert self.group_of(ada, image, live(image).recomposition) == "fine"
        declined = recomposition(image, "400x200", purchase="idle")
        declined.choose(None, ada)
        assert self.group_of(ada, image, declined) == "fine"

    def test_avatars_and_strips_are_small(self, ada, image):
        assert self.group_of(ada, image, recomposition(image, "60x60", purchase="idle")) == "small"
        strip = recomposition(image, "800x80", purchase="idle")
        assert self.group_of(ada, image, strip) == "small"

    def test_the_groups_come_in_order_and_empty_ones_are_left_out(self, ada, image):
        candidate(recomposition(image, purchase="idle"))
        assert [group for group, _places in Screen(image, ada).groups] == [
            "to_decide",
            "loses_much",
        ]

    def test_versions_are_offered_for_all_that_loses_much(self, client, ada, image, configure):
        configure(PRICE_PER_OUTPUT=("0.12", "USD"))
        recomposition(image, "400x200", purchase="idle")
        page = shown(client, ada, image)
        assert "Make AI versions for these 3 places · 0.36 USD" in text(page)


class TestNames:
    def test_a_preset_names_the_place(self, ada, image):
        row = recomposition(image, "960x300", shown_on=[[1, "testapp.picturepage"]])
        assert Screen(image, ada).find(str(row.pk)).name == "Hero"

    def test_else_the_types_of_the_pages_that_asked_do(self, ada, image):
        shown_on = [[1, "testapp.picturepage"], [2, "testapp.storypage"], [3, "gone.page"]]
        row = recomposition(image, "400x400", shown_on=shown_on)
        assert Screen(image, ada).find(str(row.pk)).name == "Picture page, Story page"

    def test_else_its_size_does(self, ada, image):
        row = recomposition(image, "400x400")
        place = Screen(image, ada).find(str(row.pk))
        assert place.name == place.size
        assert place.where == ""

    def test_the_pages_are_those_that_asked_and_others_of_their_types(self, ada, image):
        page = published_page(image)
        other = page.get_parent().add_child(instance=PicturePage(title="Another", photo=image))
        draft = PicturePage(title="Draft", photo=image, live=False)
        page.get_parent().add_child(instance=draft)
        row = recomposition(image, "1200x630", shown_on=[[page.pk, "testapp.picturepage"]])
        place = Screen(image, ada).find(str(row.pk))
        assert {each.pk for each in place.pages} == {page.pk, other.pk}
        assert place.where == "2 pages"

    def test_a_single_page_is_named_to_those_who_may_see_it(self, ada, here, image):
        page = published_page(image)
        row = recomposition(image, "1200x630", shown_on=[[page.pk, "testapp.picturepage"]])
        assert Screen(image, ada).find(str(row.pk)).where == "Pictures"
        assert Screen(image, here).find(str(row.pk)).where == "1 page"


class TestRoom:
    def test_it_shows_the_crop_and_all_versions_and_what_they_were_asked_for_with(
        self, client, ada, image
    ):
        row = recomposition(image, purchase="idle")
        for prompt in ("Keep her hat.", ""):
            request = GatewayRequest.objects.create(
                image=image,
                source_hash=image.file_hash,
                resolution="2K",
                prompt=prompt,
                asked_by=ada,
                outputs_asked=1,
                price="0.5",
                currency="EUR",
                charged="yes",
            )
            candidate(row, request=request)
        page = text(room(client, ada, image))
        assert "AI version 1" in page
        assert "AI version 2" in page
        assert "Keep her hat." in page
        assert "Without words" in page
        assert "0.50 EUR" in page
        assert "Use this version" in page
        assert "Keep the crop" in page

    def test_it_opens_with_the_newest_version_that_is_to_be_decided(self, client, ada, image):
        row = recomposition(image, purchase="idle")
        candidate(row)
        candidate(row, "gold")
        assert b'room-open-value="2"' in room(client, ada, image).content

    def test_by_itself_its_address_leads_to_the_screen_that_opens_it(self, client, ada, image):
        recomposition(image)
        client.force_login(ada)
        response = client.get(url(image, "room", "any-1000"))
        assert response.url == url(image) + "?place=any-1000"
        assert client.get(response.url).context["opened_url"] == url(image, "room", "any-1000")

    def test_a_place_that_is_not_there_is_not_found(self, client, ada, image):
        client.force_login(ada)
        response = client.get(url(image, "room", "any-9999"), headers=FETCHED)
        assert response.status_code == 404

    def test_it_goes_on_to_the_next_place_to_decide(self, client, ada, image):
        for slot in ("400x400", "400x200"):
            candidate(recomposition(image, slot, purchase="idle"))
        assert "Next place: 400×200" in text(room(client, ada, image))
        assert "Next place: 400×400" in text(room(client, ada, image, "any-2000"))

    def test_what_a_template_wants_can_be_declined_before_it_is_bought(self, client, ada, image):
        recomposition(image)
        assert "Keep the crop" in text(room(client, ada, image))

    def test_whoever_may_not_approve_is_told_who_may(self, client, here, image, configure):
        configure(REVIEW=True)
        candidate(recomposition(image, purchase="idle"))
        assert "Whoever may approve" in text(room(client, here, image))

    def test_the_original_is_found_in_a_version_once(self, client, ada, image):
        row = recomposition(image, "800x400", purchase="idle")
        with image.file.open() as file:
            original = PillowImage.open(file).convert("RGB")
        wide = PillowImage.new("RGB", (original.width * 2, original.height), "gray")
        wide.paste(original, (original.width // 2, 0))
        version = candidate(row, size=wide.size)
        content = io.BytesIO()
        wide.save(content, "PNG")
        version.file.storage.delete(version.file.name)
        version.file.storage.save(version.file.name, ContentFile(content.getvalue()))
        client.force_login(ada)
        left, top, width, height = client.get(url(image, "match", version.pk)).json()["box"]
        # The version is cut to the shape of its place: 800x400 of 1280x427.
        assert left + width / 2 == pytest.approx(0.5, abs=0.02)
        assert width == pytest.approx(640 / 854, abs=0.02)
        assert (top, height) == (pytest.approx(0, abs=0.02), pytest.approx(1, abs=0.04))
        version.file.storage.delete(version.file.name)
        assert client.get(url(image, "match", version.pk)).json()["box"] is not None

    def test_an_unrelated_version_is_not_matched(self, client, ada, image):
        version = candidate(recomposition(image, purchase="idle"))
        client.force_login(ada)
        assert client.get(url(image, "match", version.pk)).json() == {"box": None}


class TestFocalArea:
    def save(self, client, user, image, **fields):
        client.force_login(user)
        return client.post(url(image, "focal_area"), fields, headers=FETCHED)

    def area(self, image):
        image.refresh_from_db()
        focal = image.get_focal_point()
        return focal and (focal.left, focal.top, focal.width, focal.height)

    def test_it_is_saved_as_wagtails_own(self, client, here, image):
        response = self.save(client, here, image, left=100, top=50, width=80, height=60)
        assert response.status_code == 200
        assert self.area(image) == (100, 50, 80, 60)

    def test_what_undoes_it_is_told(self, client, here, image):
        self.save(client, here, image, left=100, top=50, width=80, height=60)
        answer = self.save(client, here, image, left=0, top=0, width=10, height=10).json()
        self.save(client, here, image, **answer["undo"]["fields"])
        assert self.area(image) == (100, 50, 80, 60)

    def test_undone_there_is_none_where_there_was_none(self, client, here, image):
        answer = self.save(client, here, image, left=0, top=0, width=10, height=10).json()
        self.save(client, here, image, **answer["undo"]["fields"])
        assert self.area(image) is None

    @pytest.mark.parametrize(
        "fields",
        [
            {"left": 600, "top": 0, "width": 80, "height": 60},
            {"left": 1, "top": 1, "width": 0, "height": 10},
            {"left": 1, "top": 1, "width": 10},
            {"left": "x", "top": 1, "width": 10, "height": 10},
            {"left": -1, "top": 1, "width": 10, "height": 10},
        ],
    )
    def test_an_area_that_can_not_be_changes_nothing(self, client, here, image, fields):
        assert self.save(client, here, image, **fields).status_code == 409
        assert self.area(image) is None

    def test_it_takes_the_right_to_change_the_image(self, client, image):
        asker = person("asker", OURS)
        for group in asker.groups.all():
            GroupCollectionPermission.objects.filter(
                group=group, permission__codename="change_image"
            ).delete()
        self.save(client, asker, image, left=0, top=0, width=10, height=10)
        assert self.area(image) is None


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
        recomposition(image, "450x300", purchase="idle")
        page = text(shown(client, ada, image))
        assert "Crop cuts away 0 %" in page
        assert "Crop cuts away 53 %" in page
        form = text(make_form(client, ada, image, "450x300"))
        assert "no AI version is needed" in form

    def test_where_nothing_can_be_asked_it_says_why(self, client, ada, image):
        OptOut.objects.create(image=image, user=ada, reason="Her face must stay hers.")
        response = shown(client, ada, image)
        assert "Her face must stay hers." in text(response)
        assert "Make AI versions" not in text(response)
        response = client.get(url(image, "make"), {"what": "400x400"}, headers=FETCHED)
        assert (response.status_code, told(response)) == (
            409,
            "The image is opted out: it is never sent to the service.",
        )

    def test_price_and_budget_are_told_before(self, client, ada, image, configure):
        configure(PRICE_PER_OUTPUT=("0.12", "USD"), DAILY_LIMIT=3, CANDIDATES=2)
        page = text(make_form(client, ada, image, "400x400"))
        assert "Make 2 AI versions · 0.24 USD" in page
        assert "0.36 USD left in the budget." in page

    def test_of_several_places_the_price_is_that_of_all(self, client, ada, image, configure):
        configure(PRICE_PER_OUTPUT=("0.12", "USD"))
        page = text(make_form(client, ada, image, "400x400", "400x200"))
        assert "Make 2 AI versions · 0.24 USD" in page

    @pytest.mark.parametrize(
        ("seconds", "words_"), [(1, "1 second"), (64, "64 seconds"), (125, "2 min 5 s")]
    )
    def test_durations_are_short(self, seconds, words_):
        assert formatting.duration_text(dt.timedelta(seconds=seconds)) == words_

    def test_a_failure_says_what_to_do(self, client, ada, image):
        failed(image, failure_detail="Odd <b>picture</b>.")
        response = shown(client, ada, image)
        assert "The service could not make the AI version." in text(response)
        assert b"Odd &lt;b&gt;picture" in response.content
        assert "Try again" in text(response)
        assert "Look again" not in text(response)

    def test_an_unknown_outcome_offers_three_ways(self, client, ada, image):
        row = failed(image, "unknown")
        row.request.update_if(where={}, request_id="r-1")
        page = text(shown(client, ada, image))
        assert "nobody knows whether it was made and charged" in page
        assert all(words in page for words in ["Look again", "Buy it again", "Leave it"])

    def test_what_waits_has_ways_out(self, client, ada, image):
        recomposition(image, waiting_reason="budget")
        page = text(shown(client, ada, image))
        assert "Waits: Budget used up" in page
        assert all(words in page for words in ["Try now", "Cancel", "Ask differently"])

    def test_what_is_chosen_is_published_soon(self, client, ada, image):
        chosen(image, ada)
        assert "AI version 1 in a few seconds" in text(shown(client, ada, image))

    @pytest.mark.parametrize("choice", ["AI version 1", "Crop"])
    def test_what_can_not_be_published_is_told_with_what_was_chosen(
        self, client, ada, image, choice
    ):
        if choice == "Crop":
            live(image).recomposition.choose(None, ada)
        else:
            chosen(image, ada)
        before = client_etag(client, ada, image)
        ImageVersion.objects.update(publish_attempts=3)
        assert client_etag(client, ada, image) != before
        response = shown(client, ada, image)
        page = text(response)
        assert f"Being published {choice}" in page
        assert "The site could not publish it so far, and visitors see what they saw" in page
        assert "in a few seconds" not in page
        assert b"<progress" not in response.content


def client_etag(client, user, image):
    """Return the digest of what the sheet shows."""
    client.force_login(user)
    return client.get(url(image, "progress")).json()["etag"]


def make_form(client, user, image, *whats, **query):
    client.force_login(user)
    response = client.get(url(image, "make"), {"what": whats, **query}, headers=FETCHED)
    assert response.status_code == 200
    return response


class TestMaking:
    def ask(self, client, user, image, **fields):
        client.force_login(user)
        return client.post(url(image, "make"), asking(image, **fields), headers=FETCHED)

    def test_a_typed_size_is_asked_for_as_it_is_worded(self, client, here, image):
        response = self.ask(client, here, image, what="1080x1080", seed="7")
        assert told(response) == "2 AI versions are being made."
        request = GatewayRequest.objects.get()
        assert (request.prompt, request.images_per_size, request.seed) == ("Keep the rocket.", 2, 7)
        assert (request.asked_by, request.use_at_once) == (here, False)
        assert Recomposition.objects.get().slots == ["1080x1080"]

    def test_several_places_are_asked_for_together(self, client, here, image):
        response = self.ask(client, here, image, what=["400x400", "400x200"], candidates="1")
        assert told(response) == "2 AI versions are being made."
        assert len(GatewayRequest.objects.get().sizes) == 2

    def test_a_preset_is_asked_for_with_its_recipe(self, client, here, image):
        self.ask(client, here, image, what="400x500 portrait")
        assert GatewayRequest.objects.get().recipe == "portrait"

    def test_places_with_recipes_of_their_own_keep_their_prompts(self, client, here, image):
        whats = ["400x400", "400x500 portrait"]
        form = make_form(client, here, image, *whats).content.decode()
        assert 'name="has_several_recipes" value="True"' in form
        self.ask(client, here, image, what=whats, prompt="", has_several_recipes="True")
        prompts = set(GatewayRequest.objects.values_list("prompt", flat=True))
        assert prompts == {settings.recipe("").prompt, settings.recipe("portrait").prompt}

    def test_a_row_is_asked_for_by_its_key(self, client, here, image):
        row = live(image).recomposition
        self.ask(client, here, image, what=str(row.pk))
        row.refresh_from_db()
        assert (row.purchase, row.live_id is not None) == ("requested", True)

    def test_refining_begins_with_a_versions_own_words(self, client, here, image):
        row = recomposition(image, purchase="idle")
        request = GatewayRequest.objects.create(
            image=image, source_hash=image.file_hash, resolution="4K", prompt="More sky."
        )
        version = candidate(row, request=request)
        page = make_form(client, here, image, str(row.pk), **{"from": version.pk})
        form = page.content.decode()
        assert "More sky." in form
        assert '<option value="4K" selected>' in form

    def test_used_at_once_if_the_box_is_ticked(self, client, here, image):
        self.ask(client, here, image, use_at_once="on")
        assert GatewayRequest.objects.get().use_at_once

    def test_that_takes_the_right_to_choose(self, client, here, image, configure):
        configure(REVIEW=True)
        assert "Use it at once" not in text(make_form(client, here, image, "400x400"))
        self.ask(client, here, image, use_at_once="on")
        assert not GatewayRequest.objects.exists()

    def test_pressed_twice_it_is_bought_once(self, client, here, image):
        key = str(uuid.uuid4())
        self.ask(client, here, image, key=key)
        response = self.ask(client, here, image, key=key)
        assert "nothing was bought twice" in told(response)
        assert GatewayRequest.objects.count() == 1
        assert set(BudgetPeriod.objects.values_list("outputs", flat=True)) == {2}

    def test_what_was_sent_is_not_asked_for_twice(self, client, ada, here, image):
        self.ask(client, here, image)
        GatewayRequest.objects.update(status="sent")
        response = self.ask(client, ada, image)
        assert response.status_code == 422
        assert "already been asked for" in text(response)
        assert GatewayRequest.objects.count() == 1

    def test_what_was_not_sent_yet_is_replaced(self, client, here, image):
        self.ask(client, here, image)
        self.ask(client, here, image, prompt="Otherwise.")
        assert Recomposition.objects.get().request.prompt == "Otherwise."
        assert set(BudgetPeriod.objects.values_list("outputs", flat=True)) == {2}

    def test_what_is_refused_keeps_what_was_typed(self, client, here, image, configure):
        configure(DAILY_LIMIT=1)
        response = self.ask(client, here, image, prompt="Keep her hat.", seed="99")
        assert response.status_code == 422
        assert "the budget allows 1 more now" in text(response)
        assert "Keep her hat." in text(response)
        assert 'value="99"' in response.content.decode()
        assert not GatewayRequest.objects.exists()

    @pytest.mark.parametrize(
        "wrong", [{"candidates": "5"}, {"seed": "-1"}, {"resolution": "8K"}, {"key": "x"}]
    )
    def test_what_no_form_would_send_buys_nothing(self, client, here, image, wrong):
        assert self.ask(client, here, image, **wrong).status_code == 422
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
        assert "was replaced while you were here" in told(response)
        assert not GatewayRequest.objects.exists()

    def test_of_an_image_deleted_meanwhile_nothing_is_bought(self, client, here, image):
        fields = asking(image)
        target = url(image, "make")
        image.delete()
        client.force_login(here)
        response = client.post(target, fields, follow=True)
        assert "has been deleted: nothing was done" in text(response)
        assert not GatewayRequest.objects.exists()

    def test_the_wishes_are_the_sites(self, client, here, image, configure):
        assert "Keep everyone whole" in text(make_form(client, here, image, "400x400"))
        configure(WISHES=["Snow on the roofs"])
        page = text(make_form(client, here, image, "400x400"))
        assert "Snow on the roofs" in page
        assert "Keep everyone whole" not in page

    def test_forms_of_a_preset_that_is_gone_buy_nothing(self, client, ada, image):
        row = recomposition(image, "400x400", recipe="gone", purchase="idle")
        response = self.ask(client, ada, image, what=str(row.pk))
        assert response.status_code == 422
        assert not GatewayRequest.objects.exists()

    def test_a_preset_that_is_gone_is_told(self, client, ada, image):
        recomposition(image, "400x400", recipe="gone", purchase="idle")
        assert "no longer have the preset" in text(room(client, ada, image, "gone-1000"))

    def test_beside_versions_it_is_told_why_no_other_may_be_asked_for(self, client, ada, image):
        candidate(recomposition(image, "400x400", purchase="idle"))
        assert "Make another" in film(room(client, ada, image))
        actions.opt_out(image, user=ada)
        shown = film(room(client, ada, image))
        assert "Make another" not in shown
        assert "it is never sent to the service" in shown

    def test_what_visitors_see_can_be_kept_while_another_decision_can_be_undone(
        self, client, ada, image
    ):
        row = live(image).recomposition
        publication.publish(image.pk)
        another = candidate(row)
        actions.choose(another, user=ada, undoable=True)
        html = room(client, ada, image).content.decode()
        facts = {
            value: (seen, chosen)
            for value, seen, chosen in re.findall(
                r'data-value="(\w+)".*?data-seen="(1?)"\s+data-chosen="(1?)"', html, re.DOTALL
            )
        }
        assert facts == {
            "crop": ("", ""),
            str(row.candidates.first().pk): ("1", ""),
            str(another.pk): ("", "1"),
        }


class TestChoosing:
    def choose(self, client, user, row, choice):
        client.force_login(user)
        fields = {"row": row.pk, "choice": choice}
        return client.post(url(row.image, "choose"), fields, follow=True)

    def test_it_goes_live_once_it_can_not_be_undone(self, client, here, image):
        row = recomposition(image, purchase="idle")
        first = candidate(row)
        response = self.choose(client, here, row, first.pk)
        assert "AI version 1 in a few seconds" in text(response)
        publication.publish(image.pk)
        assert "AI version 1 in a few seconds" in text(shown(client, here, image))
        row.update_if(where={}, takes_effect_at=timezone.now())
        publication.publish(image.pk)
        assert "in a few seconds" not in text(shown(client, here, image))
        row.refresh_from_db()
        assert (row.live, row.decided_by) == (first, here)

    def test_it_can_be_undone(self, client, here, image):
        row = recomposition(image, purchase="idle")
        first = candidate(row)
        client.force_login(here)
        fields = {"row": row.pk, "choice": first.pk}
        undo = client.post(url(image, "choose"), fields, headers=FETCHED).json()["undo"]
        row.refresh_from_db()
        decisions = [f"{row.pk} {row.decided_at.isoformat()}"]
        assert undo == {
            "url": url(image, "undo"),
            "fields": {"decisions": decisions},
            "rows": [row.pk],
            "seconds": 10,
        }
        response = client.post(undo["url"], undo["fields"], headers=FETCHED)
        assert told(response) == "Undone: all is as it was."
        row.refresh_from_db()
        assert (row.live, row.decision) == (None, "none")
        again = client.post(undo["url"], undo["fields"], headers=FETCHED)
        assert (again.status_code, "too late" in told(again)) == (409, True)

    def test_the_crop_loses_no_version(self, client, here, image):
        row = live(image).recomposition
        response = self.choose(client, here, row, "crop")
        assert "The crop is chosen." in text(response)
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
        assert "gave no ID" in text(response)

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

    def test_the_sheet_is_sent_only_if_it_has_changed(self, client, here, image):
        row = recomposition(image, purchase="idle")
        first = self.poll(client, here, image).json()
        assert "400×400" in first["html"]
        assert "html" not in self.poll(client, here, image, first["etag"]).json()
        candidate(row)
        again = self.poll(client, here, image, first["etag"]).json()
        assert "1 version" in again["html"]

    @pytest.mark.parametrize(
        ("fields", "expected"),
        [
            ({}, (1, "Under way", "1 place is under way.")),
            ({"waiting_reason": "budget"}, (1, "Waiting", "1 place waits. It goes on by itself.")),
            ({"purchase": "failed"}, (0, "Failed", "1 place needs your attention.")),
            ({"purchase": "idle"}, (0, "Done", "All is up to date.")),
        ],
    )
    def test_it_goes_on_for_whatever_can_still_move_and_tells_the_truth(
        self, client, here, image, fields, expected
    ):
        recomposition(image, **fields)
        answer = self.poll(client, here, image).json()
        assert (answer["active"], answer["headline"], answer["summary"]) == expected

    def test_a_version_is_to_be_decided(self, client, here, image):
        candidate(recomposition(image, purchase="idle"))
        answer = self.poll(client, here, image).json()
        assert (answer["headline"], answer["summary"]) == (
            "To decide",
            "1 place is to be decided.",
        )

    def test_it_tells_that_the_file_was_replaced(self, client, here, image):
        response = self.poll(client, here, image, source="the hash of the old file")
        assert json.loads(response.content) == {"active": 0, "replaced": True}

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
        assert "Make AI versions" in text(response)

    @pytest.mark.parametrize("name", ["elsewhere", "nobody"])
    def test_who_may_not_is_turned_away(self, client, image, name, request):
        shown = candidate(recomposition(image, purchase="idle"))
        client.force_login(request.getfixturevalue(name))
        targets = [
            url(image),
            url(image, "progress"),
            url(image, "candidate", shown.pk),
            url(image, "match", shown.pk),
            url(image, "room", "any-1000"),
            url(image, "make") + "?what=400x400",
        ]
        for target in targets:
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

    @pytest.mark.parametrize("action", ["make", "failed", "try_now", "call_off", "opt_out"])
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
            assert client.get(url(image, action), headers=FETCHED).status_code in {302, 409}
        assert get_image_model().objects.filter(pk=image.pk).exists()
