"""Opens Chromium for a user, and checks the screens."""

import io
import os
import re
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.conf import settings
from django.test import Client
from PIL import Image

from . import csp

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # No page of ours may need another host. An interception of each request would do, too, but it
    # stops all of them while a test waits for something else than the browser.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
]
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}

#: Milliseconds that a busy machine may take for what a person would see at once.
TIMEOUT_MS = 60_000

#: What speaks a button's name must find its text: axe-core's rule is not among its ordinary ones.
EXPERIMENTAL = {"label-content-name-mismatch": {"enabled": True}}

#: Wagtail's button for filters shows their number, and does not speak it.
WAGTAILS = ".w-dropdown__toggle"

#: Where the guide's pictures are written; not docs/images unless asked for.
PICTURES = Path(os.environ.get("EDITORS_PICTURES") or settings.WORK_DIR / "pictures")


def missing(what: str) -> None:
    """Skip with a reason; fail where BROWSER_REQUIRED promises a browser."""
    if os.environ.get("BROWSER_REQUIRED") == "1":
        pytest.fail(what)
    pytest.skip(what)


def chromium() -> str:
    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), "")
    if not found:
        missing("no Chromium: install it, or name it in CHROMIUM")
    return found


def axe_script() -> str:
    try:
        import axe_playwright_python as axe
    except ImportError:
        missing("no axe-core: install the extra `browser`")
    return (Path(axe.__file__).parent / "axe.min.js").read_text()


#: Counts what a person does: presses of the pointer, and of keys. Text that is filled in counts as
#: nothing: it is as long as one likes.
EFFORT = """(() => {
  const count = (name) => {
    const found = JSON.parse(localStorage.getItem("effort") || '{"clicks": 0, "keys": 0}');
    found[name] += 1;
    localStorage.setItem("effort", JSON.stringify(found));
  };
  addEventListener("pointerdown", (event) => event.isTrusted && count("clicks"), true);
  addEventListener("keydown", (event) => event.isTrusted && !event.repeat && count("keys"), true);
})()"""


class Effort(NamedTuple):
    clicks: int
    keys: int


