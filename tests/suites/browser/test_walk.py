"""The jobs of a picture editor, from the login to what visitors see, with what each takes."""

import csv
import re

import pytest
from support.factories import candidate, photo, recomposition
from support.waiting import until
from testapp.models import PicturePage

from suites.browser.harness import Effort
from suites.browser.sample_data import ask, page_with, photos, review_mode
from wagtail_smart_resize import actions
from wagtail_smart_resize.editorial.states import published_file
from wagtail_smart_resize.models import ImageVersion, OptOut, Recomposition

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

Decision = Recomposition.Decision


def tile(tab, name):
    return tab.locator(".smart-resize-tile:visible", has_text=name)


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


def screen_of(image):
    return f"/admin/images/{image.pk}/smart-resize/"


@pytest.fixture
def rocket(site, people):
    return photo(title="Rocket on the pad", collection=people.here)


def with_versions(image, user, count=2, slot="1200x630"):
    """Give the place versions that await a decision."""
    # A page that shows the image may have asked for it.
    row = image.smart_resize_recompositions.first()
    row = row or recomposition(image, slot)
    row.update_if(where={}, purchase=Recomposition.Purchase.IDLE, asked_by=user)
    for colour in ("steelblue", "gold", "teal")[:count]:
        candidate(row, colour)
    Recomposition.objects.filter(pk=row.pk).note_review(by_person=True)
    return row


def test_from_the_login_to_a_version_and_back(site, settings, people, worker, open_browser):
    """Understand the loss, ask for two versions, compare, choose, undo, choose, keep the crop."""
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
    screen.begin()
    tab.locator("header").get_by_role("button", name="Actions").click()
    screen.screenshot("menu")
    tab.get_by_role("link", name="Smart resize", exact=True).click()
    tab.wait_for_url(f"**/admin/images/{image.pk}/smart-resize/")
    expect(tile(tab, "Teaser")).to_contain_text("Crop cuts away")
    assert screen.effort() == Effort(clicks=2, keys=0)
    screen.screenshot("sheet")

    tile(tab, "Teaser").get_by_role("link").click()
    room = tab.get_by_role("dialog")
    expect(room.get_by_text("the frame is the crop")).to_be_visible()
    room.get_by_role("link", name="Make an AI version").click()
    room.get_by_role("button", name="Keep everyone whole").click()
    expect(room.get_by_label("Prompt")).to_have_value("Keep everyone whole.")
    room.get_by_label("2", exact=True).check()
    buy = room.get_by_role("button", name="Make 2 AI versions · 0.24 USD")
    expect(buy).to_be_visible()
    screen.screenshot("make")
    buy.click()
    expect(tab).to_have_title(re.compile("^Under way"))
    # The wish and the number of versions are of one's own choice.
    assert screen.effort() == Effort(clicks=3 + 2, keys=0)
    tab.evaluate("window.isTheSameDocument = true")
    expect(tile(tab, "Teaser").get_by_role("progressbar")).to_be_visible()
    screen.screenshot("progress")
    expect(tab).to_have_title(re.compile("^To decide"))
    assert tab.evaluate("window.isTheSameDocument"), "it finished only by a reload"
    row = Recomposition.objects.get(image=image)
    first, second = row.candidates.order_by("pk")
    assert (first.stored, second.stored) == (True, True)
    assert row.live is None
    assert len(site.gateway.requests) == 1
    assert site.gateway.requests[0]["prompt"] == "Keep everyone whole."

    screen.begin()
    tile(tab, "Teaser").get_by_role("link", name="Compare").click()
    expect(room.get_by_role("button", name="AI version 2")).to_have_attribute(
        "aria-pressed", "true"
    )
    screen.screenshot("room")
    tab.keyboard.press("2")
    expect(room.get_by_role("slider")).to_be_enabled()
    expect(room.locator("[data-part=edge]")).to_have_attribute("width", re.compile("[1-9]"))
    screen.screenshot("slider")
    tab.keyboard.press("3")
    expect(room.locator(".smart-resize-loupe__frame")).to_have_attribute(
        "width", re.compile("[1-9]")
    )
    expect(room.get_by_text("to the same size")).to_be_visible()
    screen.screenshot("full")
    tab.keyboard.press("1")
    use = room.get_by_role("button", name="Use this version")
    expect(use).to_be_enabled()
    use.click()
    expect(room).to_be_hidden()
    # Three ways to compare are looked at before.
    assert screen.effort() == Effort(clicks=2, keys=3)
    tab.keyboard.press("z")
    assert screen.effort() == Effort(clicks=0, keys=1)
    until(lambda: Recomposition.objects.get(pk=row.pk).decision == Decision.NONE, "it was undone")
    assert Recomposition.objects.get(pk=row.pk).live is None
    assert public_picture(visitor, page) == crop

    tile(tab, "Teaser").get_by_role("link", name="Compare").click()
    expect(use).to_be_enabled()
    tab.keyboard.press("u")
    until(lambda: Recomposition.objects.get(pk=row.pk).live == second, "it is chosen again")
    until(lambda: is_live(row, second), "the choice is live", pause=0.1)
    row.refresh_from_db()
    assert (row.decision, row.live_id) == (Decision.CANDIDATE, second.pk)
    assert row.decided_by == people.editor
    expect(tile(tab, "Teaser")).to_contain_text("AI version 2")
    recomposed = public_picture(visitor, page)
    assert recomposed != crop

    tile(tab, "Teaser").get_by_role("link").first.click()
    room.get_by_role("button", name="Keep the crop").click()
    until(lambda: is_live(row, None), "the crop is back", pause=0.1)
    assert public_picture(visitor, page) != recomposed
    assert row.candidates.count() == 2
    assert len(site.gateway.requests) == 1


