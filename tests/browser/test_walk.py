"""What editors do all day, from the login to what visitors see."""

import re
import time

import pytest
from factories import photo
from testapp.models import PicturePage

from wagtail_smart_resize.models import ImageVersion, Recomposition
from wagtail_smart_resize.views.states import published_file

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

Decision = Recomposition.Decision


def until(met, seconds=15):
    """Wait for what another thread does to the database."""
    ends = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < ends, "it did not come to pass"
        time.sleep(0.1)


def page_with(image):
    from wagtail.models import Site

    root = Site.objects.get(is_default_site=True).root_page
    return root.add_child(instance=PicturePage(title="Launch day", slug="launch", photo=image))


def card(tab, text):
    return tab.locator("section.w-panel", has_text=text)


def is_live(row, chosen):
    """Whether visitors see this candidate; None stands for the crop."""
    version = ImageVersion.objects.get(pk=row.image_id)
    return published_file(row, version) == (chosen.file.name if chosen else "")


def public_picture(screen, page):
    """The address of the picture that a visitor's browser shows."""
    screen.open(page.url)
    picture = screen.tab.locator("img")
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    return picture.get_attribute("src")


def test_from_the_login_to_the_second_candidate_and_back_to_the_crop(
    site, settings, people, worker, sit_down
):
    from playwright.sync_api import expect

    settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, "AUTO_GENERATE": False}
    site.gateway.latency = 2
    image = photo(title="Rocket on the pad", collection=people.here)
    page = page_with(image)
    visitor = sit_down()
    crop = public_picture(visitor, page)

    screen = sit_down()
    tab = screen.open("/admin/")
    tab.get_by_label("Username").fill("editor")
    tab.locator("input[name=password]").fill("secret")
    tab.get_by_role("button", name="Sign in").click()
    screen.open(f"/admin/images/{image.pk}/")
    tab.locator("header").get_by_role("button", name="Actions").click()
    screen.photograph("menu")
    tab.get_by_role("link", name="Smart resize", exact=True).click()
    tab.wait_for_url(f"**/admin/images/{image.pk}/smart-resize/")
    screen.photograph("image")

    ours = card(tab, "Teaser")
    ours.locator("summary").click()
    ours.get_by_label("Number of pictures").select_option("2")
    expect(ours.locator("output")).to_contain_text("0.24")
    ours.locator("form.smart-resize-form").scroll_into_view_if_needed()
    screen.photograph("generate")
    ours.locator("form.smart-resize-form button[type=submit]").click()
    expect(tab).to_have_title(re.compile("^Under way"))
    tab.evaluate("window.isTheSameDocument = true")
    expect(ours.locator("progress")).to_be_visible()
    ours.scroll_into_view_if_needed()
    screen.photograph("progress")
    expect(tab).to_have_title(re.compile("^Done"), timeout=30_000)
    assert tab.evaluate("window.isTheSameDocument"), "it finished only by a reload"
    row = Recomposition.objects.get(image=image)
    first, second = row.candidates.order_by("position", "pk")
    assert first.stored
    assert second.stored
    expect(ours.get_by_role("radio")).to_have_count(3)
    assert len(site.gateway.requests) == 1

    ours.get_by_role("button", name="Compare").nth(1).click()
    dialog = tab.get_by_role("dialog", name="Look closely")
    expect(dialog.get_by_role("slider")).to_be_focused()
    tab.keyboard.press("ArrowRight")
    expect(dialog.get_by_role("slider")).to_have_value("51")
    screen.photograph("compare")
    tab.keyboard.press("Escape")
    expect(dialog).to_be_hidden()

    ours.get_by_label("Picture 2", exact=True).check()
    ours.scroll_into_view_if_needed()
    screen.photograph("choose")
    ours.get_by_role("button", name="Use the selected picture").click()
    until(lambda: is_live(row, second))
    row.refresh_from_db()
    assert (row.decision, row.live_id) == (Decision.CANDIDATE, second.pk)
    assert row.decided_by == people.editor
    expect(ours.get_by_text("Recomposition live")).to_be_visible()
    recomposed = public_picture(visitor, page)
    assert recomposed != crop

    ours.get_by_label("Standard crop", exact=True).check()
    ours.get_by_role("button", name="Use the selected picture").click()
    until(lambda: is_live(row, None))
    row.refresh_from_db()
    assert (row.decision, row.live_id) == (Decision.CROP, None)
    expect(ours.get_by_text("Standard crop chosen")).to_be_visible()
    assert public_picture(visitor, page) not in {recomposed}
    assert row.candidates.count() == 2
    assert len(site.gateway.requests) == 1
