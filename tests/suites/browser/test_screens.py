"""Checks each screen: axe-core in light and dark, a strict policy, Arabic and German on a phone."""

import re
import uuid

import pytest
from django.utils import timezone
from support.factories import candidate, live, photo, plain_image, recomposition
from testapp.models import PicturePage
from wagtail.users.models import UserProfile

from suites.browser.harness import PHONE
from suites.browser.sample_data import GARBLED, ROCKET, ask, page_with, photos, review_mode, rocket
from wagtail_smart_resize import actions
from wagtail_smart_resize.models import ImageVersion, PipelineState, Recomposition

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def images(site, people, run):
    """Create images: the first has candidates, one of them live; the second a failure; the third is
    opted out."""
    first, second, third = photos(people.here)
    # What is garbled is found within it.
    type(first).objects.filter(pk=first.pk).update(**ROCKET)
    first.refresh_from_db()
    ask(first, people.editor, count=2, prompt=f"Keep the towers. {GARBLED}")
    run()
    recomposition(second, "1200x630", purchase="failed", failure_code="http_400")
    recomposition(second, "800x1000", purchase="failed", failure_code="unknown")
    recomposition(second, "1920x600", purchase="wanted", waiting_reason="budget")
    actions.opt_out(third, user=people.editor, reason="A private picture")
    return first, second, third


def screen_of(image, more=""):
    return f"/admin/images/{image.pk}/smart-resize/{more}"


def bulk_of(images):
    from wagtail.images import get_image_model

    meta = get_image_model()._meta
    ids = "&".join(f"id={image.pk}" for image in images)
    return f"/admin/bulk/{meta.app_label}/{meta.model_name}/smart_resize/?{ids}&next=/admin/images/"


def unfold(tab):
    for summary in tab.locator("main details > summary").all():
        summary.click()


def room(tab):
    tab.locator(".smart-resize-tile:visible a").first.click()
    tab.get_by_role("dialog").locator(".smart-resize-film").wait_for()


def slider(tab):
    room(tab)
    tab.keyboard.press("2")
    tab.get_by_role("slider").wait_for()


def loupe(tab):
    room(tab)
    tab.keyboard.press("3")
    tab.get_by_role("application").wait_for()
    tab.locator("[data-smart-resize-room-target=scale]:not(:empty)").wait_for()


def closer(tab):
    """Look at a spot that differs, at 100 %."""
    room(tab)
    tab.keyboard.press("l")
    tab.locator("[data-smart-resize-room-target=scale]:not(:empty)").wait_for()
    tab.locator(".smart-resize-loupe__view .smart-resize-spot").first.wait_for()


def original(tab):
    room(tab)
    tab.keyboard.press("o")
    tab.locator(".smart-resize-room__original").wait_for()


def make(tab):
    room(tab)
    tab.locator(".smart-resize-film__add").click()
    tab.get_by_label("Prompt").or_(tab.locator("textarea[name=prompt]")).first.wait_for()


def focal(tab):
    tab.locator("[data-smart-resize-focal-target=begin]").click()
    tab.locator(".smart-resize-focal-handle").first.wait_for()


def why(tab):
    tab.locator("[data-smart-resize-review-target=decline]:enabled").click()
    tab.locator(".smart-resize-why").wait_for()


def approve_all(tab):
    tab.locator("[data-smart-resize-review-target=approve]:enabled").wait_for()
    tab.locator("button[data-action='smart-resize-review#approveAll']").click()
    tab.locator(".smart-resize-approve__list").wait_for()


def estimate(tab):
    tab.locator("input[name=presets]").first.check()
    tab.locator(".smart-resize-estimate").wait_for()


def filters(tab):
    tab.locator("#filters-drilldown button").first.click()
    tab.locator("#filters-drilldown .w-drilldown__toggle").first.wait_for()


def ours(images):
    """List all our screens: a name, an address, and what is done there first."""
    first, second, third = images
    return [
        ("a sheet with versions", screen_of(first), unfold),
        ("the room", screen_of(first), room),
        ("the slider", screen_of(first), slider),
        ("the loupe", screen_of(first), loupe),
        ("a spot that differs", screen_of(first), closer),
        ("the original alone", screen_of(first), original),
        ("the form for versions", screen_of(first), make),
        ("the focal area", screen_of(first), focal),
        ("a sheet with failures", screen_of(second), unfold),
        ("an image that is kept in", screen_of(third), unfold),
        ("a ratio that was typed", screen_of(first, "?size=16:9"), None),
        ("a size that is none", screen_of(first, "?size=tall"), None),
        ("the history", screen_of(first, "history/"), None),
        ("the bulk action", bulk_of(images), estimate),
        ("the report", "/admin/reports/smart-resize/", None),
        ("the report's filters", "/admin/reports/smart-resize/", filters),
    ]


