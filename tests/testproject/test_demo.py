"""The demo site's parts, without starting it: `demo.py --once` does that."""

import ast
import importlib
import importlib.util
import re
import socket
import sys

import pytest
from PIL import Image
from support.paths import ROOT
from wagtail.images.models import Filter

PROJECT = ROOT / "testproject"
SITE = PROJECT / "demo"
PAGES = sorted([*SITE.rglob("*.html"), *SITE.rglob("*.jinja")])
PHOTOS = sorted([*SITE.glob("photos/*.png"), *SITE.glob("photos/*.jpg")])


def load(name):
    """A script of the demo as a module. `demo.py` has the same name as the package beside it."""
    spec = importlib.util.spec_from_file_location(f"demo_{name}", PROJECT / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def demo():
    return load("demo")


@pytest.fixture(scope="module")
def visitor():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(PROJECT)
        yield importlib.import_module("visitor")


@pytest.fixture(scope="module")
def tour(visitor):
    return load("tour")


def written_specs():
    """Every operation of ours in the demo's templates and code, one by one."""
    for path in [*PAGES, *SITE.glob("*.py")]:
        for text in re.findall(r"smartresize-[\w{},-]+", path.read_text()):
            yield from Filter.expand_spec(text)


class TestPages:
    @pytest.mark.parametrize(
        ("where", "how"),
        [
            ("templates/demo/home_page.html", r"{% image .* smartresize-\d+x\d+-c\d+"),
            ("templates/demo/home_page.html", r"{% srcset_image .* smartresize-{[\dx,]+}"),
            ("templates/demo/article_page.html", r"{% picture .* format-{\w+,\w+,\w+} smartresi"),
            ("templates/demo/article_page.html", r"smartresize-portrait"),
            ("templates/demo/ways_page.html", r"\|smart_resize:\""),
            ("templates/demo/ways_page.html", r"{% image_url .* \"smartresize-"),
            ("jinja2/demo/contact_sheet_page.jinja", r"\bimage\(.*smartresize-"),
            ("jinja2/demo/contact_sheet_page.jinja", r"\bpicture\(.*smartresize-"),
            ("jinja2/demo/contact_sheet_page.jinja", r"\bsrcset_image\(.*smartresize-"),
            ("jinja2/demo/contact_sheet_page.jinja", r"{{ smart_resize_labelled\("),
            ("templates/demo/article_page.html", r"{% smart_resize_label portrait"),
            ("templates/demo/article_page.html", r"{% smart_resize_labelled hero"),
            ("models.py", r"ImageRenditionField\(\"smartresize-"),
            ("models.py", r"prefetch_renditions\("),
            ("models.py", r"get_renditions\("),
            ("image_formats.py", r"Format\(.*smartresize-"),
        ],
    )
    def test_show_every_way_of_asking(self, where, how):
        assert re.search(how, (SITE / where).read_text())

    def test_ask_by_specs_that_wagtail_reads(self, visitor, settings):
        presets = visitor.WAGTAIL_SMART_RESIZE["PRESETS"]
        settings.WAGTAIL_SMART_RESIZE = settings.WAGTAIL_SMART_RESIZE | {"PRESETS": presets}
        specs = set(written_specs())
        assert len(specs) > 20
        for spec in specs:
            assert Filter(spec).operations

    @pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
    def test_hold_no_script_no_inline_style_and_nothing_from_elsewhere(self, page):
        text = page.read_text()
        assert not re.search(
            r"<script|<style|\sstyle=|\son\w+=|(?:src|href)=\"(?:https?:)?//", text
        )

    def test_the_style_loads_nothing(self):
        assert not re.search(r"@import|url\(", (SITE / "static/demo/site.css").read_text())


class TestPhotos:
    def test_each_is_attributed(self):
        attribution = (SITE / "photos" / "ATTRIBUTION.md").read_text()
        named = set(re.findall(r"^\| (\S+\.(?:png|jpg)) \|", attribution, re.MULTILINE))
        assert {photo.name for photo in PHOTOS} == named

    def test_focal_points_lie_in_the_picture(self, visitor):
        from demo import content

        assert {photo.file for photo in content.PHOTOS} == {photo.name for photo in PHOTOS}
        for photo in content.PHOTOS:
            with Image.open(SITE / "photos" / photo.file) as picture:
                x, y, width, height = photo.focus
                assert width / 2 <= x <= picture.width - width / 2
                assert height / 2 <= y <= picture.height


class TestCommand:
    def test_needs_nothing_but_python(self):
        tree = ast.parse((PROJECT / "demo.py").read_text())
        names = {
            name.split(".")[0]
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in ([node.module] if isinstance(node, ast.ImportFrom) else _names(node))
        }
        assert names <= sys.stdlib_module_names

    def test_switches_the_check_off_only_where_it_is_left_out(self, demo, tmp_path, monkeypatch):
        monkeypatch.delenv("SMART_RESIZE_DEMO_INTEGRITY", raising=False)
        site = "http://127.0.0.1:8000"
        assert "SMART_RESIZE_DEMO_INTEGRITY" not in demo.make_settings(tmp_path, site, False)
        without = demo.make_settings(tmp_path, site, True)
        assert without["SMART_RESIZE_DEMO_INTEGRITY"] == "off"

    def test_refuses_a_port_that_is_taken(self, demo):
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            with pytest.raises(demo.DemoError, match=f"Port {port} is taken"):
                demo.site_port(port)

    def test_takes_another_port_where_the_usual_one_is_taken(self, demo, monkeypatch):
        with socket.create_server(("127.0.0.1", 0)) as other:
            taken = other.getsockname()[1]
            monkeypatch.setattr(demo, "PREFERRED_PORT", taken)
            assert demo.site_port(None) != taken

    def test_keeps_the_password_to_its_owner(self, demo, tmp_path):
        password = demo.admin_password(tmp_path)
        assert len(password) >= 12
        assert demo.admin_password(tmp_path) == password
        assert (tmp_path / "password.txt").stat().st_mode & 0o077 == 0

    def test_tells_what_a_failing_step_printed(self, demo):
        program = "import sys; print('the reason'); sys.exit(3)"
        with pytest.raises(demo.DemoError, match=r"(?s)Step failed .*3.*the reason"):
            demo.call([sys.executable, "-c", program], "Step failed")

    def test_tells_when_a_server_ends_by_itself(self, demo, tmp_path):
        command = [sys.executable, "-c", "print('no database')"]
        server = demo.Server("The site", "http://127.0.0.1:9/", command, None, tmp_path / "log")
        server.process.wait()
        with pytest.raises(demo.DemoError, match=r"(?s)The site has ended.*no database"):
            server.wait()

    def test_stops_a_server_that_goes_on(self, demo, tmp_path):
        command = [sys.executable, "-c", "import time; time.sleep(60)"]
        server = demo.Server("The site", "http://127.0.0.1:9/", command, None, tmp_path / "log")
        server.stop()
        assert server.process.returncode


def _names(node):
    return [alias.name for alias in node.names]


class TestTour:
    """The visitor's own idea of what is right, independent of the code that it checks."""

    def shown(self, visitor, photo, spec, page="/"):
        return visitor.Shown(page, photo, spec, served=False)

    def test_reads_wagtails_file_names(self, visitor):
        url = "http://127.0.0.1/media/images/chelsea.85847e4f.format-avif.smartresize-960x300.avif"
        shown = visitor.recognise("/", url)
        assert shown == self.shown(visitor, "chelsea", "format-avif.smartresize-960x300")
        assert shown.slot == (960, 300)

    def test_reads_the_names_of_what_was_prepared(self, visitor):
        url = "/media/images/chelsea.0a1b2c3d4e5f.85847e4f.format-avif.smartresize-960x300.avif"
        shown = visitor.recognise("/", url)
        assert shown == self.shown(visitor, "chelsea", "format-avif.smartresize-960x300")

    def test_reads_names_that_wagtail_shortened(self, visitor):
        url = "/media/images/hubble_deep_fi.85847e4f.smartresize-200x200.format-webp.webp"
        assert visitor.recognise("/", url).photo == "hubble_deep_field"

    def test_reads_the_serve_views_addresses(self, visitor):
        shown = visitor.recognise("/", "/pictures/a-signature=/4/smartresize-300x300/coffee.png")
        assert (shown.photo, shown.slot, shown.served) == ("coffee", (300, 300), True)

    def test_knows_the_sizes_of_presets(self, visitor):
        assert self.shown(visitor, "coffee", "smartresize-hero").slot == (1920, 600)

    @pytest.mark.parametrize(
        ("spec", "recomposed"),
        [
            ("smartresize-1200x630", True),
            ("smartresize-300x300", True),
            ("smartresize-300x200", False),  # the photo's own shape
            ("smartresize-60x45", False),  # small
            ("smartresize-600x75", False),  # narrow
            ("fill-300x300", False),
        ],
    )
    def test_expects_recompositions_where_the_rules_allow_them(
        self, tour, visitor, spec, recomposed
    ):
        shown = self.shown(visitor, "coffee", spec)
        assert (shown in tour.expected({shown: "/url"})) == recomposed

    def test_expects_small_slots_too_where_their_shape_is_shown_large(self, tour, visitor):
        small, large = (
            self.shown(visitor, "coffee", f"smartresize-{s}") for s in ("48x48", "300x300")
        )
        assert tour.expected({small: "/small", large: "/large"}) == {small, large}

    @pytest.mark.parametrize(
        ("spec", "recomposed"),
        [
            ("smartresize-960x400", True),  # cuts nose and foot off
            ("smartresize-1200x630", False),  # keeps the rocket, though a fifth of the sky goes
            ("smartresize-300x300-c60", False),
        ],
    )
    def test_expects_by_the_focal_area_where_there_is_one(self, tour, visitor, spec, recomposed):
        shown = self.shown(visitor, "rocket", spec)
        assert (shown in tour.expected({shown: "/url"})) == recomposed

    def test_reads_from_a_page_what_waits_for_an_editor(self, visitor):
        reader = visitor.Reader()
        reader.feed('<span data-waits="garbled">waits</span><span data-other="1"></span>')
        assert reader.waiting == {"garbled"}

    def test_knows_by_name_what_the_check_stops(self, tour, visitor):
        from demo.settings import WAGTAIL_SMART_RESIZE

        spoilt = {
            name
            for name, preset in WAGTAIL_SMART_RESIZE["PRESETS"].items()
            if "sandbox:" in preset.get("prompt", "") and preset.get("keep_pixels", "no") == "no"
        }
        assert spoilt == tour.STOPPED

    def test_tells_a_wrong_shape(self, tour):
        assert tour.has_shape((451, 238), (1200, 630))
        assert not tour.has_shape((451, 300), (1200, 630))

    @pytest.mark.parametrize(
        ("url", "digest", "size", "problem"),
        [
            ("/new", "b", (300, 300), None),
            ("/new", "a", (300, 300), "still the crop"),
            ("/old", "b", (300, 300), "changed under its old address"),
            ("/new", "b", (301, 300), "has 301x300 px where the crop had 300x300"),
        ],
    )
    def test_tells_what_is_wrong_with_a_recomposition(
        self, tour, visitor, url, digest, size, problem
    ):
        before = visitor.Picture("/old", "a", (300, 300))
        shown = self.shown(visitor, "coffee", "smartresize-300x300")
        found = list(tour.recomposition_problems(shown, before, visitor.Picture(url, digest, size)))
        assert [problem in text for text in found] == ([True] if problem else [])
