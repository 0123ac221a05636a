"""Below the images of a page's editor: its places, and versions that are tried in its preview."""

import json
import re

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from support.factories import candidate, colour_of, live, plain_image, recomposition
from support.people import editor
from support.purchases import again
from testapp.models import PicturePage, StoryPage
from wagtail.images import get_image_model
from wagtail.models import GroupPagePermission, Page

from wagtail_smart_resize.editorial import tried_versions
from wagtail_smart_resize.models import (
    BudgetPeriod,
    Candidate,
    GatewayRequest,
    ImageVersion,
    Recomposition,
)

pytestmark = pytest.mark.django_db

FETCHED = {"X-Requested-With": "XMLHttpRequest"}
#: The slot in which the template of a `PicturePage` shows its photo.
SLOT = "1200x630"


@pytest.fixture
def people(people):
    """All of them may edit all pages, too."""
    for user in (people.editor, people.elsewhere, people.outsider):
        may_edit_pages(user)
    return people


def may_edit_pages(user):
    permission = Permission.objects.get(
        content_type__app_label="wagtailcore", codename="change_page"
    )
    root = Page.objects.get(depth=1)
    GroupPagePermission.objects.create(group=user.groups.get(), page=root, permission=permission)


@pytest.fixture
def image(people):
    return plain_image(collection=people.here)


def page_of(image, model=PicturePage, is_live=True, **fields):
    page = model(title="A page", photo=image, live=is_live, **fields)
    Page.objects.get(depth=2).add_child(instance=page)
    page.save_revision()
    return page


@pytest.fixture
def page(image):
    return page_of(image)


def places(client, page):
    address = reverse("smart_resize_admin:page_places", args=[page.pk])
    response = client.get(address, headers=FETCHED)
    assert response.status_code == 200
    return response.json()


def strip(client, page, image):
    """The strip of an image, without its markup."""
    html = re.sub(r"<[^>]*>", " ", places(client, page)["strips"][str(image.pk)])
    return " ".join(html.split())


def shown(client, page, image):
    return str(image.pk) in places(client, page)["strips"]


def rows():
    return Recomposition.objects.order_by("pk")


