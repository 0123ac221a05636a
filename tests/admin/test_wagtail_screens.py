"""What Wagtail's own image screens show of ours: to whom, in how many queries, and if it fails."""

import json
import logging
import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property
from support.factories import candidate, live, plain_image, recomposition
from support.people import editor
from wagtail.admin.widgets import Button
from wagtail.images.views.images import EditView
from wagtail.images.widgets import AdminImageChooser

from wagtail_smart_resize import checks
from wagtail_smart_resize.admin.mixins import SmartResizeEditViewMixin
from wagtail_smart_resize.admin.wagtail_screens import additions, attach
from wagtail_smart_resize.admin.wagtail_screens.attach import Point
from wagtail_smart_resize.admin.wagtail_screens.side_panel import SmartResizeSidePanel
from wagtail_smart_resize.models import OptOut, Recomposition

pytestmark = pytest.mark.django_db

LISTING = "/admin/images/?layout=list"
GRID = "/admin/images/?layout=grid"
REPORT = "/admin/reports/smart-resize/"
CSS = "wagtail_smart_resize/css/wagtail-screens.css"
JS = "wagtail_smart_resize/js/chooser-link.js"
OF_OURS = 'data-side-panel="smart-resize"'


@pytest.fixture
def image(people):
    return plain_image(collection=people.here)


@pytest.fixture(autouse=True)
def nothing_is_logged(caplog):
    """Fail the test on errors of ours, which the screens hide."""
    yield
    expected = "is shown without" in "".join(caplog.messages)
    assert expected or not [each for each in caplog.records if each.levelno >= logging.ERROR]


def replace(image):
    """As if the image had another file."""
    image.file_hash = "another"
    image.save()


def edit(image):
    return f"/admin/images/{image.pk}/"


def screen(image):
    return f"/admin/images/{image.pk}/smart-resize/"


def text(client, address):
    return " ".join(client.get(address).content.decode().split())


def panel(client, image):
    """The edit page's side panel, as it is written."""
    found = text(client, edit(image)).split(OF_OURS)[1]
    return found.partition("</aside>")[0]


def panel_text(client, image):
    return " ".join(re.sub(r"<[^>]*>", " ", panel(client, image)).split())


def toggle(client, image):
    """Its button: the name, and the number."""
    found = text(client, edit(image)).split('data-side-panel-toggle="smart-resize"')
    label = re.findall(r'aria-label="([^"]*)"', found[0])[-1]
    counter = re.search(r"toggle__counter [^>]*?(hidden)?> (\d+) <", found[1])
    return label, 0 if counter[1] else int(counter[2])


def cells(client, address=LISTING):
    """By image: the text of our column."""
    found = re.findall(r'<td class="smart-resize-listing">(.*?)</td>', text(client, address))
    return [" ".join(re.sub(r"<[^>]*>", " ", each).split()) for each in found]