def test_a_version_is_refined(site, settings, people, worker, open_browser):
    from playwright.sync_api import expect

    settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, "AUTO_GENERATE": False}
    image = photo(title="Rocket on the pad", collection=people.here)
    row = recomposition(image, "1200x630", purchase=Recomposition.Purchase.IDLE)
    actions.request_recomposition(
        image,
        [actions.ResizeTarget.for_row(row)],
        user=people.editor,
        options=actions.GenerationOptions(prompt="More sky"),
    )
    until(lambda: row.candidates.filter(stored=True).count() == 1, "the version is there")
    screen = open_browser(people.editor)
    tab = screen.open(screen_of(image))
    tile(tab, "Teaser").get_by_role("link", name="Compare").click()
    room = tab.get_by_role("dialog")
    screen.begin()
    room.get_by_role("link", name="Refine this version…").click()
    prompt = room.get_by_label("Prompt")
    expect(prompt).to_have_value("More sky")
    prompt.fill("More sky, and the tower whole")
    room.get_by_role("button", name="Make 1 AI version · 0.12 USD").click()
    expect(tab).to_have_title(re.compile("^To decide"))
    until(lambda: row.candidates.filter(stored=True).count() == 2, "the refined version is there")
    assert screen.effort() == Effort(clicks=2, keys=0)
    assert [each["prompt"] for each in site.gateway.requests] == [
        "More sky",
        "More sky, and the tower whole",
    ]


