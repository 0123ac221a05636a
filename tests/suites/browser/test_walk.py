"""What editors do, from the login to what visitors see."""

import csv
import re

import pytest
from support.factories import photo
from support.waiting import until

from suites.browser.sample_data import ask, page_with, photos, review_mode
from wagtail_smart_resize.editorial import actions
from wagtail_smart_resize.editorial.states import published_file
from wagtail_smart_resize.models import ImageVersion, Recomposition

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

Decision = Recomposition.Decision


def card(tab, text):
    return tab.locator("section.w-panel", has_text=text)


def is_live(row, chosen):
    """Tell whether visitors see this candidate; None stands for the crop."""
    version = ImageVersion.objects.get(pk=row.image_id)
    return published_file(row, version) == (chosen.file.name if chosen else "")


def public_picture(screen, page):
    """Return the address of the picture that a visitor's browser shows."""
    screen.open(page.url)
    picture = screen.tab.locator("img")
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    return picture.get_attribute("src")


def test_from_the_login_to_the_second_candidate_and_back_to_the_crop(
    site, settings, people, worker, open_browser
):
    from playwright.sync_api import expect

    settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, "AUTO_GENERATE": False}
    site.gateway.misbehave("slow", times=1, where="status")
    image = photo(title="Rocket on the pad", collection=people.here)
    page = page_with(image)
    visitor = open_browser()
    crop = public_picture(visitor, page)

    screen = open_browser()
    tab = screen.open("/admin/")
    tab.get_by_label("Username").fill("editor")
    tab.locator("input[name=password]").fill("secret")
    tab.get_by_role("button", name="Sign in").click()
    screen.open(f"/admin/images/{image.pk}/")
    tab.locator("header").get_by_role("button", name="Actions").click()
    screen.screenshot("menu")
    tab.get_by_role("link", name="Smart resize", exact=True).click()
    tab.wait_for_url(f"**/admin/images/{image.pk}/smart-resize/")
    screen.screenshot("image")

    ours = card(tab, "Teaser")
    ours.locator("summary").click()
    ours.get_by_label("Number of pictures").select_option("2")
    expect(ours.locator("output")).to_contain_text("0.24")
    ours.locator("form.smart-resize-form").scroll_into_view_if_needed()
    screen.screenshot("generate")
    ours.locator("form.smart-resize-form button[type=submit]").click()
    expect(tab).to_have_title(re.compile("^Under way"))
    tab.evaluate("window.isTheSameDocument = true")
    expect(ours.locator("progress")).to_be_visible()
    expect(ours.get_by_text("Being recomposed")).to_be_visible()
    ours.scroll_into_view_if_needed()
    screen.screenshot("progress")
    expect(tab).to_have_title(re.compile("^Done"))
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
    screen.screenshot("compare")
    tab.keyboard.press("Escape")
    expect(dialog).to_be_hidden()

    ours.get_by_label("Picture 2", exact=True).check()
    ours.scroll_into_view_if_needed()
    screen.screenshot("choose")
    ours.get_by_role("button", name="Use the selected picture").click()
    until(lambda: is_live(row, second), "the choice is live", pause=0.1)
    row.refresh_from_db()
    assert (row.decision, row.live_id) == (Decision.CANDIDATE, second.pk)
    assert row.decided_by == people.editor
    expect(ours.get_by_text("Recomposition live")).to_be_visible()
    recomposed = public_picture(visitor, page)
    assert recomposed != crop

    ours.get_by_label("Standard crop", exact=True).check()
    ours.get_by_role("button", name="Use the selected picture").click()
    until(lambda: is_live(row, None), "the crop is back", pause=0.1)
    row.refresh_from_db()
    assert (row.decision, row.live_id) == (Decision.CROP, None)
    expect(ours.get_by_text("Standard crop chosen")).to_be_visible()
    assert public_picture(visitor, page) not in {recomposed}
    assert row.candidates.count() == 2
    assert len(site.gateway.requests) == 1


