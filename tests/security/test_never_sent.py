"""What must stay on the site stays there, by whichever way somebody or something wants it sent."""

import contextlib
import datetime as dt
import uuid

import pytest
import requests
from django.core.management import call_command
from django.template import Context, Template
from django.test import RequestFactory
from django.urls import reverse
from support.factories import candidate, plain_image, recomposition
from support.purchases import claimed, due, want
from support.waiting import TIMEOUT_SECONDS
from testapp.models import PicturePage
from wagtail.images import get_image_model
from wagtail.models import CollectionViewRestriction, Locale, Page

from wagtail_smart_resize import actions
from wagtail_smart_resize.actions import GenerationOptions, ResizeTarget
from wagtail_smart_resize.models import GatewayRequest, OptOut, Recomposition
from wagtail_smart_resize.purchasing import demand, source_image
from wagtail_smart_resize.renditions import published_cache

pytestmark = pytest.mark.django_db

SLOT = "400x400"
TEMPLATE = "{% load wagtailimages_tags %}{% image photo smartresize-400x400 %}"


@pytest.fixture
def image(people):
    """On a published page, in a collection of its own: nothing else keeps it in."""
    image = plain_image(collection=people.here)
    Locale.objects.get_or_create(language_code="en")
    root = Page.objects.filter(depth=1).first()
    root.add_child(instance=PicturePage(title="A page", slug="a-page", photo=image))
    return image


# Why


def make_private(image):
    CollectionViewRestriction.objects.create(
        collection=image.collection, restriction_type=CollectionViewRestriction.LOGIN
    )


def opt_out(image):
    OptOut.objects.create(image=image, reason="Under an embargo.")


REASONS = pytest.mark.parametrize("keep_in", [make_private, opt_out])


# Ways


def view(image, **extra):
    """A visitor's look at a page, to the end of the request."""
    shown = get_image_model().objects.get(pk=image.pk)
    request = RequestFactory().get("/", **extra)
    Template(TEMPLATE).render(Context({"photo": shown, "request": request}))
    demand.write_noted_demand()
    due()


def by_a_template(image, people, client):
    view(image)


def by_a_person(image, people, client):
    options = GenerationOptions("", "1K", 1, None)
    with contextlib.suppress(actions.Refused):
        actions.request_recomposition(
            image,
            [ResizeTarget.parse(SLOT)],
            user=people.superuser,
            options=options,
            override_rules=True,
        )


def by_the_screen(image, people, client):
    client.force_login(people.superuser)
    url = reverse("smart_resize_admin:make", args=[image.pk])
    client.post(
        url,
        {
            "what": SLOT,
            "candidates": "1",
            "resolution": "1K",
            "override_rules": "True",
            "key": uuid.uuid4(),
            "source": image.file_hash,
        },
    )


def by_trying_again(image, people, client):
    row = recomposition(image, SLOT, purchase="failed", failure_code="failed")
    row.request = GatewayRequest.objects.create(image=image, resolution="1K", status="failed")
    row.save()
    client.force_login(people.superuser)
    url = reverse("smart_resize_admin:failed", args=[image.pk])
    client.post(url, {"row": row.pk, "action": "retry", "key": uuid.uuid4()})


def by_the_bulk_action(image, people, client):
    client.force_login(people.superuser)
    meta = get_image_model()._meta
    url = reverse("wagtail_bulk_action", args=(meta.app_label, meta.model_name, "smart_resize"))
    post = {"sizes": SLOT, "override_rules": "on", "key": uuid.uuid4(), "next": "/admin/images/"}
    post["uses"] = ["published", "unknown", "none"]
    looked = client.post(f"{url}?id={image.pk}", post)
    digest = looked.context["estimate"].digest if looked.context["estimate"] else ""
    client.post(f"{url}?id={image.pk}", {**post, "agreed": digest, "confirm": "1"})


def by_a_sync(image, people, client):
    """A crop is shown, and what was noted for it is lost with its process."""
    view(image)
    Recomposition.objects.all().delete()
    call_command("smart_resize_sync", "--wait", f"--timeout={TIMEOUT_SECONDS:g}")


WAYS = [
    by_a_template,
    by_a_person,
    by_the_screen,
    by_trying_again,
    by_the_bulk_action,
    by_a_sync,
]


@pytest.fixture(autouse=True)
def quick(settings, monkeypatch):
    monkeypatch.setattr("wagtail_smart_resize.purchasing.demand.GATHERING_TIME", dt.timedelta(0))
    settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, "POLL_INTERVAL": 0.2}


@pytest.mark.parametrize("way", WAYS)
class TestEveryWay:
    @pytest.mark.security("Images that must stay on the site")
    @REASONS
    def test_sends_nothing_that_must_stay(self, gateway, run, people, image, client, way, keep_in):
        keep_in(image)
        way(image, people, client)
        due()
        run()
        call_command("smart_resize_sync", "--wait", f"--timeout={TIMEOUT_SECONDS:g}")
        assert gateway.requests == []

    def test_sends_what_may_go(self, gateway, run, people, image, client, way):
        """Else the others would prove nothing."""
        way(image, people, client)
        due()
        run()
        assert len(gateway.requests) == 1