def test_the_free_remedy_comes_first(site, people, rocket, open_browser):
    from playwright.sync_api import expect

    screen = open_browser(people.editor)
    tab = screen.open(screen_of(rocket))
    screen.begin()
    tab.get_by_role("button", name="Move the focal area").click()
    crops = tab.locator("[data-smart-resize-focal-target=crop] svg")
    before = [each.get_attribute("viewBox") for each in crops.all()]
    box = tab.locator(".smart-resize-focal-move .smart-resize-focal-box")
    place = box.bounding_box()
    tab.mouse.move(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
    tab.mouse.down()
    tab.mouse.move(place["x"] + 10, place["y"] + 10, steps=5)
    tab.mouse.up()
    after = [each.get_attribute("viewBox") for each in crops.all()]
    assert before != after
    screen.screenshot("focal")
    tab.get_by_role("button", name="Save focal area").click()
    expect(tab.get_by_role("button", name="Move the focal area")).to_be_visible()
    assert screen.effort() == Effort(clicks=3, keys=0)
    rocket.refresh_from_db()
    saved = rocket.get_focal_point()
    assert saved is not None
    assert not site.gateway.requests
    tab.get_by_role("button", name="Undo").click()
    until(
        lambda: not type(rocket).objects.get(pk=rocket.pk).has_focal_point(),
        "the focal area is as before",
    )


def test_the_crops_of_the_browser_are_wagtails(site, people, rocket, open_browser):
    """The script repeats Wagtail's calculation: both have to agree, whatever the focal area."""
    from wagtail_smart_resize.admin.image import crop_frame
    from wagtail_smart_resize.core.sizes import Size, Slot

    slots = ["1920x600", "400x400", "300x900", "100x100-c50", "600x200-c100", "2000x100-c30"]
    areas = [
        None,
        (0, 0, 10, 10),
        (500, 300, 120, 100),
        (10, 380, 600, 40),
        (320, 200, 1, 1),
        (0, 0, 640, 427),
        (600, 5, 40, 400),
    ]
    tab = open_browser(people.editor).open(screen_of(rocket))
    size = Size(640, 427)
    for area in areas:
        if area:
            left, top, width, height = area
            rocket.focal_point_x, rocket.focal_point_y = left + width / 2, top + height / 2
            rocket.focal_point_width, rocket.focal_point_height = width, height
        for slot in map(Slot.parse, slots):
            frame = crop_frame.frame_of(rocket, slot, size)
            ours = tab.evaluate(
                "([image, slot, area]) => smartResizeFill(image, slot, area)",
                [
                    {"width": size.width, "height": size.height},
                    {
                        "width": slot.size.width,
                        "height": slot.size.height,
                        "closeness": slot.closeness,
                    },
                    area and dict(zip(("left", "top", "width", "height"), area, strict=True)),
                ],
            )
            found = (ours["left"], ours["top"], ours["width"], ours["height"])
            expected = (frame.left, frame.top, frame.crop_width, frame.crop_height)
            assert found == pytest.approx(expected, abs=1), (area, str(slot))


def test_what_waits_is_cancelled(site, people, rocket, open_browser):
    from playwright.sync_api import expect

    row = recomposition(rocket, "1200x630", waiting_reason="budget")
    screen = open_browser(people.editor)
    tab = screen.open(screen_of(rocket))
    expect(tile(tab, "Teaser")).to_contain_text("Budget used up")
    expect(tab).to_have_title(re.compile("^Waiting"))
    tile(tab, "Teaser").get_by_role("button", name="Cancel").click()
    expect(tile(tab, "Teaser").get_by_role("button", name="Cancel")).to_be_hidden()
    assert screen.effort() == Effort(clicks=1, keys=0)
    row.refresh_from_db()
    assert row.purchase == Recomposition.Purchase.IDLE


def test_opting_out_goes_back_to_the_crop(site, people, rocket, worker, open_browser):
    from playwright.sync_api import expect

    row = with_versions(rocket, people.editor, 1)
    actions.choose(row.candidates.get(), user=people.editor)
    until(lambda: is_live(row, row.candidates.get()), "the version is live")
    screen = open_browser(people.editor)
    tab = screen.open(screen_of(rocket))
    tab.get_by_text("Never change this image").first.click()
    tab.get_by_label("Reason").fill("Her face must stay hers.")
    tab.get_by_label("And go back to the crop in 1 place").check()
    tab.get_by_role("button", name="Never change this image").click()
    expect(tab.get_by_text("Her face must stay hers.")).to_be_visible()
    assert screen.effort() == Effort(clicks=3, keys=0)
    assert OptOut.objects.filter(image=rocket).exists()
    until(lambda: is_live(row, None), "the crop is back")


def test_the_crop_everywhere_can_be_undone(site, people, rocket, open_browser):
    from playwright.sync_api import expect

    row = with_versions(rocket, people.editor, 1)
    chosen = row.candidates.get()
    actions.choose(chosen, user=people.editor)
    tab = open_browser(people.editor).open(screen_of(rocket))
    tab.get_by_text("Use the crop everywhere").click()
    tab.get_by_role("button", name="Use the crop", exact=True).click()
    expect(tab.get_by_role("button", name="Undo")).to_be_visible()
    row.refresh_from_db()
    assert row.decision == Decision.CROP
    tab.keyboard.press("z")
    until(lambda: Recomposition.objects.get(pk=row.pk).live == chosen, "it is undone")


def test_three_images_at_once_from_the_listing_to_the_batch(site, people, worker, open_browser):
    from playwright.sync_api import expect

    images = photos(people.here)
    screen = open_browser(people.editor)
    tab = screen.open("/admin/images/")
    for image in images:
        tab.locator(f"[data-object-id='{image.pk}']").check()
    screen.screenshot("listing")
    tab.get_by_role("link", name="Make AI versions of the selected images").click()
    tab.get_by_label("Teaser").check()
    tab.get_by_label("On no published page").check()
    buy = tab.get_by_role("button", name="Make 3 AI versions")
    expect(buy).to_be_visible()
    expect(tab.get_by_role("table")).to_contain_text("0.36 USD")
    # Until then the answer to the last choice may still take the place of what is shown.
    expect(tab.locator("[data-smart-resize-estimate-target=region][aria-busy]")).to_have_count(0)
    assert not site.gateway.requests
    buy.scroll_into_view_if_needed()
    screen.screenshot("bulk")
    buy.click()
    tab.wait_for_url("**/reports/smart-resize/?batch=*")
    assert screen.effort() == Effort(clicks=3 + 4, keys=0)
    tab.evaluate("window.isTheSameDocument = true")
    expect(tab.get_by_role("heading", name="The batch is done: 3 AI versions")).to_be_visible()
    assert tab.evaluate("window.isTheSameDocument"), "it went on only by a reload"
    expect(tab.locator(".smart-resize-batch .smart-resize-tile img")).to_have_count(3)
    screen.screenshot("batch")
    rows = Recomposition.objects.filter(image__in=images)
    assert {row.image_id for row in rows} == {image.pk for image in images}
    assert all(row.live is None for row in rows)
    assert len(site.gateway.requests) == 3


def test_the_review_is_done_by_keyboard_alone(site, settings, people, run, open_browser):
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
    entries = tab.locator(".smart-resize-strip__one")
    approve = tab.get_by_role("button", name=re.compile("^Approve AI version"))
    expect(entries).to_have_count(3)
    expect(approve).to_be_enabled()
    screen.screenshot("review")

    screen.begin()
    tab.keyboard.press("j")
    expect(entries.nth(1)).to_have_attribute("aria-current", "true")
    expect(approve).to_be_enabled()
    tab.keyboard.press("d")
    tab.keyboard.press("f")
    expect(entries).to_have_count(2)
    expect(approve).to_be_enabled()
    tab.keyboard.press("k")
    expect(entries.nth(0)).to_have_attribute("aria-current", "true")
    expect(approve).to_be_enabled()
    tab.keyboard.press("2")
    tab.keyboard.press("a")
    expect(entries).to_have_count(1)
    # Two entries are decided, one of them for the second version and the other with a reason.
    assert screen.effort() == Effort(clicks=0, keys=6)
    tab.keyboard.press("z")
    expect(entries).to_have_count(2)
    expect(approve).to_be_enabled()
    tab.keyboard.press("2")
    tab.keyboard.press("a")
    expect(entries).to_have_count(1)
    expect(approve).to_be_enabled()
    tab.keyboard.press("a")
    expect(tab.get_by_text("Nothing more here awaits your decision.")).to_be_visible()

    for row in (first, second, third):
        row.refresh_from_db()
    assert second.decision == Decision.CROP
    assert first.live == first.candidates.order_by("pk")[1]
    assert third.live == third.candidates.order_by("pk")[0]
    assert {row.decided_by for row in (first, second, third)} == {people.editor}


def test_nothing_is_approved_that_was_not_shown(site, settings, people, run, open_browser):
    from playwright.sync_api import expect

    review_mode(settings)
    for image in photos(people.here):
        ask(image, people.editor, count=1)
    run()
    screen = open_browser(people.editor)
    held = []
    screen.tab.route("**/candidates/**", lambda route: held.append(route))
    screen.tab.goto(f"{site.url}/admin/reports/smart-resize/review/", wait_until="commit")
    tab = screen.tab
    approve = tab.get_by_role("button", name=re.compile("^Approve AI version"))
    expect(approve).to_be_disabled()
    for key in "adx":
        tab.keyboard.press(key)
    assert not Recomposition.objects.exclude(decision=Decision.NONE).exists()
    tab.get_by_role("button", name="Approve all…").click()
    expect(tab.get_by_role("dialog")).to_contain_text("None of them has been shown to you yet")
    tab.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    for route in held:
        route.continue_()
    screen.tab.unroute("**/candidates/**")
    expect(approve).to_be_enabled()
    tab.get_by_role("button", name="Approve all…").click()
    dialog = tab.get_by_role("dialog")
    expect(dialog).to_contain_text("2 stay in review")
    dialog.get_by_role("button", name="Publish 1 version").click()
    expect(tab.locator(".smart-resize-strip__one")).to_have_count(2)
    assert Recomposition.objects.filter(decision=Decision.CANDIDATE).count() == 1


#: Notes for each decision that a script sends whether the picture that it names was drawn.
ACTED = """(() => {
  const drawn = (picture) => Boolean(picture && picture.complete && picture.naturalWidth);
  const send = window.fetch;
  window.acted = [];
  window.fetch = (url, options) => {
    const address = String(url.url || url);
    if (options?.method === "POST" && /choose|decide/.test(address)) {
      const version = options.body.get("choice") || options.body.get("approve");
      const shown = [...document.querySelectorAll(`img[src*="/candidates/${version}/"]`)];
      const seen = shown.filter((each) => each.checkVisibility());
      window.acted.push(seen.length > 0 && seen.every(drawn));
    }
    return send(url, options);
  };
})()"""


@pytest.mark.parametrize("where", ["review", "room"])
def test_on_a_slow_network_nothing_acts_on_what_is_not_shown(
    where, site, settings, people, run, open_browser
):
    review_mode(settings)
    rows = [ask(image, people.editor) for image in photos(people.here)]
    run()
    screen = open_browser(people.editor)
    screen.tab.add_init_script(ACTED)
    screen.slow_down()
    tab = screen.tab
    if where == "review":
        tab.goto(f"{site.url}/admin/reports/smart-resize/review/", wait_until="commit")
        key = "a"
    else:
        tab.goto(site.url + screen_of(rows[0].image), wait_until="commit")
        tile(tab, "Teaser").get_by_role("link", name="Compare").click()
        key = "u"
    # As impatient as can be: before anything is drawn, and on each version that is turned to.
    presses = 0
    while not tab.evaluate("window.acted.length"):
        tab.keyboard.press(key)
        tab.keyboard.press("ArrowLeft")
        tab.keyboard.press(key)
        tab.keyboard.press("ArrowRight")
        presses += 1
    assert presses > 1, "the network was not slow"
    assert tab.evaluate("window.acted") == [True]
    until(
        lambda: Recomposition.objects.filter(decision=Decision.CANDIDATE).count() == 1,
        "it is decided",
    )


def test_a_pages_places_are_shown_and_tried_in_its_preview(site, people, run, open_browser):
    from playwright.sync_api import expect

    image = photo(title="Rocket on the pad", collection=people.here)
    page = page_with(image)
    visitor = open_browser()
    crop = public_picture(visitor, page)
    with_versions(image, people.superuser, 1)
    screen = open_browser(people.superuser)
    tab = screen.open(f"/admin/pages/{page.pk}/edit/")
    tab.locator("[name=title]").fill("Not saved yet")
    strip = tab.locator(".smart-resize-on-page")
    expect(strip).to_contain_text("Teaser")
    strip.scroll_into_view_if_needed()
    screen.screenshot("page")
    screen.begin()
    strip.get_by_role("link", name="Look at 1 version").click()
    room = tab.get_by_role("dialog")
    room.get_by_role("button", name="Show in preview").click()
    expect(strip).to_contain_text("AI version 1 is in your preview")
    tab.get_by_role("button", name="Toggle preview").click()
    shown = tab.frame_locator("iframe[id*=preview]").locator("img")
    expect(shown).to_be_visible()
    expect(shown).not_to_have_attribute("src", crop)
    assert screen.effort() == Effort(clicks=3, keys=0)
    screen.screenshot("preview")
    assert tab.locator("[name=title]").input_value() == "Not saved yet"
    assert public_picture(visitor, page) == crop
    assert PicturePage.objects.get(pk=page.pk).title == "Launch day"


def test_who_decided_what_is_found_in_the_history(site, people, rocket, open_browser):
    row = with_versions(rocket, people.editor, 2)
    actions.choose(row.candidates.last(), user=people.editor)
    screen = open_browser(people.editor)
    tab = screen.open(screen_of(rocket))
    tab.get_by_role("link", name="History").click()
    line = tab.get_by_role("row", name=re.compile("Chose AI version 2"))
    assert "1200×630" in line.inner_text()
    assert "Ann" in line.inner_text()
    assert screen.effort() == Effort(clicks=1, keys=0)


def test_the_report_is_narrowed_down_and_exported(site, settings, people, run, open_browser):
    from playwright.sync_api import expect

    rows = [ask(image, people.editor, count=1) for image in photos(people.here)]
    run()
    for row in (rows[0], rows[2]):
        actions.choose(row.candidates.get(), user=people.editor)
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
    tab.get_by_role("radio", name="Crop").check()
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
