"""What is rendered for a preview is wanted by a preview, wherever a site has put its admin."""

from decimal import Decimal
from urllib.parse import urlsplit

import pytest
from django.conf import settings as site_settings
from django.conf.urls.i18n import i18n_patterns
from django.http import HttpResponse
from django.test import override_settings
from django.urls import URLPattern, URLResolver, include, path, reverse
from django.utils import translation
from django.views.decorators.cache import never_cache
from support.factories import candidate, colour_of, live, plain_image, published_page
from wagtail import urls as wagtail_urls
from wagtail.admin import urls as wagtailadmin_urls
from wagtail.images import get_image_model

from wagtail_smart_resize.models import Recomposition
from wagtail_smart_resize.previews import as_preview
from wagtail_smart_resize.purchasing import demand
from wagtail_smart_resize.renditions import demand_notes, request_tracking
from wagtail_smart_resize.renditions.published import PublishedEntry
from wagtail_smart_resize.repair import repairs

pytestmark = pytest.mark.django_db

OURS = path("smart-resize/", include("wagtail_smart_resize.urls"))


class AtAdmin:
    urlpatterns = [
        path("admin/", include(wagtailadmin_urls)),
        OURS,
        path("", include(wagtail_urls)),
    ]


class AtCms:
    urlpatterns = [
        path("a/cms/", include(wagtailadmin_urls)),
        OURS,
        path("", include(wagtail_urls)),
    ]


class AtTheRoot:
    """Pages are below it, and found first."""

    urlpatterns = [path("site/", include(wagtail_urls)), OURS, path("", include(wagtailadmin_urls))]


def wrapped(patterns):
    """Return the patterns as packages wrap them: their views are not Wagtail's any more."""
    return [
        URLResolver(
            each.pattern,
            wrapped(each.url_patterns),
            app_name=each.app_name,
            namespace=each.namespace,
        )
        if isinstance(each, URLResolver)
        else URLPattern(each.pattern, never_cache(each.callback), each.default_args, each.name)
        for each in patterns
    ]


class Wrapped:
    urlpatterns = [
        path("admin/", include(wrapped(wagtailadmin_urls.urlpatterns))),
        OURS,
        path("", include(wagtail_urls)),
    ]


class ByLanguage:
    urlpatterns = [
        OURS,
        *i18n_patterns(path("admin/", include(wagtailadmin_urls))),
        path("", include(wagtail_urls)),
    ]


class AdminsHost:
    urlpatterns = [path("", include(wagtailadmin_urls)), OURS]


class VisitorsHost:
    urlpatterns = [OURS, path("", include(wagtail_urls))]


def by_host(get_response):
    """Choose the URLs by the host, as several packages for sites with more than one do."""

    def middleware(request):
        request.urlconf = AdminsHost if request.get_host() == "cms.test" else VisitorsHost
        return get_response(request)

    return middleware


MIDDLEWARE = [f"{__name__}.by_host", *site_settings.MIDDLEWARE]
PLACES = {
    "at /admin/": {"ROOT_URLCONF": AtAdmin},
    "at /a/cms/": {"ROOT_URLCONF": AtCms},
    "at / with pages below": {"ROOT_URLCONF": AtTheRoot},
    "on its own host": {"ROOT_URLCONF": VisitorsHost, "MIDDLEWARE": MIDDLEWARE},
    "wrapped by a package": {"ROOT_URLCONF": Wrapped},
    "below a script": {"ROOT_URLCONF": AtAdmin, "FORCE_SCRIPT_NAME": "/below"},
}


@pytest.fixture(params=PLACES.values(), ids=PLACES)
def place(request):
    with override_settings(**request.param):
        yield request.param["ROOT_URLCONF"]


@pytest.fixture
def draft(settings):
    """A published page whose draft shows another image."""
    settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, "API_KEY": "key"}
    page = published_page(plain_image())
    page.photo = plain_image()
    page.save_revision()
    return page


def wanted():
    """Return by what the rows are wanted, by image, after all that was noted is written."""
    demand.write_noted_demand()
    return dict(Recomposition.objects.values_list("image_id", "wanted_by"))


def ask(client, name, *args, place=None, **options):
    """Send a request to the admin, which may be on a host of its own."""
    urls = AdminsHost if place is VisitorsHost else place
    address = reverse(name, args=args, urlconf=urls).removeprefix("/below")
    host = {"HTTP_HOST": "cms.test"} if urls is AdminsHost else {}
    return client.get(address, **host, **options)