class TestPlaces:
    def test_they_are_those_of_the_latest_draft(self, editor, people, page, image):
        other = plain_image(collection=people.here)
        page.photo = other
        page.save_revision()
        assert set(places(editor, page)["strips"]) == {str(other.pk)}

    @pytest.mark.parametrize(
        ("is_live", "sees"), [(False, r"Crop cuts away \d+ %"), (True, "✓ AI version 1")]
    )
    def test_they_are_named_by_the_page_and_show_what_visitors_see(
        self, editor, page, image, is_live, sees
    ):
        if is_live:
            live(image, SLOT)
        assert re.search(f"Picture page {sees}", strip(editor, page, image))

    def test_only_those_in_which_the_page_shows_the_image(self, editor, page, image):
        recomposition(image, "400x400")
        html = places(editor, page)["strips"][str(image.pk)]
        rooms = re.findall(r'href="([^"]*/places/[^"]*)"', html)
        assert {room.split("/places/")[1] for room in rooms} == {f"any-1905/?page={page.pk}"}
        assert "Hero" not in html
        assert "All 4 places of this image" in strip(editor, page, image)

    def test_the_wide_ones_come_first(self, editor, page, image, monkeypatch):
        monkeypatch.setattr(PicturePage, "template", "testapp/faults_page.html")
        html = places(editor, page)["strips"][str(image.pk)]
        rooms = re.findall(r"/places/any-(\d+)/", html)
        assert list(dict.fromkeys(rooms)) == ["1905", "1000"]

    def test_each_leads_to_a_room_that_offers_the_preview(self, editor, page, image):
        candidate(recomposition(image, SLOT, purchase="idle"))
        html = places(editor, page)["strips"][str(image.pk)]
        room = re.search(r'href="([^"]*/places/[^"]*)"', html)[1]
        response = editor.get(room, headers=FETCHED)
        assert f'data-page="{page.pk}"' in response.content.decode()

    def test_images_in_stream_fields_and_in_texts_have_them_too(self, editor, people, image):
        chosen, described, embedded = (plain_image(collection=people.here) for _ in "123")
        embed = f'<embed embedtype="image" id="{embedded.pk}" format="teaser" alt="" />'
        blocks = [
            ("chosen", chosen.pk),
            ("described", {"image": described.pk, "alt_text": "A rocket", "decorative": False}),
            ("text", embed),
        ]
        body = json.dumps([{"type": kind, "value": value} for kind, value in blocks])
        page = page_of(image, StoryPage, body=body)
        expected = {str(each.pk) for each in (image, chosen, described, embedded)}
        assert set(places(editor, page)["strips"]) == expected

    def test_what_there_is_to_decide_and_what_is_under_way_is_told(self, editor, page, image):
        row = recomposition(image, SLOT, wanted_by="person")
        assert "Next in line." in strip(editor, page, image)
        row.update_if(where={}, purchase="idle")
        candidate(row)
        candidate(row)
        assert "Look at 2 versions" in strip(editor, page, image)
        Candidate.objects.all().delete()
        row.update_if(where={}, purchase="failed", failure_code="rejected")
        assert "Failed" in strip(editor, page, image)

    def test_a_page_without_images_has_none(self, editor, image):
        answer = places(editor, page_of(None))
        assert answer["strips"] == {}
        assert "dialog" not in answer

    def test_the_page_is_noted_where_it_is_published(self, editor, page, image):
        places(editor, page)
        assert rows().get().shown_on == [[page.pk, "testapp.picturepage"]]

    def test_a_page_that_is_not_is_not(self, editor, image):
        page = page_of(image, is_live=False)
        assert shown(editor, page, image)
        assert rows().get().shown_on == []

    def test_nothing_is_bought_or_published_by_a_look(self, editor, page, image):
        places(editor, page)
        assert [row.wanted_by for row in rows()] == ["preview"]
        nothing_has_come_of_it(image)

    @pytest.mark.parametrize("method", ["serve_preview", "make_preview_request"])
    def test_a_page_that_can_not_be_rendered_has_none(
        self, editor, page, image, monkeypatch, method
    ):
        def broken(self, *args):
            self.photo.get_rendition(f"smartresize-{SLOT}")
            raise RuntimeError("This page has no preview.")

        monkeypatch.setattr(PicturePage, method, broken)
        editor.raise_request_exception = False
        answer = places(editor, page)
        assert (answer["strips"], answer["tried"]) == ({}, "")

    def test_more_places_and_versions_take_no_more_queries(self, editor, page, image):
        candidate(recomposition(image, SLOT, purchase="idle"))
        few = queries_of(editor, page)
        for number in range(3, 9):
            row = recomposition(image, f"{number}00x1000", purchase="idle")
            candidate(row)
            candidate(row)
        candidate(rows().first())
        assert queries_of(editor, page) == few


def queries_of(client, page):
    places(client, page)  # makes the renditions
    with CaptureQueriesContext(connection) as queries:
        places(client, page)
    return len(queries)


def nothing_has_come_of_it(image):
    assert not GatewayRequest.objects.exists()
    assert not BudgetPeriod.objects.exclude(outputs=0).exists()
    assert not Recomposition.objects.exclude(decision="none").exists()
    assert not ImageVersion.objects.filter(pk=image.pk).exclude(publish_due_at=None).exists()


