"""The bulk action of Wagtail's image listing: what it takes is shown, then asked for, once."""

import re
import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from factories import live, plain_image
from people import make_people
from wagtail.images import get_image_model

from wagtail_smart_resize.models import GatewayRequest, OptOut, Recomposition, Spend

pytestmark = pytest.mark.django_db


@pytest.fixture
def people():
    return make_people()


@pytest.fixture
def images(people):
    return [plain_image(collection=people.here) for _ in range(3)]


def address(*images, query=""):
    meta = get_image_model()._meta
    args = (meta.app_label, meta.model_name, "smart_resize")
    chosen = "&".join(f"id={image.pk}" for image in images)
    return f"{reverse('wagtail_bulk_action', args=args)}?{query or chosen}"


def look(client, url, **data):
    """What it takes, as the page shows it; and the digest that a confirmation agrees to."""
    response = client.post(url, {"key": uuid.uuid4(), **data})
    page = response.content.decode()
    found = re.search(r'name="agreed"[^>]*value="([^"]+)"', page)
    return page, found[1] if found else ""


def confirm(client, url, key=None, **data):
    agreed = look(client, url, **data)[1]
    form = {"key": key or uuid.uuid4(), "agreed": agreed, "confirm": "yes", **data}
    return client.post(url, form)


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
        assert set(Spend.objects.values_list("outputs", flat=True)) == {6}

    def test_looking_buys_nothing(self, client, people, images):
        client.force_login(people.editor)
        assert client.get(address(*images)).status_code == 200
        _page, agreed = look(client, address(*images), sizes="400x400")
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
        agreed = look(client, url, sizes="400x400")[1]
        live(images[0])
        form = {"key": uuid.uuid4(), "agreed": agreed, "confirm": "yes", "sizes": "400x400"}
        response = client.post(url, form)
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
        confirm(client, address(*images), sizes="400x300", overrule="on")
        assert len(asked()) == 3

    def test_beyond_the_budget_nothing_at_all_is_asked(self, client, people, images, settings):
        settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, "DAILY_LIMIT": 2}
        client.force_login(people.editor)
        page, _agreed = look(client, address(*images), sizes="400x400")
        assert 'name="confirm"' not in page
        confirm(client, address(*images), sizes="400x400")
        assert asked() == []
        assert not Spend.objects.filter(outputs__gt=0).exists()

    def test_the_price_is_shown_in_its_currency(self, client, people, images, settings):
        settings.WAGTAIL_SMART_RESIZE = {
            **settings.WAGTAIL_SMART_RESIZE,
            "PRICE_PER_OUTPUT": ("0.12", "USD"),
        }
        client.force_login(people.editor)
        page, _agreed = look(client, address(*images), sizes="400x400")
        assert re.search(r"0[.,]36\s*USD|USD\s*0[.,]36", page)

    def test_queries_do_not_grow_with_the_images(self, client, people):
        client.force_login(people.editor)
        counts = []
        for number in (2, 12):
            chosen = [plain_image(collection=people.here) for _ in range(number)]
            for image in chosen:
                image.get_rendition("max-165x165")
            look(client, address(*chosen), sizes="400x400")
            with CaptureQueriesContext(connection) as queries:
                look(client, address(*chosen), sizes="400x400")
            counts.append(len(queries))
        assert counts[1] <= counts[0] + 2


class TestSelectingAll:
    def test_it_is_what_the_filtered_listing_shows(self, client, people, images):
        images[0].tags.add("sky")
        images[0].save()
        client.force_login(people.superuser)
        confirm(client, address(query="id=all&tag=sky"), sizes="400x400")
        assert asked() == [images[0].pk]

    def test_more_than_the_most_are_refused(self, client, people, images, monkeypatch):
        from wagtail_smart_resize import bulk_actions

        monkeypatch.setattr(bulk_actions, "MOST_IMAGES", 2)
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
        agreed = look(client, url, sizes="400x400")[1]
        form = {"key": uuid.uuid4(), "agreed": agreed or "forged", "confirm": "yes"}
        client.post(url, {**form, "sizes": "400x400"})
        assert bool(asked()) is gets

    def test_a_mixed_selection_asks_for_nothing_of_others(self, client, people, images):
        other = plain_image(collection=people.there)
        client.force_login(people.editor)
        confirm(client, address(*images, other), sizes="400x400")
        assert other.pk not in asked()