class TestWhoMay:
    @pytest.mark.parametrize("name", ["superuser", "editor"])
    def test_those_who_may_find_the_way_from_the_edit_page(self, client, people, image, name):
        client.force_login(getattr(people, name))
        html = text(client, edit(image))
        assert html.count(f'href="{screen(image)}"') == 2  # in the header's menu and the panel
        assert OF_OURS in html

    @pytest.mark.parametrize("name", ["elsewhere", "outsider"])
    def test_others_see_nothing_of_it_on_the_edit_page(self, client, people, image, name):
        client.force_login(getattr(people, name))
        html = text(client, edit(image))
        assert image.title in html
        assert screen(image) not in html
        assert OF_OURS not in html

    @pytest.mark.parametrize("name", ["superuser", "editor", "elsewhere"])
    def test_those_with_a_right_anywhere_have_the_column_and_the_report(self, client, people, name):
        client.force_login(getattr(people, name))
        html = text(client, LISTING)
        assert "smart-resize-listing" not in html  # no image yet: no table
        plain_image(collection=people.there)
        html = text(client, LISTING)
        assert "smart-resize-listing" in html
        assert "Smart resize report" in html

    def test_somebody_without_has_neither(self, client, people, image):
        recomposition(image)
        client.force_login(people.outsider)
        html = text(client, LISTING)
        assert image.title in html
        assert "smart-resize-listing" not in html
        assert "Smart resize report" not in html

    def test_the_column_tells_each_of_their_own_images(self, client, people):
        """The newest image stands first."""
        for place in (people.here, people.there):
            recomposition(plain_image(collection=place), purchase="failed", failure_code="rejected")
        shown = {}
        for name in ("superuser", "editor", "elsewhere"):
            client.force_login(getattr(people, name))
            shown[name] = cells(client)
        assert shown == {
            "superuser": ["Failed", "Failed"],
            "editor": ["", "Failed"],
            "elsewhere": ["Failed", ""],
        }

    def test_who_may_only_approve_finds_the_way_too(self, client, people, image):

        client.force_login(editor("approver", people.here, ("approve_recomposition",)))
        assert OF_OURS in text(client, edit(image))

    @pytest.mark.parametrize(
        ("name", "may_see"),
        [("superuser", True), ("editor", True), ("elsewhere", False), ("outsider", False)],
    )
    def test_the_chooser_is_told_whether_to_show_its_link(
        self, client, people, image, name, may_see
    ):
        client.force_login(getattr(people, name))
        answer = client.get(f"{screen(image)}may-see/")
        assert json.loads(answer.content) == {"may_see": may_see}

    def test_the_chooser_shows_no_link_for_an_image_that_is_gone(self, admin):
        assert admin.get("/admin/images/4711/smart-resize/may-see/").json() == {"may_see": False}

    def test_strangers_are_told_nothing(self, client, image):
        answer = client.get(
            f"{screen(image)}may-see/", headers={"X-Requested-With": "XMLHttpRequest"}
        )
        assert answer.status_code == 403


class TestSidePanel:
    def test_tells_where_each_place_stands_and_leads_there(self, admin, image):
        live(image)
        recomposition(image, "1920x600", purchase="failed", failure_code="rejected")
        html = panel(admin, image)
        assert f'href="{screen(image)}places/any-1000/"' in html
        assert f'href="{screen(image)}places/any-3200/"' in html
        told = panel_text(admin, image)
        assert re.search(r"To decide 1 Hero Crop cuts away \d+ % · Failed", told)
        assert re.search(r"Fine 1 400×400 AI version 1", told)

    def test_shows_how_far_a_place_has_come_and_how_much_there_is_to_look_at(self, admin, image):
        recomposition(image, "1920x600")
        row = recomposition(image, "400x400", purchase="idle")
        candidate(row)
        candidate(row)
        row.update_if(where={}, awaiting_review_since=timezone.now())
        told = panel_text(admin, image)
        assert re.search(r"To decide 1 400×400 Crop cuts away \d+ % · 2 versions", told)
        assert re.search(r"Under way 1 Hero Crop cuts away \d+ % · Next in line", told)

    def test_its_links_lead_to_rooms_that_the_screen_has(self, admin, image):
        live(image)
        rooms = re.findall(rf'href="({screen(image)}places/[^"]*)"', panel(admin, image))
        assert len(rooms) == 3  # the presets' two as well
        fetched = {"X-Requested-With": "XMLHttpRequest"}
        assert {admin.get(room, headers=fetched).status_code for room in rooms} == {200}

    def test_counts_what_needs_somebody(self, admin, image, configure):
        configure(REVIEW=True)
        candidate(recomposition(image, "400x400", purchase="idle"))
        recomposition(image, "600x400", purchase="failed", failure_code="rejected")
        recomposition(image, "800x400", purchase="failed", failure_code="unknown")
        recomposition(image, "300x400")
        live(image, "900x400")
        assert toggle(admin, image) == ("Toggle smart resize: 3 places to decide", 3)

    def test_says_in_words_that_one_place_needs_somebody(self, admin, image):
        recomposition(image, purchase="failed", failure_code="rejected")
        assert toggle(admin, image) == ("Toggle smart resize: 1 place to decide", 1)

    def test_counts_nothing_where_all_is_well(self, admin, image):
        live(image)
        assert toggle(admin, image) == ("Toggle smart resize", 0)

    def test_tells_nothing_of_a_replaced_file(self, admin, image):
        recomposition(image, purchase="failed", failure_code="rejected")
        assert toggle(admin, image)[1] == 1
        replace(image)
        assert toggle(admin, image)[1] == 0

    def test_tells_of_an_image_that_is_never_sent(self, admin, image):
        assert "never sent" not in panel_text(admin, image)
        OptOut.objects.create(image=image)
        assert "This image is never sent to the service." in panel_text(admin, image)

    def test_says_so_where_there_is_no_place(self, admin, image, configure):
        configure(PRESETS={})
        assert "No page shows this image yet, and the site has no presets" in panel_text(
            admin, image
        )


