"""The bulk action of Wagtail's image listing: what it takes is shown, then asked for, once."""

import re
import uuid

import pytest
from django.contrib.messages import get_messages
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from support.bulk_action import ALL_USES, address, confirm, confirmation, preview
from support.factories import live, photo, plain_image
from support.people import editor as new_editor
from support.people import grant
from testapp.models import Person, PicturePage
from wagtail import hooks
from wagtail.images import get_image_model
from wagtail.models import CollectionViewRestriction, Page
from wagtail.permission_policies import ModelPermissionPolicy

from wagtail_smart_resize import actions
from wagtail_smart_resize.admin.bulk import views
from wagtail_smart_resize.editorial import listings, permissions
from wagtail_smart_resize.editorial.estimates import Stays
from wagtail_smart_resize.models import BudgetPeriod, GatewayRequest, OptOut, Recomposition
from wagtail_smart_resize.rules import assess

pytestmark = pytest.mark.django_db


@pytest.fixture
def images(people):
    return [plain_image(collection=people.here) for _ in range(3)]


def asked():
    return sorted(GatewayRequest.objects.values_list("image_id", flat=True))


class TestAsking:
    def test_each_image_gets_a_request_of_one_batch(self, client, people, images):
        client.force_login(people.editor)
        key = uuid.uuid4()
        response = confirm(client, address(*images), key, presets="hero", sizes="400x400")
        assert response.url == f"{reverse('smart_resize_admin:report')}?batch={key}"
        assert asked() == sorted(image.pk for image in images)
        assert {request.batch for request in GatewayRequest.objects.all()} == {key}
        assert {len(request.sizes) for request in GatewayRequest.objects.all()} == {2}
        assert set(BudgetPeriod.objects.values_list("outputs", flat=True)) == {6}

    def test_looking_buys_nothing(self, client, people, images):
        client.force_login(people.editor)
        assert client.get(address(*images)).status_code == 200
        _page, agreed = preview(client, address(*images), sizes="400x400")
        assert agreed
        assert not GatewayRequest.objects.exists()
        assert not Recomposition.objects.exists()

    def test_pressed_twice_is_bought_once(self, client, people, images):
        client.force_login(people.editor)
        key = uuid.uuid4()
        confirm(client, address(*images), key, sizes="400x400")
        confirm(client, address(*images), key, sizes="400x400")
        assert len(asked()) == 3

    def test_what_changed_since_it_was_shown_is_not_bought(self, client, people, images):
        client.force_login(people.editor)
        url = address(*images)
        agreed = preview(client, url, sizes="400x400")[1]
        live(images[0])
        response = client.post(url, confirmation(agreed, sizes="400x400"))
        assert "what this takes has changed" in response.content.decode()
        assert asked() == []

    @pytest.mark.parametrize(
        ("sizes", "message"),
        [("", "Choose a preset, or write a size."), ("much", "much"), ("0x5", "0x5")],
    )
    def test_sizes_that_are_none_are_refused_in_words(self, client, people, images, sizes, message):
        client.force_login(people.editor)
        page = confirm(client, address(*images), sizes=sizes).content.decode()
        assert message in page
        assert asked() == []