class TestWhoMay:
    @pytest.mark.parametrize(
        ("name", "sees"),
        [("superuser", True), ("editor", True), ("elsewhere", False), ("outsider", False)],
    )
    def test_editors_of_the_page_see_images_on_which_they_have_a_right(
        self, client, people, page, image, name, sees
    ):
        client.force_login(getattr(people, name))
        assert shown(client, page, image) is sees

    @pytest.mark.security("People without the right")
    @pytest.mark.parametrize("address", ["page_places", "page_preview"])
    def test_who_may_not_edit_the_page_is_told_nothing(self, client, people, page, address):
        url = reverse(f"smart_resize_admin:{address}", args=[page.pk])
        send = client.get if address == "page_places" else client.post
        assert send(url, headers=FETCHED).status_code == 403
        client.force_login(editor("no_pages", people.here, ("smart_resize_recomposition",)))
        assert send(url, headers=FETCHED).status_code == 403

    def test_a_page_that_is_gone_has_none(self, editor, image):
        for address in ("page_places", "page_preview"):
            url = reverse(f"smart_resize_admin:{address}", args=[4711])
            send = editor.get if address == "page_places" else editor.post
            assert send(url, headers=FETCHED).status_code == 404

    def test_the_editor_loads_the_script_unless_that_is_switched_off(self, editor, page, configure):
        address = reverse("wagtailadmin_pages:edit", args=[page.pk])
        assert "wagtail_smart_resize/js/page-strip.js" in editor.get(address).content.decode()
        configure(EXTEND_IMAGE_VIEWS=False)
        assert "wagtail_smart_resize/js/" not in editor.get(address).content.decode()


# Versions in the preview


@pytest.fixture
def row(image):
    return recomposition(image, SLOT, purchase="idle")


@pytest.fixture
def red(row):
    return candidate(row, "red")


def try_version(client, page, *candidates):
    """Show these versions in the preview of whoever has logged in; none: what visitors see."""
    url = reverse("smart_resize_admin:page_preview", args=[page.pk])
    for each in candidates or [None]:
        data = {"candidate": each.pk} if each else {}
        response = client.post(url, data, headers=FETCHED)
        assert response.status_code == 200
    return response.json()["text"]


def colour(response, image):
    """The colour of the image's one picture in a page."""
    assert response.status_code == 200
    html = response.content.decode()
    found = {
        rendition.pk: colour_of(rendition)
        for rendition in image.renditions.filter(filter_spec__startswith="smartresize")
        if rendition.url in html
    }
    [rgb] = found.values()
    near = {"red": (255, 0, 0), "blue": (70, 130, 180), "gold": (255, 215, 0)}
    return min(near, key=lambda name: sum(abs(a - b) for a, b in zip(near[name], rgb, strict=True)))


def in_preview(client, page):
    return colour(client.get(reverse("wagtailadmin_pages:view_draft", args=[page.pk])), page.photo)


def in_panel(client, page):
    """In the preview panel, which shows what is in the form."""
    address = reverse("wagtailadmin_pages:preview_on_edit", args=[page.pk])
    forms = {f"comments-{name}_FORMS": 0 for name in ("TOTAL", "INITIAL", "MIN_NUM", "MAX_NUM")}
    form = {"title": page.title, "slug": page.slug, "photo": page.photo.pk, **forms}
    assert client.post(address, form).json()["is_valid"]
    return colour(client.get(address), page.photo)


def to_visitors(page, client=None):
    return colour((client or Client()).get(page.url), page.photo)