def test_three_images_at_once_from_the_listing_to_the_batch(site, people, worker, open_browser):
    from playwright.sync_api import expect

    images = photos(people.here)
    screen = open_browser(people.editor)
    tab = screen.open("/admin/images/")
    for image in images:
        tab.locator(f"[data-object-id='{image.pk}']").check()
    screen.screenshot("listing")
    tab.get_by_role("link", name="Have the selected images recomposed").click()
    tab.get_by_label("Teaser").check()
    buy = tab.get_by_role("button", name="Yes, generate 3 pictures")
    expect(buy).to_be_visible()
    expect(tab.get_by_role("table")).to_contain_text("0.36 USD")
    assert not site.gateway.requests
    buy.scroll_into_view_if_needed()
    screen.screenshot("bulk")
    buy.click()
    tab.wait_for_url("**/reports/smart-resize/?batch=*")
    tab.evaluate("window.isTheSameDocument = true")
    expect(tab.get_by_role("heading", name="The batch is done: 3 pictures")).to_be_visible()
    assert tab.evaluate("window.isTheSameDocument"), "it went on only by a reload"
    expect(tab.locator("#listing-results tbody tr")).to_have_count(3)
    screen.screenshot("batch")
    rows = Recomposition.objects.filter(image__in=images)
    assert {row.image_id for row in rows} == {image.pk for image in images}
    assert all(row.live.stored for row in rows)
    assert len(site.gateway.requests) == 3


def test_the_review_queue_is_worked_off_by_keyboard_alone(
    site, settings, people, run, open_browser
):
    from playwright.sync_api import expect

    review_mode(settings)
    for image in photos(people.here):
        ask(image, people.editor)
    run()
    # Several are fetched at once, so they may arrive in another order than they were asked for.
    first, second, third = Recomposition.objects.order_by("awaiting_review_since", "pk")
    screen = open_browser(people.editor)
    tab = screen.open("/admin/")
    for _press in range(40):
        tab.keyboard.press("Tab")
        if tab.evaluate("document.activeElement.href || ''").endswith("/smart-resize/review/"):
            break
    tab.keyboard.press("Enter")
    tab.wait_for_url("**/reports/smart-resize/review/")
    entries = tab.locator(".smart-resize-review__entry")
    expect(entries).to_have_count(3)
    screen.screenshot("review")

    tab.keyboard.press("j")
    expect(entries.nth(0)).to_be_focused()
    tab.keyboard.press("j")
    expect(entries.nth(1)).to_be_focused()
    tab.keyboard.press("d")
    expect(entries).to_have_count(2)
    expect(entries.nth(1)).to_be_focused()
    tab.keyboard.press("k")
    tab.keyboard.press("2")
    expect(entries).to_have_count(1)
    expect(entries.nth(0)).to_be_focused()
    tab.keyboard.press("a")
    expect(tab.get_by_text("Nothing awaits your review.")).to_be_visible()

    for row in (first, second, third):
        row.refresh_from_db()
    assert second.decision == Decision.CROP
    assert first.live == first.candidates.order_by("position", "pk")[1]
    assert third.live == third.candidates.order_by("position", "pk")[0]
    assert {row.decided_by for row in (first, second, third)} == {people.editor}


def test_the_report_is_narrowed_down_and_exported(site, settings, people, run, open_browser):
    from playwright.sync_api import expect

    rows = [ask(image, people.editor) for image in photos(people.here)]
    run()
    actions.use_crop(rows[1], user=people.editor)
    run()
    screen = open_browser(people.editor)
    tab = screen.open("/admin/reports/smart-resize/")
    lines = tab.locator("#listing-results tbody tr")
    expect(lines).to_have_count(3)
    screen.screenshot("report")
    tab.get_by_role("button", name="Show filters").click()
    tab.get_by_role("button", name="Live", exact=True).click()
    screen.screenshot("filters")
    tab.get_by_role("radio", name="Standard crop").check()
    expect(lines).to_have_count(1)
    expect(lines).to_contain_text(rows[1].image.title)
    tab.keyboard.press("Escape")
    tab.locator("header").get_by_role("button", name="Actions").click()
    with tab.expect_download() as download:
        tab.get_by_role("link", name="Download CSV").click()
    with open(download.value.path(), encoding="utf-8-sig", newline="") as file:
        records = list(csv.DictReader(file))
    assert [record["Image"] for record in records] == [rows[1].image.title]
    assert records[0]["Image ID"] == str(rows[1].image_id)