class TestWhatItTakes:
    def test_those_that_need_none_are_left_out(self, client, people, images):
        client.force_login(people.editor)
        have_it, opted_out, needs_it = images
        live(have_it)
        OptOut.objects.create(image=opted_out)
        confirm(client, address(*images), sizes="400x400")
        assert asked() == [needs_it.pk]

    def test_taste_may_be_overruled(self, client, people, images):
        client.force_login(people.editor)
        confirm(client, address(*images), sizes="400x300")
        assert asked() == []
        confirm(client, address(*images), sizes="400x300", override_rules="on")
        assert len(asked()) == 3

    def test_beyond_the_budget_nothing_at_all_is_asked(self, client, people, images, settings):
        settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, "DAILY_LIMIT": 2}
        client.force_login(people.editor)
        page, _agreed = preview(client, address(*images), sizes="400x400")
        assert 'name="confirm"' not in page
        confirm(client, address(*images), sizes="400x400")
        assert asked() == []
        assert not BudgetPeriod.objects.filter(outputs__gt=0).exists()

    def test_the_price_is_shown_in_its_currency(self, client, people, images, settings):
        settings.WAGTAIL_SMART_RESIZE = {
            **settings.WAGTAIL_SMART_RESIZE,
            "PRICE_PER_OUTPUT": ("0.12", "USD"),
        }
        client.force_login(people.editor)
        page, _agreed = preview(client, address(*images), sizes="400x400")
        assert re.search(r"0[.,]36\s*USD|USD\s*0[.,]36", page)

    def test_queries_do_not_grow_with_the_images(self, client, people):
        client.force_login(people.editor)
        counts = []
        for number in (2, 12):
            chosen = [plain_image(collection=people.here) for _ in range(number)]
            for image in chosen:
                image.get_rendition("max-165x165")
            preview(client, address(*chosen), sizes="400x400")
            with CaptureQueriesContext(connection) as queries:
                preview(client, address(*chosen), sizes="400x400")
            counts.append(len(queries))
        assert counts[1] <= counts[0] + 2


class TestWhichOfThem:
    """By what is known of the pages that show them."""

    @pytest.fixture
    def kinds(self, people):
        """One image that a published page shows, one in a snippet, and two without either."""
        published, in_a_snippet, draft, unused = (
            plain_image(collection=people.here) for _ in range(4)
        )
        home = Page.objects.get(depth=2)
        home.add_child(instance=PicturePage(title="Published", photo=published))
        home.add_child(instance=PicturePage(title="Draft", photo=draft, live=False))
        Person.objects.create(name="Ada", portrait=in_a_snippet)
        return {"published": [published], "unknown": [in_a_snippet], "none": [draft, unused]}

    @pytest.fixture
    def url(self, kinds):
        return address(*(image for images in kinds.values() for image in images))

    def counted(self, page):
        labels = re.findall(r'name="uses"[^>]*value="(\w+)"[^>]*>\s*([^<]+?)\s*<', page)
        return dict(labels)

    def test_each_kind_is_counted(self, editor, url):
        page = editor.get(url).content.decode()
        assert self.counted(page) == {
            "published": "Shown on published pages (1)",
            "unknown": "Used in snippets or settings (1)",
            "none": "On no published page that is known (2)",
        }

    def test_those_that_no_page_shows_are_left_out_unless_chosen(self, editor, url):
        form = editor.get(url).context["form"]
        assert form["uses"].value() == ["published", "unknown"]

    @pytest.mark.parametrize(
        "uses",
        [["published"], ["unknown"], ["none"], ["published", "unknown"], ALL_USES],
        ids=" ".join,
    )
    def test_each_kind_can_be_taken_in_or_left_out(self, editor, kinds, url, uses):
        confirm(editor, url, sizes="400x400", uses=uses)
        assert asked() == sorted(image.pk for use in uses for image in kinds[use])

    def test_those_left_out_are_counted_with_their_kind(self, editor, url):
        data = {"key": uuid.uuid4(), "sizes": "400x400"}
        response = editor.post(url, {**data, "uses": ["published"]})
        assert response.context["estimate"].reasons == [(Stays.NO_PAGE, 2), (Stays.USE_UNKNOWN, 1)]
        page = response.content.decode()
        assert "No published page is known to show it" in page
        assert "Used in a snippet or a setting" in page
        response = editor.post(url, {**data, "uses": ["none"]})
        assert response.context["estimate"].reasons == [(Stays.USE_UNKNOWN, 1), (Stays.ON_PAGES, 1)]
        assert "A published page shows it" in response.content.decode()

    def test_those_that_have_a_version_are_counted_as_such(self, editor, kinds, url):
        live(kinds["none"][0])
        data = {"key": uuid.uuid4(), "sizes": "400x400", "uses": ["published", "unknown"]}
        estimate = editor.post(url, data).context["estimate"]
        assert estimate.reasons == [(Stays.MADE, 1), (Stays.NO_PAGE, 1)]

    def test_overruling_taste_takes_in_no_other_kind(self, editor, kinds, url):
        confirm(editor, url, sizes="400x400", uses=["published"], override_rules="on")
        assert asked() == [kinds["published"][0].pk]

    def test_what_no_page_shows_needs_no_overruling(self, editor, kinds, url):
        page, agreed = preview(editor, url, sizes="400x400", uses=["none"])
        assert agreed
        assert "crops well: tick" not in page

    @pytest.mark.parametrize(
        ("uses", "message"),
        [([], "Choose at least one kind of image."), (["all"], "Select a valid choice.")],
    )
    def test_no_kind_at_all_buys_nothing(self, editor, url, uses, message):
        page = confirm(editor, url, sizes="400x400", uses=uses).content.decode()
        assert message in page
        assert asked() == []

    def test_what_was_agreed_to_is_bought_of_no_other_kind(self, editor, url):
        agreed = preview(editor, url, sizes="400x400", uses=["published"])[1]
        form = confirmation(agreed, sizes="400x400", uses=ALL_USES)
        assert "what this takes has changed" in editor.post(url, form).content.decode()
        assert asked() == []

    def test_queries_do_not_grow_with_the_images(self, editor, people):
        counts = []
        for number in (2, 8):
            images = [plain_image(collection=people.here) for _ in range(number)]
            for image in images:
                image.get_rendition("max-165x165")
                Page.objects.get(depth=2).add_child(instance=PicturePage(title="A", photo=image))
            editor.get(address(*images))
            with CaptureQueriesContext(connection) as queries:
                editor.get(address(*images))
            counts.append(len(queries))
        assert counts[0] == counts[1]