class TestListing:
    def test_counts_the_states_and_leads_to_the_screen(self, admin, image):
        live(image, "400x400")
        for slot in ("600x400", "800x400"):
            recomposition(image, slot, purchase="failed", failure_code="rejected")
        assert cells(admin) == ["Failed (2) AI version live"]
        assert f'<a href="{screen(image)}">' in text(admin, LISTING)

    def test_says_nothing_of_images_that_nobody_has_asked_for(self, admin, image):
        assert cells(admin) == [""]

    def test_says_nothing_of_a_replaced_file(self, admin, image):
        recomposition(image, purchase="failed", failure_code="rejected")
        assert cells(admin) == ["Failed"]
        replace(image)
        assert cells(admin) == [""]

    def test_has_the_same_column_where_only_the_results_are_loaded(self, admin, image):
        recomposition(image)
        assert cells(admin, "/admin/images/results/?layout=list") == ["Queued"]

    def test_the_order_by_usage_has_it_too(self, admin, image):
        """There Wagtail hands over a queryset that it has not evaluated."""
        recomposition(image)
        assert cells(admin, f"{LISTING}&ordering=usage_count") == ["Queued"]

    def test_the_grid_is_left_alone(self, admin, image):
        recomposition(image)
        with CaptureQueriesContext(connection) as queries:
            assert cells(admin, GRID) == []
        # The menu alone asks, for what waits for this person.
        assert len([each for each in queries if "smart_resize_recomposition" in each["sql"]]) == 1

    def test_leads_to_the_report(self, admin, image):
        assert text(admin, GRID).count(f'href="{REPORT}"') == 1

    @pytest.mark.parametrize("name", ["superuser", "editor"])
    def test_asks_the_database_as_often_for_one_image_as_for_twenty(self, client, people, name):
        client.force_login(getattr(people, name))
        asked_for(plain_image(collection=people.here))
        few = queries_of(client, LISTING)
        for _ in range(19):
            asked_for(plain_image(collection=people.here))
        assert queries_of(client, LISTING) == few
        assert len(cells(client)) == 20


def asked_for(image):
    live(image, "400x400")
    recomposition(image, "600x400", purchase="failed", failure_code="rejected")


def queries_of(client, address):
    client.get(address)  # makes the thumbnails
    with CaptureQueriesContext(connection) as queries:
        client.get(address)
    return len(queries)


class TestChooser:
    def link(self, html):
        return re.search(r'<a[^>]*data-controller="smart-resize-chooser-link"[^>]*>', html)

    def test_a_form_has_the_link_hidden_until_the_script_shows_it(self, admin, image):
        html = text(admin, reverse("wagtailsnippets_testapp_person:add"))
        assert " hidden " in self.link(html)[0]
        assert JS in html

    def test_a_block_has_it_too(self, image):
        """Blocks are rendered in the browser, from the widget's HTML."""
        html = AdminImageChooser().render_html("__NAME__", None, {"id": "__ID__"})
        assert self.link(html)

    def test_the_link_to_the_edit_page_stays_beside_it(self, image):
        html = AdminImageChooser().render("photo", image.pk, {"id": "photo"})
        assert re.search(rf'data-chooser-edit-link href="{edit(image)}"', html)

    def test_a_template_of_the_sites_own_stays(self, monkeypatch):
        monkeypatch.setattr(AdminImageChooser, "template_name", "site/image_chooser.html")
        attach._attach_chooser()
        assert AdminImageChooser.template_name == "site/image_chooser.html"