class TestTrying:
    def test_a_version_is_shown_in_the_persons_own_preview(self, editor, page, red):
        assert in_preview(editor, page) == "gold"
        told = try_version(editor, page, red)
        assert told == "The version is in your preview. Only you see it."
        assert in_preview(editor, page) == "red"
        assert in_panel(editor, page) == "red"

    def test_visitors_never_see_it_nor_does_the_person_as_one(self, editor, page, red):
        try_version(editor, page, red)
        assert in_preview(editor, page) == "red"
        assert to_visitors(page) == "gold"
        assert to_visitors(page, editor) == "gold"

    def test_another_persons_preview_does_not_show_it(self, editor, people, page, red):
        try_version(editor, page, red)
        other = Client()
        other.force_login(people.superuser)
        assert in_preview(other, page) == "gold"
        assert in_preview(editor, page) == "red"
        assert in_preview(other, page) == "gold"

    def test_nothing_is_published_or_bought(self, editor, page, image, red):
        waiting = again(red.recomposition).awaiting_review_since
        try_version(editor, page, red)
        in_preview(editor, page)
        nothing_has_come_of_it(image)
        row = again(red.recomposition)
        assert (row.live, row.awaiting_review_since) == (None, waiting)

    def test_it_is_shown_instead_of_what_is_live(self, editor, page, image):
        blue = live(image, SLOT)
        red = candidate(blue.recomposition, "red")
        try_version(editor, page, red)
        assert in_preview(editor, page) == "red"
        assert to_visitors(page) == "blue"
        assert again(blue.recomposition).live == blue

    def test_the_last_of_two_for_a_place_is_shown(self, editor, page, row, red):
        blue = candidate(row, "steelblue")
        try_version(editor, page, red, blue)
        assert in_preview(editor, page) == "blue"
        assert "1 AI version is in your preview." in places(editor, page)["tried"]

    def test_the_strip_and_the_panel_tell_it(self, editor, page, image, row, red):
        other = candidate(recomposition(image, "400x400", purchase="idle"))
        try_version(editor, page, red, other)
        assert "AI version 1 is in your preview" in strip(editor, page, image)
        assert "2 AI versions are in your preview." in places(editor, page)["tried"]

    def test_it_ends_when_what_visitors_see_is_asked_for(self, editor, page, image, red):
        assert places(editor, page)["tried"] == ""
        try_version(editor, page, red)
        assert "Show what visitors see" in places(editor, page)["tried"]
        assert try_version(editor, page) == "Your preview shows what visitors see."
        assert in_preview(editor, page) == "gold"
        assert places(editor, page)["tried"] == ""
        assert "is in your preview" not in strip(editor, page, image)

    def test_a_version_that_is_deleted_is_shown_no_more(self, editor, page, red):
        try_version(editor, page, red)
        red.delete()
        assert in_preview(editor, page) == "gold"

    def test_nor_is_one_of_a_file_that_was_replaced(self, editor, page, image, red):
        try_version(editor, page, red)
        get_image_model().objects.filter(pk=image.pk).update(file_hash="another")
        assert in_preview(editor, page) == "gold"

    def test_one_whose_file_is_lost_leaves_the_crop(self, editor, page, red):
        try_version(editor, page, red)
        red.file.storage.delete(red.file_name)
        assert in_preview(editor, page) == "gold"

    def test_there_are_so_many_at_most(self, editor, page, image, red):
        others = [
            candidate(recomposition(image, f"{number}00x3000", purchase="idle"))
            for number in range(1, tried_versions.MAX_TRIED + 1)
        ]
        try_version(editor, page, red, *others)
        assert len(editor.session[tried_versions.SESSION_KEY]) == tried_versions.MAX_TRIED
        assert in_preview(editor, page) == "gold"

    @pytest.mark.security("People without the right")
    @pytest.mark.parametrize("name", ["elsewhere", "outsider"])
    def test_of_an_image_on_which_the_person_has_no_right_nothing_is_shown(
        self, client, people, page, red, name
    ):
        client.force_login(getattr(people, name))
        url = reverse("smart_resize_admin:page_preview", args=[page.pk])
        response = client.post(url, {"candidate": red.pk}, headers=FETCHED)
        assert response.status_code == 403
        assert in_preview(client, page) == "gold"

    @pytest.mark.parametrize("text", ["4711", "none", "-1"])
    def test_what_is_no_version_is_not_there(self, editor, page, red, text):
        url = reverse("smart_resize_admin:page_preview", args=[page.pk])
        assert editor.post(url, {"candidate": text}, headers=FETCHED).status_code == 404
        red.update_if(where={}, stored=False)
        assert editor.post(url, {"candidate": red.pk}, headers=FETCHED).status_code == 404

    def test_an_error_of_ours_leaves_the_preview_as_it_is(
        self, editor, page, red, monkeypatch, caplog
    ):
        def broken(keys):
            raise RuntimeError("broken")

        monkeypatch.setattr(tried_versions, "_entries", broken)
        try_version(editor, page, red)
        assert in_preview(editor, page) == "gold"
        assert "Can't show in the preview what is tried" in caplog.text
