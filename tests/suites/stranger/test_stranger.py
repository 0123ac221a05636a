"""From a site without this package to a recomposed picture, by the README's steps alone."""

import re
import socket
import time
from importlib.metadata import version

import flit_core.buildapi
import pytest
from support.paths import PHOTOS

from suites.browser.harness import FLAGS, chromium, missing

from .newsite import OLD_TAG, PASSWORD, TEMPLATE, NewSite
from .readme import README, REPOSITORY, read_steps

pytestmark = pytest.mark.stranger

PHOTO = PHOTOS / "astronaut.png"

#: Returns the page's picture reduced to 32 times 16 pixels of red, green, blue, for comparison.
READ_PICTURE = """async () => {
  const image = document.querySelector("main img");
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [32, 16];
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0, 32, 16);
  const pixels = [...context.getImageData(0, 0, 32, 16).data].filter((_, at) => at % 4 < 3);
  const { src, naturalWidth, naturalHeight } = image;
  return { src, size: [naturalWidth, naturalHeight], pixels };
}"""


@pytest.fixture(scope="module")
def tab():
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("no Playwright: install the extra `browser`")
    path = chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        tab = browser.new_page(locale="en-GB")
        tab.set_default_timeout(30_000)
        yield tab
        browser.close()


@pytest.fixture
def new_site(tab, tmp_path):
    """Create a working site, and the wheel that takes the place of the repository."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(README.parent)
        wheel = tmp_path / flit_core.buildapi.build_wheel(str(tmp_path))
    site = NewSite(tmp_path, wheel)
    site.start()
    return site


def free_ports():
    with socket.socket() as one, socket.socket() as other:
        for each in (one, other):
            each.bind(("127.0.0.1", 0))
        return str(one.getsockname()[1]), str(other.getsockname()[1])


def test_the_readme_leads_from_a_new_site_to_a_recomposed_picture(new_site, tab, capsys):
    site_port, sandbox_port = free_ports()
    url = f"http://127.0.0.1:{site_port}"
    readme = read_steps()

    # The README's ports may be taken on this machine, and the wheel takes the repository's place.
    # Nothing else is changed.
    def as_here(text):
        text = text.replace("8899", sandbox_port).replace("8000", site_port)
        return text.replace(REPOSITORY, f" @ {new_site.wheel.as_uri()}")

    runserver = f"{readme.runserver.strip()} --noreload 127.0.0.1:{site_port}"
    with new_site.running(runserver, url):
        log_in(tab, url)
        upload(tab, url)
        new_site.type(f'python manage.py shell -c "{SHOW_THE_PHOTO}"')
        crop = shown_picture(tab, url)
    assert re.search(r"\.fill-1200x630\.", crop["src"])

    assert REPOSITORY in readme.install
    started = time.monotonic()
    new_site.type(as_here(readme.install))
    installed = time.monotonic()
    new_site.change(TEMPLATE, OLD_TAG, readme.tag)
    sandbox = as_here(readme.sandbox).strip()
    gateway = f"http://127.0.0.1:{sandbox_port}"
    with new_site.running(sandbox, gateway), new_site.running(runserver, url):
        before = shown_picture(tab, url)
        approve(tab, url)
        after = wait_for_new_picture(tab, url, before)
    ended = time.monotonic()

    assert before["pixels"] == crop["pixels"], "with nothing live it is Wagtail's crop"
    assert re.search(r"\.smartresize-1200x630\.", before["src"])
    assert after["src"] != before["src"], "a new picture has a new address"
    assert after["size"] == before["size"]
    assert difference(before, after) > 10
    with capsys.disabled():
        print(
            f"\nWagtail {version('wagtail')}: the block that installs took "
            f"{installed - started:.0f} s with its downloads, two servers and the first approved "
            f"picture {ended - installed:.0f} s more. Typed: 3 commands; edited: 1 tag."
        )


SHOW_THE_PHOTO = (
    "from home.models import HomePage; from wagtail.images.models import Image; "
    "HomePage.objects.update(photo=Image.objects.get())"
)


def log_in(tab, url):
    tab.goto(f"{url}/admin/login/")
    tab.fill("[name=username]", "admin")
    tab.fill("[name=password]", PASSWORD)
    tab.click("[type=submit]")
    tab.wait_for_url(f"{url}/admin/")


def upload(tab, url):
    tab.goto(f"{url}/admin/images/multiple/add/")
    tab.set_input_files("input[type=file]", PHOTO)
    tab.get_by_role("button", name="Update").wait_for()


def shown_picture(tab, url):
    tab.goto(url)
    return tab.evaluate(READ_PICTURE)


def wait_for_new_picture(tab, url, before):
    """Return what the page shows once that changes: seconds after the editor has approved it."""
    for _try in range(120):
        now = shown_picture(tab, url)
        if now["src"] != before["src"]:
            break
        tab.wait_for_timeout(500)
    return now


def approve(tab, url):
    """Wait for the version in the review, and approve it as an editor does."""
    review = f"{url}/admin/reports/smart-resize/review/"
    approve = tab.get_by_role("button", name="Approve AI version 1")
    for _try in range(60):
        tab.goto(review)
        if approve.count():
            break
        tab.wait_for_timeout(500)
    # The button sleeps until the version is drawn: the click waits for that.
    approve.click()
    tab.get_by_text("Nothing more here awaits your decision.").wait_for()
    tab.goto(review)
    tab.get_by_text("Nothing awaits your decision.").wait_for()


def difference(one, other):
    """Return the mean difference of the pixels, of 255."""
    pairs = zip(one["pixels"], other["pixels"], strict=True)
    return sum(abs(a - b) for a, b in pairs) / len(one["pixels"])