class TestSwitchedOff:
    @pytest.fixture(autouse=True)
    def off(self, configure):
        configure(EXTEND_IMAGE_VIEWS=False)

    def test_nothing_is_added_anywhere(self, admin, image):
        recomposition(image)
        pages = [text(admin, edit(image)), text(admin, LISTING), text(admin, GRID)]
        pages.append(text(admin, reverse("wagtailsnippets_testapp_person:add")))
        for page in pages:
            for ours in (screen(image), OF_OURS, "smart-resize-listing", "Smart resize report"):
                assert ours not in page
            for ours in (CSS, JS, "smart-resize-chooser-link"):
                assert ours not in page

    def test_a_view_of_the_sites_own_can_have_it_by_the_mixin(self, rf, people, image):
        view = site_view(rf, people.editor, image)
        assert [button.url for button in view.header_more_buttons if "smart" in button.url] == [
            screen(image)
        ]
        assert [type(each) for each in view.get_side_panels()] == [SmartResizeSidePanel]

    def test_the_mixin_shows_nothing_to_others(self, rf, people, image):
        view = site_view(rf, people.elsewhere, image)
        assert not [button for button in view.header_more_buttons if "smart" in button.url]
        assert list(view.get_side_panels()) == []


def test_the_mixin_adds_nothing_twice(rf, people, image):
    view = site_view(rf, people.editor, image)
    assert len([button for button in view.header_more_buttons if "smart" in button.url]) == 1
    assert len(view.get_side_panels()) == 1


def site_view(rf, user, image):
    class SiteEditView(SmartResizeEditViewMixin, EditView):
        pass

    view = SiteEditView()
    view.setup(rf.get(edit(image)), image_id=image.pk)
    view.request.user, view.object, view.locale, view.translations = user, image, None, []
    return view


class TestGoingWrong:
    def test_an_error_of_ours_is_logged_and_the_screen_is_shown(
        self, admin, image, monkeypatch, caplog
    ):
        def broken(*args):
            raise RuntimeError("broken")

        monkeypatch.setattr("wagtail_smart_resize.admin.wagtail_screens.additions.may_see", broken)
        monkeypatch.setattr("wagtail_smart_resize.admin.wagtail_screens.side_panel.Screen", broken)
        html = text(admin, edit(image))
        assert image.title in html
        assert OF_OURS not in html
        logged = [each.message for each in caplog.records if each.exc_info]
        assert len(logged) == 1, "the same traceback is not repeated"
        assert all("EditView" in each for each in logged)


class Wagtails:
    """A view whose attributes are, and are not, what is expected."""

    more = cached_property(lambda self: [Button("Copy", url="/copy/")])
    plain = []

    def listed(self):
        return ["one"]


class TestPoints:
    @pytest.fixture
    def views(self, monkeypatch):
        class View(Wagtails):
            pass

        monkeypatch.setattr("wagtail.images.views.images.OtherView", View, raising=False)
        return View

    def test_a_property_and_a_method_are_extended_once_each(self, views, monkeypatch):
        def add_ours(view, value):
            return [*value, "ours"]

        monkeypatch.setattr(additions, "add_ours", add_ours, raising=False)
        for name in ("more", "listed"):
            Point("OtherView", name, "add_ours").attach()
        view = views()
        assert view.more[1:] == ["ours"]
        assert view.more is view.more
        assert view.listed() == ["one", "ours"]
        assert Wagtails().listed() == ["one"]

    @pytest.mark.parametrize(
        ("view", "name"), [("OtherView", "gone"), ("OtherView", "plain"), ("Gone", "more")]
    )
    def test_what_has_moved_is_logged_and_checked(self, views, monkeypatch, caplog, view, name):
        monkeypatch.setattr(attach, "POINTS", [Point(view, name, "add_column")])
        monkeypatch.setattr(attach, "missing", [])
        attach.attach()
        assert "Nothing was attached to wagtail.images.views.images." in caplog.text
        [message] = checks.check_image_views()
        assert message.id == "wagtail_smart_resize.W009"
        assert f"wagtail.images.views.images.{view}" in message.msg
        assert "EXTEND_IMAGE_VIEWS" in message.hint

    @pytest.mark.parametrize("template", ["wagtailimages/widgets/other.html", None])
    def test_a_chooser_that_has_moved_is_checked(self, monkeypatch, template):
        monkeypatch.setattr(attach, "POINTS", [])
        monkeypatch.setattr(attach, "missing", [])
        monkeypatch.setattr(AdminImageChooser, "template_name", template)
        attach.attach()
        [message] = checks.check_image_views()
        assert "AdminImageChooser.template_name" in message.msg

    def test_nobody_is_told_who_has_switched_it_off(self, monkeypatch, configure):
        monkeypatch.setattr(attach, "missing", ["wagtail.somewhere"])
        configure(EXTEND_IMAGE_VIEWS=False)
        assert list(checks.check_image_views()) == []

    def test_this_wagtail_has_them_all(self):
        assert attach.missing == []