class Screen:
    """A tab of one user, and the checks of its screen."""

    def __init__(self, context: Any, url: str) -> None:
        self.tab = context.new_page()
        self.url = url

    def open(self, path: str) -> Any:
        self.tab.goto(self.url + path)
        return self.tab

    def click(self, role: str, name: str, **options: Any) -> None:
        self.tab.get_by_role(role, name=name, **options).click()

    def slow_down(self) -> None:
        """Give the tab a slow connection, and no cache: 400 ms, 100 kB a second."""
        session = self.tab.context.new_cdp_session(self.tab)
        session.send("Network.enable")
        session.send("Network.setCacheDisabled", {"cacheDisabled": True})
        a_second = 100 * 1024
        slow = {"latency": 400, "downloadThroughput": a_second, "uploadThroughput": a_second}
        session.send("Network.emulateNetworkConditions", {"offline": False, **slow})

    # What a job takes

    def begin(self) -> None:
        """Begin to count what the user does."""
        self.tab.evaluate("localStorage.removeItem('effort')")

    def effort(self) -> Effort:
        """Return what the user has done since `begin`, and begin anew."""
        found = self.tab.evaluate("JSON.parse(localStorage.getItem('effort') || '{}')")
        self.begin()
        return Effort(found.get("clicks", 0), found.get("keys", 0))

    # Checks of every screen

    def violations(self) -> list[str]:
        """Return the violations of the Content-Security-Policy in the current document."""
        return self.tab.evaluate("window.smartResizeViolations")

    def accessibility_violations(self, *within: str) -> list[str]:
        """Return what axe-core finds on the screen, or in these parts of it, one line each."""
        self.tab.wait_for_load_state()
        settle(self.tab)
        self.tab.evaluate(axe_script())
        found = self.tab.evaluate(
            "([within, rules]) => axe.run(within, { rules })",
            [{"include": list(within) or ["html"], "exclude": [WAGTAILS]}, EXPERIMENTAL],
        )
        assert found["passes"], "axe-core looked at nothing"
        return [
            f"{rule['id']}: {rule['help']}: {node['html'][:300]} ({node['failureSummary'][:300]})"
            for rule in found["violations"]
            for node in rule["nodes"]
        ]

    def overflow(self) -> list[str]:
        """Return our elements that are wider than their container, or lie outside the window."""
        return self.tab.evaluate(
            """() => {
              const root = document.scrollingElement, main = document.querySelector("main");
              const found = [];
              for (const [name, box] of [["document", root], ["main", main]]) {
                if (box.scrollWidth > box.clientWidth + 1) {
                  found.push(`${name}: ${box.scrollWidth} in ${box.clientWidth}`);
                }
              }
              for (const each of document.querySelectorAll("[class*=smart-resize-]")) {
                const { bottom, left, right, width } = each.getBoundingClientRect();
                if (!width || each.closest(".w-sr-only, [hidden], #listing-results"))
                  continue;
                // The loupe shows a part of a picture: the rest lies around it, with its marks.
                if (each.matches(".smart-resize-loupe__view *")) continue;
                if (left < -1 || right > window.innerWidth + 1) {
                  const name = each.getAttribute("class");
                  found.push(`${name}: ${Math.round(left)} to ${Math.round(right)}`);
                }
                const isCut = getComputedStyle(each).overflowX === "hidden"
                  && each.scrollWidth > each.clientWidth + 1;
                if (isCut && each.querySelector("button, a")) {
                  found.push(`${each.className}: ${each.scrollWidth} cut to ${each.clientWidth}`);
                }
                // Sticks to the bottom of its dialog, all of which has to be within the window.
                if (each.matches(".smart-resize-room__foot") && bottom > window.innerHeight + 1) {
                  found.push(`${each.className}: ends at ${Math.round(bottom)}`);
                }
              }
              return found;
            }"""
        )

    def reversed_sizes(self) -> list[str]:
        """Return the visible sizes whose first digit does not stand left of the last."""
        return self.tab.evaluate(
            """() => {
              const found = [], range = document.createRange();
              const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
              const place = (node, at) => {
                range.setStart(node, at);
                range.setEnd(node, at + 1);
                return range.getBoundingClientRect();
              };
              while (walker.nextNode()) {
                const node = walker.currentNode;
                for (const { 0: size, index } of node.data.matchAll(/\\d+[×x]\\d+/g)) {
                  const first = place(node, index), last = place(node, index + size.length - 1);
                  if (first.width && first.left >= last.left) found.push(size);
                }
              }
              return found;
            }"""
        )

    def keep(self, name: str) -> None:
        """Save a picture of the window in the folder SCREENS, if that is set, to be looked at."""
        if folder := os.environ.get("SCREENS"):
            settle(self.tab)
            test = os.environ["PYTEST_CURRENT_TEST"].split("::")[-1].split(" ")[0]
            name = re.sub(r"[^\w\[\]-]+", "-", f"{name} {test}")
            self.tab.screenshot(path=Path(folder) / f"{name}.png", animations="disabled")

    def screenshot(self, name: str) -> None:
        """Save a picture of the window for the guide, with few enough colours to be small."""
        settle(self.tab)
        data = self.tab.screenshot(animations="disabled", caret="hide")
        PICTURES.mkdir(parents=True, exist_ok=True)
        with Image.open(io.BytesIO(data)) as opened:
            few = opened.convert("RGB").quantize(256, dither=Image.Dither.NONE)
        few.save(PICTURES / f"editors-{name}.png", optimize=True)


def settle(tab: Any) -> None:
    """Wait until all visible pictures are loaded and no short animation runs."""
    tab.evaluate(
        """async () => {
          const shown = [...document.images].filter((image) => {
            const { top, bottom, width } = image.getBoundingClientRect();
            return width && bottom > 0 && top < window.innerHeight;
          });
          await Promise.all(shown.map((image) => image.decode().catch(() => {})));
          const isShort = (each) => each.effect?.getComputedTiming().endTime < 2000;
          const moving = document.getAnimations().filter(isShort);
          await Promise.all(moving.map((each) => each.finished.catch(() => {})));
        }"""
    )


def log_in(context: Any, url: str, user: Any) -> None:
    client = Client()
    client.force_login(user)
    key = client.cookies[settings.SESSION_COOKIE_NAME].value
    context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": key, "url": url}])


def context_of(browser: Any, **options: Any) -> Any:
    """Create a fresh profile."""
    context = browser.new_context(**{"viewport": DESKTOP, "locale": "en-GB", **options})
    context.set_default_timeout(TIMEOUT_MS)
    context.add_init_script(csp.LISTENER)
    context.add_init_script(EFFORT)
    return context