@pytest.fixture
def odd(site, settings, people):
    """Create a picture of another shape that awaits review, and a live one whose file is lost."""
    review_mode(settings)
    image = photo(title="Rocket on the pad", collection=people.here)
    page_with(image)
    candidate(recomposition(image, "1200x630", purchase="idle"), size=(1376, 1000))
    chosen = live(image, "800x1000")
    chosen.file.storage.delete(chosen.file.name)
    ImageVersion.note_damage(image.pk)
    return [
        ("a version of another shape", screen_of(image), room),
        ("another shape in the review queue", "/admin/reports/smart-resize/review/", None),
        ("the bulk action with a lost picture", bulk_of([image]), None),
        ("the URL generator", f"/admin/images/{image.pk}/generate_url/", smart_resize_url),
    ]


def smart_resize_url(tab):
    """Have the generator make an address of ours, and wait for its preview."""
    tab.get_by_label("Filter").select_option("smartresize")
    tab.get_by_label("Width").fill("400")
    tab.locator("img[src*='smartresize-400x']").wait_for()


def visit(screen, places):
    for name, path, prepare in places:
        tab = screen.open(path)
        assert tab.locator("h1, h2").count(), f"{name}: {tab.title()}"
        if prepare:
            prepare(tab)
        screen.keep(name)
        yield name


def asked_of_each(screen, places, question):
    return {name: found for name in visit(screen, places) if (found := question())}


@pytest.fixture
def queue(site, settings, people, run):
    """Create two shapes that await review."""
    review_mode(settings)
    image = rocket(people.here)
    page_with(image)
    ask(image, people.editor, "teaser", prompt=GARBLED)
    ask(image, people.editor, "portrait")
    run()
    address = "/admin/reports/smart-resize/review/"
    return [
        ("the review", address, unfold),
        ("why not", address, why),
        ("approving all", address, approve_all),
    ]


@pytest.fixture
def batch(site, people, run):
    """Ask for versions of several images at once, of which one failed."""
    key = uuid.uuid4()
    for image in photos(people.here):
        targets = [actions.ResizeTarget.parse(size) for size in ("1200x630", "800x1000")]
        actions.request_recomposition(image, targets, user=people.superuser, key=key)
    run()
    Recomposition.objects.order_by("pk").last().update_if(
        where={}, purchase="failed", failure_code="http_400"
    )
    return [("what is made of a batch", f"/admin/reports/smart-resize/?batch={key}", None)]


@pytest.fixture
def stopped(site, people):
    """Open the circuit; a shape waits for it, and another could not be published."""
    image = photo(title="Rocket on the pad", collection=people.here)
    page_with(image)
    recomposition(image, "1200x630", next_attempt_at=timezone.now())
    row = recomposition(image, "800x1000", purchase="idle")
    actions.choose(candidate(row), user=people.editor)
    ImageVersion.objects.update(publish_attempts=3)
    PipelineState.get_current().open_circuit(
        "http_402", "HTTP 402: Payment Required", timezone.now()
    )
    return [
        ("a screen while nothing is sent", screen_of(image), None),
        ("the report while nothing is sent", "/admin/reports/smart-resize/", None),
    ]


@pytest.fixture
def themed_screen(open_browser, people):
    """Return a function that opens a browser in a light or dark scheme."""
    return lambda scheme: open_browser(people.superuser, color_scheme=scheme)


