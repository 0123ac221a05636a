"""Make `tour.gif`, the moving picture of the README, on a demo site that is running.

`python docs/images/make_tour.py http://127.0.0.1:8000 PASSWORD`, in an environment that has
Playwright and Pillow; CHROMIUM names the browser. The image is the one of the man, the demo's last.
"""

import io
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

HERE = Path(__file__).parent
#: Size of the window and of the moving picture, in pixels.
WINDOW, SHOWN = {"width": 1200, "height": 620}, (960, 496)
#: How long frames are shown, a screen moves, and a version is made, in milliseconds.
LONG, SHORT = 2200, 160
SETTLED, MADE = 900, 90_000

Frame = tuple[Image.Image, int]


def main(address: str, password: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport=WINDOW)
        log_in(page, address, password)
        frames = list(tour(page, address))
        browser.close()
    save(frames)


def log_in(page: Page, address: str, password: str) -> None:
    page.goto(f"{address}/admin/login/")
    page.fill("[name=username]", "admin")
    page.fill("[name=password]", password)
    page.click("button[type=submit]")
    page.goto(f"{address}/admin/images/?ordering=-created_at")


def tour(page: Page, address: str) -> Iterator[Frame]:
    """Yield frames: the places of the image, its hero, the AI version that is made, and its use."""
    page.get_by_role("link", name="A man before a wall").first.click()
    page.wait_for_url(re.compile(r"/images/\d+/"))
    image = re.search(r"/images/(\d+)/", page.url)[1]
    screen = f"{address}/admin/images/{image}/smart-resize/"
    page.goto(screen)
    page.wait_for_load_state("networkidle")
    yield shot(page), LONG
    page.locator("a.smart-resize-tile__link", has_text="Article hero").first.click()
    make = page.locator(".smart-resize-film").get_by_text("Make an AI version")
    make.wait_for()
    page.wait_for_timeout(SETTLED)
    yield shot(page), LONG
    make.click()
    button = page.get_by_role("button", name="Make 1 AI version")
    button.wait_for()
    page.wait_for_timeout(SETTLED)
    yield shot(page), LONG
    button.click()
    place = page.locator("a.smart-resize-tile__link", has_text="Article hero").first
    page.get_by_text("1 version").first.wait_for(timeout=MADE)
    place.click()
    page.get_by_role("button", name="Use this version").wait_for()
    page.wait_for_timeout(SETTLED)
    yield shot(page), LONG
    page.keyboard.press("2")
    handle = page.get_by_label("How much of the original is shown")
    handle.wait_for()
    page.wait_for_timeout(SETTLED)
    for value in (500, 750, 900, 600, 300, 50):
        handle.fill(str(value))
        yield shot(page), SHORT
    yield shot(page), LONG // 2
    page.get_by_role("button", name="Use this version").click()
    page.wait_for_timeout(SETTLED)
    yield shot(page), 2 * LONG


def shot(page: Page) -> Image.Image:
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB").resize(SHOWN)


def save(frames: list[Frame]) -> None:
    pictures = [picture.quantize(128, dither=Image.Dither.NONE) for picture, _duration in frames]
    pictures[0].save(
        HERE / "tour.gif",
        save_all=True,
        append_images=pictures[1:],
        duration=[duration for _picture, duration in frames],
        loop=0,
        optimize=True,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