class TestURLGenerator:
    """Wagtail's generator of URLs, and the preview in it, know the filter."""

    @staticmethod
    def preview(client, image, spec):
        return client.get(reverse("wagtailimages:preview", args=[image.pk, spec]))

    def test_the_filter_is_offered(self, admin_client, image):
        page = admin_client.get(f"/admin/images/{image.pk}/generate_url/").content.decode()
        assert '<option value="smartresize">Smart resize</option>' in page
        assert page.count("&quot;fill&quot;, &quot;smartresize&quot;") == 3

    @pytest.mark.parametrize(
        ("query", "spec"),
        [
            ("width=300&height=200&closeness=0", "smartresize-300x200"),
            ("width=300&height=200&closeness=50", "smartresize-300x200-c50"),
            ("", "smartresize-800x600"),
        ],
    )
    def test_the_address_is_of_the_spec(self, admin_client, image, query, spec):
        url = f"/admin/images/{image.pk}/generate_url/output/?filter_method=smartresize&{query}"
        page = admin_client.get(url).content.decode()
        assert f"/{image.pk}/{spec}/" in page
        assert f"/preview/{spec}/" in page

    @pytest.mark.parametrize("query", ["width=0&height=200", "width=a&height=1", "width=&height="])
    def test_a_bad_size_is_refused_in_words(self, admin_client, image, query):
        url = f"/admin/images/{image.pk}/generate_url/output/?filter_method=smartresize&{query}"
        answer = admin_client.get(url)
        assert answer.status_code == 400
        assert "size" in answer.content.decode()

    @pytest.mark.parametrize(
        "spec", ["smartresize-300x200", "smartresize-300x200-c50", "smartresize-99999x10"]
    )
    def test_the_preview_shows_the_spec(self, admin_client, image, spec):
        shown = self.preview(admin_client, image, spec)
        fill = self.preview(admin_client, image, spec.replace("smartresize", "fill"))
        assert (shown.status_code, fill.status_code) == (200, 200)
        assert b"".join(shown) == b"".join(fill)

    def test_the_preview_shows_what_is_live(self, admin_client, image):
        fill = self.preview(admin_client, image, "fill-200x100")
        live(image, "200x100")
        shown = self.preview(admin_client, image, "smartresize-200x100")
        assert b"".join(shown) != b"".join(fill)

    def test_nothing_is_wanted_for_sizes_that_are_tried(self, admin_client, image, settings):
        settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, "API_KEY": "a key"}
        assert self.preview(admin_client, image, "smartresize-200x100").status_code == 200
        assert not Recomposition.objects.exists()

    def test_a_damaged_candidate_leaves_the_crop(self, admin_client, image):
        chosen = live(image, "200x100")
        chosen.file.storage.delete(chosen.file.name)
        shown = self.preview(admin_client, image, "smartresize-200x100")
        assert shown.status_code == 200

    def test_nothing_is_offered_where_the_screens_stay_as_they_are(
        self, admin_client, image, settings
    ):
        settings.WAGTAIL_SMART_RESIZE = {"EXTEND_IMAGE_VIEWS": False}
        page = admin_client.get(f"/admin/images/{image.pk}/generate_url/").content.decode()
        assert "smartresize" not in page