class TestUsingThemAtOnce:
    @pytest.fixture(params=[False, True], ids=["", "review"])
    def review(self, request, configure):
        configure(REVIEW=request.param)
        return request.param

    def test_what_is_asked_for_waits_for_a_decision(self, editor, people, gateway, run, review):
        image = photo(collection=people.here)
        confirm(editor, address(image), sizes="200x200")
        run()
        row = Recomposition.objects.get()
        assert row.candidates.filter(stored=True).exists()
        assert (row.live, row.decision) == (None, Recomposition.Decision.NONE)
        assert list(listings.waiting_for(people.editor, 9)) == [row]

    def test_ticked_it_goes_live_as_that_persons_decision(
        self, editor, people, gateway, run, review
    ):
        image = photo(collection=people.here)
        confirm(editor, address(image), sizes="200x200", use_at_once="on")
        run()
        row = Recomposition.objects.get()
        assert row.live == row.candidates.first()
        assert (row.decision, row.decided_by) == ("candidate", people.editor)

    def test_it_is_for_those_who_may_choose_what_is_live(self, client, people, images, configure):
        configure(REVIEW=True)
        client.force_login(new_editor("asker", people.here, ("smart_resize_recomposition",)))
        url = address(*images)
        assert 'name="use_at_once"' not in client.get(url).content.decode()
        confirm(client, url, sizes="400x400", use_at_once="on")
        assert len(asked()) == 3
        assert not GatewayRequest.objects.filter(use_at_once=True).exists()

    def test_it_is_for_those_who_may_choose_for_all_of_them(
        self, client, people, images, configure
    ):
        configure(REVIEW=True)
        user = new_editor(
            "both", people.here, ("smart_resize_recomposition", "approve_recomposition")
        )
        grant(user.groups.get(), people.there, "smart_resize_recomposition")
        client.force_login(user)
        other = plain_image(collection=people.there)
        assert 'name="use_at_once"' in client.get(address(*images)).content.decode()
        assert 'name="use_at_once"' not in client.get(address(*images, other)).content.decode()
        confirm(client, address(*images, other), sizes="400x400", use_at_once="on")
        assert other.pk in asked()
        assert not GatewayRequest.objects.filter(use_at_once=True).exists()

    def test_outside_review_mode_it_is_for_all_who_may_ask(self, client, people, images):
        client.force_login(new_editor("asker", people.here, ("smart_resize_recomposition",)))
        confirm(client, address(*images), sizes="400x400", use_at_once="on")
        assert GatewayRequest.objects.filter(use_at_once=True).count() == 3

    def test_it_is_not_ticked_to_begin_with(self, client, people, images):
        client.force_login(people.editor)
        assert not client.get(address(*images)).context["form"]["use_at_once"].value()