def test_a_draft_that_is_viewed_is_wanted_by_a_preview(admin, draft, place):
    response = ask(admin, "wagtailadmin_pages:view_draft", draft.pk, place=place)
    assert response.status_code == 200
    assert set(wanted()) == {draft.photo_id}
    assert set(wanted().values()) == {"preview"}


def test_so_is_a_former_revision(admin, draft, place):
    revision = draft.latest_revision
    response = ask(admin, "wagtailadmin_pages:revisions_view", draft.pk, revision.pk, place=place)
    assert response.status_code == 200
    assert set(wanted().values()) == {"preview"}


def test_a_visitors_page_is_not(client, draft, place):
    address = urlsplit(draft.get_url()).path.removeprefix("/below")
    assert client.get(address).status_code == 200
    published = type(draft).objects.get(pk=draft.pk).photo_id
    assert wanted() == {published: "template"}


def test_what_a_preview_wants_is_written_before_its_rendition_is_stored(admin, draft, monkeypatch):
    """A process that is killed in between leaves a row without a rendition, never the reverse."""
    seen = []
    model = get_image_model().get_rendition_model()
    save = model.save

    def looking(self, *args, **kwargs):
        if "smartresize" in self.filter_spec:
            seen.append(Recomposition.objects.filter(image=self.image).count())
        return save(self, *args, **kwargs)

    monkeypatch.setattr(model, "save", looking)
    ask(admin, "wagtailadmin_pages:view_draft", draft.pk, place=AtAdmin)
    assert seen
    assert min(seen) > 0


@pytest.mark.parametrize("setting", [{"API_KEY": ""}, {"AUTO_GENERATE": False}])
def test_it_is_written_whatever_the_settings_say_now(admin, draft, settings, setting):
    """Later they may say otherwise, and a rendition without a row counts as a page's."""
    settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, **setting}
    ask(admin, "wagtailadmin_pages:view_draft", draft.pk, place=AtAdmin)
    assert set(Recomposition.objects.values_list("wanted_by", flat=True)) == {"preview"}


def test_several_renditions_at_once_are_noted_in_the_requests_own_thread(admin, draft):
    with as_preview():
        specs = ["smartresize-300x300", "smartresize-400x200|format-webp", "fill-30x30"]
        draft.photo.get_renditions(*specs)
    assert Recomposition.objects.filter(wanted_by="preview").count() == 2
    assert set(wanted().values()) == {"preview"}


def test_a_page_that_is_published_afterwards_wants_it_too(admin, client, draft):
    ask(admin, "wagtailadmin_pages:view_draft", draft.pk, place=AtAdmin)
    draft.latest_revision.publish()
    get_image_model().get_rendition_model().objects.all().delete()
    client.get(draft.get_url())
    assert wanted()[draft.photo_id] == "template"


# What else shows drafts


@as_preview()
def headless(request, pk):
    """A view of a site's own that gives a draft to its front end."""
    page = AtAdmin.page.get_latest_revision_as_object()
    return HttpResponse(page.photo.get_rendition("smartresize-300x300").url)


def test_a_view_of_the_sites_own_can_be_marked(client, draft, monkeypatch):
    monkeypatch.setattr(AtAdmin, "page", draft, raising=False)
    monkeypatch.setattr(AtAdmin, "urlpatterns", [path("api/<int:pk>/", headless)])
    with override_settings(ROOT_URLCONF=AtAdmin):
        assert client.get(f"/api/{draft.pk}/").status_code == 200
    assert set(wanted().values()) == {"preview"}


def test_wagtails_own_preview_requests_are_known_wherever_they_are_made(draft, rf):
    page = draft.get_latest_revision_as_object()
    assert page.make_preview_request(rf.get("/shared/drafts/")).status_code == 200
    assert set(wanted().values()) == {"preview"}
    assert not request_tracking.is_preview()


def test_what_cannot_be_told_counts_as_a_preview(draft, monkeypatch, caplog):
    def broken(*args, **kwargs):
        raise RuntimeError("urls")

    monkeypatch.setattr(request_tracking, "resolve", broken)
    request_tracking._on_started(None, environ={"PATH_INFO": "/admin/x/"})
    try:
        assert request_tracking.is_preview()
    finally:
        request_tracking._on_finished()
    assert "counts as a preview" in caplog.text