def path_in_flight(image):
    """The path of the source of a request that is being sent."""
    (row,) = want(image, SLOT)
    request = claimed(image.pk, row.recipe)
    request.update_if(where={}, status=GatewayRequest.Status.SENDING)
    return source_image.source_url(request).removeprefix(source_image.base_url())


class TestMeanwhile:
    """Wanted first, and then somebody changes their mind."""

    @pytest.mark.security("Images that must stay on the site")
    @REASONS
    def test_what_was_wanted_is_not_sent(self, gateway, run, image, keep_in):
        want(image, SLOT)
        keep_in(image)
        run()
        assert gateway.requests == []

    @pytest.mark.security("Images that must stay on the site")
    @REASONS
    def test_what_was_asked_for_and_not_sent_yet_is_taken_back(
        self, gateway, run, image, people, keep_in
    ):
        by_a_person(image, people, None)
        assert GatewayRequest.objects.get().status == GatewayRequest.Status.NEW
        keep_in(image)
        run()
        assert gateway.requests == []
        assert GatewayRequest.objects.get().charged == GatewayRequest.Charged.NO

    @pytest.mark.security("Source addresses that have expired")
    @REASONS
    def test_its_source_is_not_answered_any_more(self, gateway, image, client, settings, keep_in):
        path = path_in_flight(image)
        assert client.get(path).status_code == 200
        keep_in(image)
        assert client.get(path).status_code == 404

    @pytest.mark.security("Images that must stay on the site")
    @REASONS
    def test_what_is_live_stays_live_and_is_not_bought_again(
        self, gateway, run, image, people, keep_in
    ):
        row = recomposition(image, SLOT, purchase="idle")
        chosen = candidate(row)
        actions.choose(chosen, user=people.superuser)
        run()
        keep_in(image)
        published_cache.process_cache.reset()
        view(image)
        run()
        row.refresh_from_db()
        assert row.live == chosen
        assert gateway.requests == []


def unpublish(image):
    PicturePage.objects.get(photo=image).unpublish()


class TestUnpublished:
    """A person may ask for such an image in spite of it; nothing else sends it."""

    @pytest.mark.security("Images that must stay on the site")
    def test_what_was_wanted_is_not_sent(self, gateway, run, image):
        want(image, SLOT)
        unpublish(image)
        run()
        assert gateway.requests == []

    @pytest.mark.security("Images that must stay on the site")
    def test_what_was_claimed_and_not_sent_yet_is_taken_back(self, gateway, run, image):
        (row,) = want(image, SLOT)
        claimed(image.pk, row.recipe)
        unpublish(image)
        run()
        assert gateway.requests == []
        assert GatewayRequest.objects.get().charged == GatewayRequest.Charged.NO

    @pytest.mark.security("Source addresses that have expired")
    def test_its_source_is_not_answered_any_more(self, gateway, image, client):
        path = path_in_flight(image)
        assert client.get(path).status_code == 200
        unpublish(image)
        assert client.get(path).status_code == 404


@pytest.mark.django_db(transaction=True)
@pytest.mark.security("Invalid source addresses")
def test_a_sources_address_is_of_no_use_once_its_request_has_ended(site, run, image):
    """Over a real socket: the address that the gateway was given, used again."""
    want(image, SLOT)
    run(1)
    (asked,) = site.gateway.requests
    assert requests.get(asked["image_url"], timeout=TIMEOUT_SECONDS).status_code == 200
    run()
    assert GatewayRequest.objects.get().status == GatewayRequest.Status.DONE
    again = requests.get(asked["image_url"], timeout=TIMEOUT_SECONDS)
    assert (again.status_code, again.content) == (404, b"")


@pytest.mark.django_db(transaction=True)
@pytest.mark.security("Source addresses that have expired")
@pytest.mark.parametrize("change", [make_private, opt_out, unpublish])
def test_a_gateway_that_comes_too_late_gets_nothing(site, run, image, change):
    """Between the request and the fetch somebody changes their mind."""
    want(image, SLOT)
    run(1)
    (asked,) = site.gateway.requests
    change(image)
    assert requests.get(asked["image_url"], timeout=TIMEOUT_SECONDS).status_code == 404


@pytest.mark.security("Previews of drafts")
def test_a_preview_of_a_draft_sends_nothing(gateway, run, people, client):
    """Wagtail renders it as if a visitor had come, with an image that no published page uses."""
    image = plain_image(collection=people.here)
    Locale.objects.get_or_create(language_code="en")
    root = Page.objects.filter(depth=1).first()
    draft = root.add_child(
        instance=PicturePage(title="A draft", slug="a-draft", photo=image, live=False)
    )
    client.force_login(people.superuser)
    draft.save_revision()
    answer = client.get(reverse("wagtailadmin_pages:view_draft", args=[draft.pk]))
    assert answer.status_code == 200
    assert b"<img" in answer.content
    demand.write_noted_demand()
    due()
    run()
    assert gateway.requests == []