class TestSelectingAll:
    def test_it_is_what_the_filtered_listing_shows(self, client, people, images):
        images[0].tags.add("sky")
        images[0].save()
        client.force_login(people.superuser)
        confirm(client, address(query="id=all&tag=sky"), sizes="400x400")
        assert asked() == [images[0].pk]

    def test_more_than_the_most_are_refused(self, client, people, images, monkeypatch):
        monkeypatch.setattr(views, "MAX_IMAGES", 2)
        client.force_login(people.superuser)
        page = client.get(address(query="id=all")).content.decode()
        assert "No more than 2 are done at once" in page
        confirm(client, address(query="id=all"), sizes="400x400")
        assert asked() == []


class TestRights:
    @pytest.mark.parametrize(
        ("who", "gets"),
        [("superuser", True), ("editor", True), ("elsewhere", False), ("outsider", False)],
    )
    def test_each_asks_for_their_images_only(self, client, people, images, who, gets):
        client.force_login(getattr(people, who))
        url = address(*images)
        client.get(url)
        agreed = preview(client, url, sizes="400x400")[1]
        client.post(url, confirmation(agreed or "forged", sizes="400x400"))
        assert bool(asked()) is gets

    def test_a_mixed_selection_asks_for_nothing_of_others(self, client, people, images):
        other = plain_image(collection=people.there)
        client.force_login(people.editor)
        confirm(client, address(*images, other), sizes="400x400")
        assert other.pk not in asked()


def unless_held_back(image, **kwargs):
    return image.title != "Held back"


def nothing(image, **kwargs):
    return False


class TestAfterwards:
    def told(self, response):
        return " ".join(str(message) for message in get_messages(response.wsgi_request))

    def test_it_leads_to_the_batch_with_a_way_back(self, client, people, images):
        client.force_login(people.editor)
        key, back = uuid.uuid4(), "/admin/images/?tag=sky"
        url = f"{address(*images)}&next=/admin/images/%3Ftag%3Dsky"
        response = confirm(client, url, key=key, sizes="400x400")
        assert response.url == f"{reverse('smart_resize_admin:report')}?batch={key}"
        assert "3 AI versions are being made." in self.told(response)
        assert f'href="{back}"' in self.told(response)
        assert len(client.get(response.url).context["object_list"]) == 3

    def test_an_image_that_is_refused_is_named_and_stops_no_other(
        self, client, people, images, settings
    ):
        images[1].title = "Held back"
        images[1].save()
        settings.WAGTAIL_SMART_RESIZE = {
            **settings.WAGTAIL_SMART_RESIZE,
            "ALLOW": f"{__name__}.unless_held_back",
        }
        client.force_login(people.editor)
        response = confirm(client, address(*images), sizes="400x400")
        assert asked() == [images[0].pk, images[2].pk]
        assert "Nothing could be asked for 1 image." in self.told(response)
        assert images[1].title in self.told(response)
        assert Recomposition.objects.filter(image=images[1]).count() == 0
        assert set(BudgetPeriod.objects.values_list("outputs", flat=True)) == {2}

    def test_where_all_are_refused_it_leads_back_to_the_images(
        self, client, people, images, settings
    ):
        settings.WAGTAIL_SMART_RESIZE = {
            **settings.WAGTAIL_SMART_RESIZE,
            "ALLOW": f"{__name__}.nothing",
        }
        client.force_login(people.editor)
        url = f"{address(*images)}&next=/admin/images/"
        response = confirm(client, url, sizes="400x400")
        assert (asked(), response.url) == ([], "/admin/images/")
        assert "3 images" in self.told(response)

    def test_a_budget_that_ends_half_way_buys_nothing(
        self, client, people, images, monkeypatch, settings
    ):
        """Somebody else spends it between the estimate and the locks."""
        settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, "DAILY_LIMIT": 2}
        monkeypatch.setattr(assess, "budget_left", lambda: 9)
        client.force_login(people.editor)
        response = confirm(client, address(*images), sizes="400x400")
        assert response.status_code == 200
        assert "the budget allows" in response.content.decode()
        assert asked() == []
        assert Recomposition.objects.count() == 0
        assert not BudgetPeriod.objects.filter(outputs__gt=0).exists()

    def test_an_image_that_is_deleted_after_the_estimate_stops_no_other(
        self, client, people, images, monkeypatch
    ):
        """In the moment before the rows are made by which images are locked."""
        prepare = views.BulkView.prepare_action

        def delete_first(self, *args):
            get_image_model().objects.filter(pk=images[0].pk).delete()
            prepare(self, *args)

        monkeypatch.setattr(views.BulkView, "prepare_action", delete_first)
        client.force_login(people.editor)
        response = confirm(client, address(*images), sizes="400x400")
        assert asked() == [images[1].pk, images[2].pk]
        assert images[0].title in self.told(response)

    def test_a_hook_of_the_sites_may_answer_instead(self, client, people, images):
        from django.http import HttpResponse

        def refuse(request, action_type, objects, action):
            return HttpResponse("not today")

        client.force_login(people.editor)
        with hooks.register_temporarily("before_bulk_action", refuse):
            response = confirm(client, address(*images), sizes="400x400")
        assert (response.content, asked()) == (b"not today", [])