@pytest.mark.parametrize(
    ("name", "expected"),
    [("/site/blog/", False), ("/pages/3/", True), ("/images/", True), ("/nowhere/at/all/", True)],
)
def test_below_an_admin_at_the_root_pages_are_told_apart(name, expected):
    with override_settings(ROOT_URLCONF=AtTheRoot):
        request_tracking._on_started(None, environ={"PATH_INFO": name})
        try:
            assert request_tracking.is_preview() is expected
        finally:
            request_tracking._on_finished()


@pytest.mark.parametrize("in_use", ["en", "de", "fr"])
@pytest.mark.parametrize(
    ("address", "expected"),
    [("/de/admin/pages/3/", True), ("/en/admin/", True), ("/de/about/", False), ("/about/", False)],
)
def test_an_admin_by_language_is_known_whichever_language_is_in_use(address, expected, in_use):
    with override_settings(ROOT_URLCONF=ByLanguage), translation.override(in_use):
        request_tracking._on_started(None, environ={"PATH_INFO": address})
        try:
            assert request_tracking.is_preview() is expected
        finally:
            request_tracking._on_finished()


# What a preview asks for, and what is tried in it


def asked_in(draft, rf):
    """The images and shapes that the draft asks for in a preview."""
    asked = []
    page = draft.get_latest_revision_as_object()
    with request_tracking.recorded(lambda *each: asked.append(each)):
        assert page.make_preview_request(rf.get("/")).status_code == 200
    return asked


def test_all_that_a_preview_asks_for_is_told(draft, rf):
    assert set(asked_in(draft, rf)) == {(draft.photo_id, Decimal("1.905"), "")}
    assert request_tracking.recorder() is None


def test_it_is_told_though_the_renditions_are_there(draft, rf):
    assert asked_in(draft, rf) == asked_in(draft, rf) != []


def test_nothing_is_told_of_what_visitors_see(client, draft):
    asked = []
    with request_tracking.recorded(lambda *each: asked.append(each)):
        client.get(draft.get_url())
    assert asked == []


def test_the_recorder_is_forgotten_when_the_preview_fails():
    def fail():
        with request_tracking.recorded(print):
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError):
        fail()
    assert request_tracking.recorder() is None


@pytest.fixture
def two_versions():
    """An image with a blue version that is live, and a red one."""
    image = plain_image()
    blue = live(image)
    return image, blue, candidate(blue.recomposition, "red")


def entry(chosen):
    row = chosen.recomposition
    return PublishedEntry(row.shape, row.recipe, "tried", chosen.file_name, 0)


def colour(image, spec="smartresize-400x400"):
    fresh = type(image).objects.get(pk=image.pk)
    return "red" if colour_of(fresh.get_rendition(spec))[0] > 200 else "blue"


def test_what_is_tried_is_shown_in_previews_alone(two_versions):
    image, _blue, red = two_versions
    with request_tracking.trying({image.pk: [entry(red)]}):
        assert colour(image) == "blue"
        with as_preview():
            assert colour(image) == "red"
    with as_preview():
        assert colour(image) == "blue"
    assert colour(image) == "blue"


def test_what_is_tried_says_nothing_of_other_images_and_shapes(two_versions):
    image, _blue, red = two_versions
    live(image, "800x400", colour="blue")
    other = plain_image()
    live(other, colour="blue")
    with request_tracking.trying({image.pk: [entry(red)]}), as_preview():
        assert colour(image, "smartresize-800x400") == "blue"
        assert colour(other) == "blue"
        assert request_tracking.tried_for(other.pk) == ()


def test_what_is_tried_is_forgotten_when_the_preview_fails(two_versions):
    image, _blue, red = two_versions

    def fail():
        with request_tracking.trying({image.pk: [entry(red)]}):
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError):
        fail()
    assert request_tracking.tried_for(image.pk) == ()


# Wants that died with a process


def test_wants_of_a_lost_process_come_back_also_if_no_page_is_known_to_use_them(draft):
    image = plain_image()
    image.get_rendition("smartresize-300x300")
    demand_notes.notes.reset()
    repairs.run()
    assert wanted() == {image.pk: "template"}


def test_a_lost_preview_comes_back_as_nothing_else(admin, draft):
    ask(admin, "wagtailadmin_pages:view_draft", draft.pk, place=AtAdmin)
    demand_notes.notes.reset()
    repairs.run()
    assert wanted() == {draft.photo_id: "preview"}
