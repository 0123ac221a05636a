"""Make `tour.gif`, the moving picture of the README, on a demo site that is running.

`python docs/images/make_tour.py http://127.0.0.1:8000 PASSWORD`, in an environment that has
Playwright and Pillow; CHROMIUM names the browser. The image is the one of the man, the demo's last.
"""

import io
import os
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

HERE = Path(__file__).parent
#: Size of the window and of the moving picture, in pixels.
WINDOW, SHOWN = {"width": 1200, "height": 620}, (960, 496)
#: How long frames are shown, in milliseconds.
LONG, SHORT = 2200, 90


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


def tour(page: Page, address: str):
    page.get_by_role("link", name="A man before a wall").first.click()
    image = page.url.rstrip("/").split("/")[-1]
    page.goto(f"{address}/admin/images/{image}/smart-resize/")
    page.wait_for_load_state("networkidle")
    yield shot(page), LONG
    page.locator("a.smart-resize-tile__link", has_text="Article hero").first.click()
    page.get_by_text("Make an AI version").last.wait_for()
    page.wait_for_timeout(800)
    yield shot(page), LONG
    page.get_by_role("dialog").get_by_text("Make an AI version").click()
    page.get_by_role("button", name="Make 1 AI version").click()
    page.get_by_text("AI version 1").first.wait_for(timeout=60_000)
    page.goto(f"{address}/admin/images/{image}/smart-resize/places/hero-3200/")
    page.get_by_text("AI version 1").first.wait_for(timeout=60_000)
    page.wait_for_timeout(1200)
    yield shot(page), LONG


def shot(page: Page) -> Image.Image:
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB").resize(SHOWN)


def save(frames) -> None:
    pictures = [picture.quantize(160, dither=Image.Dither.NONE) for picture, _duration in frames]
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