class TestWhatIsNeverSent:
    @pytest.mark.parametrize("override_rules", [{}, {"override_rules": "on"}])
    def test_opted_out_and_private_images_stay_in(self, client, people, images, override_rules):
        OptOut.objects.create(image=images[0])
        images[1].collection = people.there
        images[1].save()
        CollectionViewRestriction.objects.create(
            collection=people.there, restriction_type=CollectionViewRestriction.LOGIN
        )
        client.force_login(people.superuser)
        page, _agreed = preview(client, address(*images), sizes="400x400", **override_rules)
        assert "Opted out" in page
        assert "Private collection" in page
        confirm(client, address(*images), sizes="400x400", **override_rules)
        assert asked() == [images[2].pk]

    def test_one_that_is_opted_out_meanwhile_is_not_bought(self, client, people, images):
        client.force_login(people.editor)
        agreed = preview(client, address(*images), sizes="400x400")[1]
        actions.opt_out(images[0], user=people.superuser)
        form = confirmation(agreed, sizes="400x400")
        page = client.post(address(*images), form).content.decode()
        assert "what this takes has changed" in page
        assert 'name="agreed"' in page
        assert asked() == []


class TestWhatIsGone:
    def test_deleted_images_are_left_out(self, client, people, images):
        url = address(*images)
        images[0].delete()
        client.force_login(people.editor)
        confirm(client, url, sizes="400x400")
        assert asked() == [images[1].pk, images[2].pk]

    def test_where_none_is_left_the_page_says_so(self, client, people, images):
        url = address(images[0])
        images[0].delete()
        client.force_login(people.editor)
        assert "None of the selected images is there any more" in client.get(url).content.decode()
        assert confirm(client, url, sizes="400x400").status_code == 200

    @pytest.mark.parametrize("query", ["id=nonsense", "id=all&childOf=nonsense"])
    def test_nonsense_is_not_found(self, client, people, query):
        client.force_login(people.superuser)
        assert client.get(address(query=query)).status_code == 404


class Locked(ModelPermissionPolicy):
    """A site's own policy: whoever may use the admin may change what is not called "Locked"."""

    def user_has_permission(self, user, action):
        return user.has_perm("wagtailadmin.access_admin")

    def user_has_permission_for_instance(self, user, action, instance):
        return self.user_has_permission(user, action) and instance.title != "Locked"

    def instances_user_has_permission_for(self, user, action):
        return self.model._default_manager.exclude(title="Locked")


def test_a_sites_own_policy_has_its_say(client, people, images, monkeypatch):
    policy = Locked(get_image_model())
    monkeypatch.setattr(permissions, "get_image_permission_policy", lambda: policy)
    images[0].title = "Locked"
    images[0].save()
    client.force_login(people.editor)
    confirm(client, address(*images), sizes="400x400")
    assert asked() == [images[1].pk, images[2].pk]
    for image, status in ((images[0], 302), (images[1], 200)):
        history = reverse("smart_resize_admin:history", args=[image.pk])
        assert client.get(history).status_code == status