@pytest.mark.parametrize("scheme", ["light", "dark"])
class TestAxe:
    def test_finds_no_barrier_on_our_screens(self, images, themed_screen, scheme):
        screen = themed_screen(scheme)
        assert asked_of_each(screen, ours(images), screen.accessibility_violations) == {}

    def test_finds_no_barrier_in_the_review_queue(self, queue, themed_screen, scheme):
        screen = themed_screen(scheme)
        assert asked_of_each(screen, queue, screen.accessibility_violations) == {}

    def test_finds_no_barrier_in_what_is_made_of_a_batch(self, batch, themed_screen, scheme):
        screen = themed_screen(scheme)
        assert asked_of_each(screen, batch, screen.accessibility_violations) == {}
        screen.open("/admin/")
        assert screen.accessibility_violations(".smart-resize-asked") == []
        screen.keep("the home page")

    def test_finds_no_barrier_while_nothing_is_sent(self, stopped, themed_screen, scheme):
        screen = themed_screen(scheme)
        assert asked_of_each(screen, stopped, screen.accessibility_violations) == {}

    def test_finds_no_barrier_in_what_is_out_of_the_ordinary(self, odd, themed_screen, scheme):
        screen = themed_screen(scheme)
        assert asked_of_each(screen, odd[:3], screen.accessibility_violations) == {}

    def test_finds_no_barrier_in_what_is_under_way(self, site, people, themed_screen, scheme):
        image = plain_image(collection=people.here)
        ask(image, people.editor)
        screen = themed_screen(scheme)
        screen.open(screen_of(image))
        assert screen.tab.get_by_role("progressbar").count() == 1
        assert screen.accessibility_violations() == []

    def test_finds_no_barrier_in_our_parts_of_wagtails_screens(
        self, images, people, themed_screen, scheme
    ):
        """Only our parts are checked: Wagtail's own are not this package's to fix."""
        screen = themed_screen(scheme)
        tab = screen.open(f"/admin/images/{images[0].pk}/")
        tab.locator("[data-side-panel-toggle=smart-resize]").click()
        assert screen.accessibility_violations(".smart-resize-panel") == []
        screen.open("/admin/images/?layout=list")
        assert screen.accessibility_violations("td:has(.smart-resize-status)") == []
        screen.keep("the list of images")
        page = PicturePage.objects.get(photo=images[0])
        tab = screen.open(f"/admin/pages/{page.pk}/edit/")
        strip = tab.locator(".smart-resize-on-page")
        strip.scroll_into_view_if_needed()
        assert screen.accessibility_violations(".smart-resize-on-page") == []
        screen.keep("the strip of a page")
        strip.get_by_role("link", name=re.compile("^Look at")).first.click()
        tab.get_by_role("dialog").get_by_role("button", name="Show in preview").click()
        tab.get_by_role("button", name="Toggle preview").click()
        tab.locator(".smart-resize-tried").wait_for()
        assert screen.accessibility_violations(".smart-resize-on-page", ".smart-resize-tried") == []
        screen.keep("the strip of a page with a tried version")
        group = people.editor.groups.get()
        screen.open(f"/admin/groups/edit/{group.pk}/")
        assert (
            screen.accessibility_violations("#smart_resize_permissions-section, [id*=smart_resize]")
            == []
        )


def test_a_strict_policy_keeps_nothing_of_our_screens_from_working(images, people, open_browser):
    screen = open_browser(people.superuser)
    refused = []
    screen.tab.on("console", lambda said: refused.append(said.text) if "policy" in said.text else 0)
    assert asked_of_each(screen, ours(images), screen.violations) == {}
    assert refused == []


def test_a_strict_policy_keeps_nothing_of_the_review_queue_from_working(
    queue, people, open_browser
):
    screen = open_browser(people.superuser)
    assert asked_of_each(screen, queue, screen.violations) == {}


def test_the_policy_is_in_force(images, people, open_browser):
    screen = open_browser(people.superuser)
    tab = screen.open(screen_of(images[0]))
    tab.evaluate("document.body.append(Object.assign(document.createElement('script'), {text: 1}))")
    assert "script-src" in screen.violations()[0]


class TestOnAPhone:
    @pytest.fixture(params=["ar", "de"])
    def phone(self, request, people, open_browser):
        UserProfile.objects.update_or_create(
            user=people.superuser, defaults={"preferred_language": request.param}
        )
        return open_browser(people.superuser, viewport=PHONE)

    def test_nothing_of_ours_overflows(self, images, phone):
        assert asked_of_each(phone, ours(images), phone.overflow) == {}
        shown = phone.tab.evaluate("[document.documentElement.lang, document.documentElement.dir]")
        assert shown in (["ar", "rtl"], ["de", "ltr"])

    def test_nothing_of_the_review_queue_overflows(self, queue, phone):
        assert asked_of_each(phone, queue, phone.overflow) == {}

    def test_nothing_out_of_the_ordinary_overflows(self, odd, phone):
        assert asked_of_each(phone, odd[:3], phone.overflow) == {}

    def test_nothing_overflows_while_nothing_is_sent(self, stopped, phone):
        assert asked_of_each(phone, stopped, phone.overflow) == {}

    def test_what_is_made_of_a_batch_does_not_overflow(self, batch, phone):
        assert asked_of_each(phone, batch, phone.overflow) == {}

    def test_sizes_read_from_left_to_right(self, images, phone):
        assert asked_of_each(phone, ours(images), phone.reversed_sizes) == {}

    def test_sizes_of_the_review_queue_read_from_left_to_right(self, queue, phone):
        assert asked_of_each(phone, queue, phone.reversed_sizes) == {}


def test_what_is_out_of_the_ordinary_is_told(odd, people, open_browser):
    screen = open_browser(people.superuser)
    texts = {}
    for name in visit(screen, odd):
        texts[name] = screen.tab.locator("body").inner_text()
    cut = "Of another shape than was asked for: the cut loses 28 % of it."
    assert cut in texts["a version of another shape"]
    assert cut in texts["another shape in the review queue"]
    assert "1 AI version is lost" in texts["the bulk action with a lost picture"]
    assert "smartresize-400x" in screen.tab.locator("#result-url").input_value()
