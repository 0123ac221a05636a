"""The command that checks two files, with the extra and without."""

import io
import json

import pytest
from django.core.management import CommandError, call_command
from PIL import Image, ImageOps
from support.paths import PHOTOS

from wagtail_smart_resize.integrity import extra

pytestmark = pytest.mark.any_version

needs_extra = pytest.mark.skipif(
    not extra.is_installed(), reason='pip install "wagtail-smart-resize[integrity]"'
)


@pytest.fixture
def files(tmp_path):
    """An original, and a function that saves a result beside it."""
    with Image.open(PHOTOS / "astronaut.png") as picture:
        original = picture.convert("RGB")
    original.save(tmp_path / "original.png")

    def save(result):
        path = tmp_path / "result.png"
        result.save(path)
        return tmp_path / "original.png", path

    return original, save


def printed(*arguments, **options):
    out = io.StringIO()
    call_command("smart_resize_integrity", *map(str, arguments), stdout=out, **options)
    return out.getvalue()


@needs_extra
class TestTheReport:
    def test_says_that_nothing_differs(self, files):
        original, save = files
        text = printed(*save(original))
        assert text.startswith("It passes.\nNothing that was compared looks different.")
        assert "Score: 1.00; scale: 1.00." in text

    def test_says_what_does(self, files):
        original, save = files
        text = printed(*save(ImageOps.mirror(original)))
        assert text.startswith("It does not pass.\nIt is mirrored.")

    def test_is_one_object_of_json(self, files):
        original, save = files
        report = json.loads(printed(*save(original), "--json", "--focus=150,10,150,190"))
        assert (report["found"], report["passed"], report["reasons"]) == (True, True, [])
        assert report["focus_inside"] == 1.0
        assert report["changed"] == []
        assert {"score", "scale", "stretch", "mirrored", "matrix", "inside"} <= set(report)

    def test_is_drawn(self, files, tmp_path):
        original, save = files
        printed(*save(original), f"--map={tmp_path / 'map.jpg'}")
        with Image.open(tmp_path / "map.jpg") as drawn:
            assert drawn.size == original.size

    def test_tells_where_the_map_can_not_be_written(self, files, tmp_path):
        original, save = files
        for name in ("map.none", "no/folder/map.jpg"):
            with pytest.raises(CommandError, match="Can't write"):
                printed(*save(original), f"--map={tmp_path / name}")

    @pytest.mark.parametrize("focus", ["1,2,3", "a,b,c,d", "1.5,0,10,10", ","])
    def test_tells_how_a_focal_area_is_written(self, files, focus):
        original, save = files
        with pytest.raises(CommandError, match="four whole numbers such as 120,40,300,260"):
            printed(*save(original), f"--focus={focus}")

    @pytest.mark.parametrize("focus", ["0,0,513,10", "0,500,10,13", "-1,0,10,10", "5,5,0,10"])
    def test_tells_of_one_that_lies_outside(self, files, focus):
        original, save = files
        with pytest.raises(CommandError, match="does not lie within the original, which has 512"):
            printed(*save(original), f"--focus={focus}")

    def test_tells_of_a_file_that_is_no_picture(self, files, tmp_path):
        original, save = files
        there, result = save(original)
        result.write_bytes(b"none")
        with pytest.raises(CommandError, match=r"Can't read .*result\.png as a picture"):
            printed(there, result)
        with pytest.raises(CommandError, match=r"Can't read .*gone\.png"):
            printed(tmp_path / "gone.png", there)


def test_without_the_extra_it_says_how_to_get_it(files, monkeypatch):
    original, save = files
    monkeypatch.setattr(extra, "is_installed", lambda: False)
    with pytest.raises(CommandError, match=r'pip install "wagtail-smart-resize\[integrity\]"'):
        printed(*save(original))
