"""Labels on visitors' pages: axe-core, places, large text, forced colours; without JavaScript."""

import pytest
from support.factories import live, photo

from suites.browser.harness import PHONE

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LABELS = 10
#: Each label that is not at rest within its picture's frame, or cut off, or off the window.
MISPLACED = """() => [...document.querySelectorAll(".smart-resize-ai-label")].filter((label) => {
  const { left, right, width, height } = label.getBoundingClientRect();
  const isCut = label.scrollWidth > label.clientWidth + 1;
  return !width || !height || isCut || left < 0 || right > window.innerWidth;
}).map((label) => `${label.className} in ${label.parentElement.outerHTML.slice(0, 200)}`)"""

#: How far a plate's sides lie within its picture: [left, top, right, bottom].
WITHIN = """(plate) => {
  const inner = plate.getBoundingClientRect();
  const outer = plate.parentElement.querySelector("img").getBoundingClientRect();
  return [inner.left - outer.left, inner.top - outer.top,
    outer.right - inner.right, outer.bottom - inner.bottom].map(Math.round);
}"""

#: What axe-core says of contrasts: how many labels it found good, and what it can't tell.
CONTRASTS = """async () => {
  const found = await axe.run(document, { runOnly: ["color-contrast"] });
  const labels = (rules) => rules.flatMap((rule) => rule.nodes)
    .filter((node) => node.html.startsWith('<span class="smart-resize-ai-label'));
  return [labels(found.passes).length, labels(found.incomplete).length];
}"""


@pytest.fixture
def labels(site):
    """Show a photograph that is recomposed for a square, and has the crop for all else."""
    image = photo(title="Rocket on the pad")
    live(image, colour="#8ab4d8")
    return "/labels/"


@pytest.mark.parametrize("direction", ["ltr", "rtl"])
@pytest.mark.parametrize("window", [None, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_nothing_is_cut(scheme, window, direction, labels, open_browser):
    options = {"viewport": window} if window else {}
    screen = open_browser(color_scheme=scheme, **options)
    tab = screen.open(f"{labels}?dir={direction}")
    assert tab.locator(".smart-resize-ai-label").count() == LABELS
    assert screen.accessibility_violations() == []
    assert tab.evaluate(CONTRASTS) == [LABELS, 0]
    assert screen.overflow() == []
    assert tab.evaluate(MISPLACED) == []
    screen.keep(f"labels {scheme} {direction}")


@pytest.mark.parametrize(
    ("direction", "corner", "near"),
    [
        ("ltr", "top-start", {0, 1}),
        ("ltr", "top-end", {1, 2}),
        ("ltr", "bottom-start", {0, 3}),
        ("ltr", "bottom-end", {2, 3}),
        ("rtl", "top-start", {1, 2}),
        ("rtl", "bottom-end", {0, 3}),
    ],
)
def test_a_plate_lies_in_its_corner(direction, corner, near, labels, open_browser):
    tab = open_browser().open(f"{labels}?dir={direction}")
    plates = tab.locator(f"span > .smart-resize-ai-label--{corner}")
    sides = plates.first.evaluate(WITHIN)
    assert {side for side, distance in enumerate(sides) if distance == 8} == near
    assert min(sides) >= 0


def test_text_of_twice_the_size_is_whole(labels, open_browser):
    for window in ({"width": 640, "height": 400}, {"width": 320, "height": 480}):
        screen = open_browser(viewport=window)
        tab = screen.open(labels)
        tab.evaluate("document.documentElement.style.fontSize = '200%'")
        assert tab.evaluate(MISPLACED) == []
        assert screen.overflow() == []
        screen.keep(f"large {window['width']}")


def test_a_plate_has_an_edge_and_the_users_colours_where_they_force_them(labels, open_browser):
    screen = open_browser(forced_colors="active")
    tab = screen.open(labels)
    plate = tab.locator(".smart-resize-ai-label--over").first
    style = plate.evaluate(
        """(plate) => {
          const page = document.createElement("p");
          page.style = "color: CanvasText; background: Canvas";
          document.body.append(page);
          const own = getComputedStyle(plate), wanted = getComputedStyle(page);
          return [own.color === wanted.color, own.backgroundColor === wanted.backgroundColor,
            own.borderTopWidth, own.borderTopColor === own.color, own.visibility];
        }"""
    )
    assert style == [True, True, "1px", True, "visible"]
    screen.keep("forced colours")


def test_labels_need_no_script(labels, open_browser):
    tab = open_browser(java_script_enabled=False).open(labels)
    assert tab.locator(".smart-resize-ai-label").count() == LABELS
    assert tab.locator(".smart-resize-ai-label").first.is_visible()
    assert tab.locator("#crop .smart-resize-ai-label").count() == 0
