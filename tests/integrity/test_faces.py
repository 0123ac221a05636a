"""Faces, and the focal area that they suggest."""

from functools import cache
from io import BytesIO

import pytest
from PIL import Image

pytest.importorskip("cv2", reason='pip install "wagtail-smart-resize[faces]"')
pytest.importorskip("numpy", reason='pip install "wagtail-smart-resize[faces]"')

from suites.integrity.photographs import HALVES

from wagtail_smart_resize.integrity import extra, faces
from wagtail_smart_resize.integrity.faces import Face, find, suggestion
from wagtail_smart_resize.integrity.report import Box

pytestmark = pytest.mark.any_version

needs_model = pytest.mark.skipif(
    not extra.finds_faces(), reason='pip install "wagtail-smart-resize[faces]"'
)

PHOTOGRAPHS = {each.name: each for each in HALVES["all"]}
#: Faces that are seen, beside those that were drawn by hand: these were drawn to be exchanged, so
#: only the large ones.
OTHERS = {"group": 5, "bakers": 1}


@cache
def found_in(name):
    return find(PHOTOGRAPHS[name].picture)


def in_pixels(area, size):
    width, height = size
    return Box(
        round(area.left * width),
        round(area.top * height),
        round(area.width * width),
        round(area.height * height),
    )


def middle(box):
    return box.left + box.width / 2, box.top + box.height / 2


def holds(box, point):
    x, y = point
    return box.left <= x < box.left + box.width and box.top <= y < box.top + box.height


def shared(box, area):
    """Return the share of the box that lies within the area."""
    across = min(box.left + box.width, area.left + area.width) - max(box.left, area.left)
    down = min(box.top + box.height, area.top + area.height) - max(box.top, area.top)
    return across * down / (box.width * box.height)


def lies_within(box, outer):
    return (
        outer.left <= box.left
        and outer.top <= box.top
        and box.left + box.width <= outer.left + outer.width
        and box.top + box.height <= outer.top + outer.height
    )


def face(left, top, width, height):
    return Face(Box(left, top, width, height), 0.9)


@needs_model
@pytest.mark.parametrize("name", [name for name, each in PHOTOGRAPHS.items() if each.faces])
def test_finds_the_faces_that_were_drawn_by_hand(name):
    photograph = PHOTOGRAPHS[name]
    boxes = [each.box for each in found_in(name)]
    for area in photograph.faces:
        drawn = in_pixels(area, photograph.picture.size)
        assert any(holds(drawn, middle(box)) and holds(box, middle(drawn)) for box in boxes)


@needs_model
@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_finds_no_face_where_there_is_none(name):
    assert len(found_in(name)) == len(PHOTOGRAPHS[name].faces) + OTHERS.get(name, 0)


@needs_model
@pytest.mark.parametrize("name", ["astronaut", "man", "group"])
def test_tells_the_largest_first_and_how_certain_each_is(name):
    found = found_in(name)
    heights = [each.box.height for each in found]
    assert heights == sorted(heights, reverse=True)
    assert all(faces.LEAST_SCORE <= each.score <= 1 for each in found)


@needs_model
def test_is_the_same_each_time():
    picture = PHOTOGRAPHS["group"].picture
    first = find(picture)
    find(PHOTOGRAPHS["man"].picture)
    assert find(picture) == first


@needs_model
@pytest.mark.parametrize(
    "size",
    [
        (1, 1),
        (1, 900),
        (15, 15),
        (16, 16),
        (33, 47),
        (640, 640),
        (9000, 30),
        (30, 9000),
        (90000, 1),
    ],
)
def test_finds_nothing_in_a_plain_picture_of_any_size(size):
    assert find(Image.new("RGB", size, (128, 128, 128))) == []


@needs_model
@pytest.mark.parametrize("place", [(0, 0), (1200, 0), (2400, 100)])
def test_finds_a_face_in_a_very_wide_picture(place):
    picture = Image.new("RGB", (3000, 612), (90, 110, 120))
    picture.paste(PHOTOGRAPHS["astronaut"].picture, place)
    (only,) = find(picture)
    (left, top) = place
    assert holds(Box(left + 178, top + 62, 89, 113), middle(only.box))


@needs_model
@pytest.mark.parametrize("factor", [0.5, 3, 8])
def test_the_size_of_the_picture_matters_little(factor):
    picture = PHOTOGRAPHS["man"].picture
    (other,) = find(picture.resize([round(side * factor) for side in picture.size]))
    (expected,) = (each.box for each in found_in("man"))
    sides = [side / factor for side in other.box]
    assert sides == pytest.approx(list(expected), abs=0.1 * expected.height)


@needs_model
@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "CMYK"])
def test_takes_pictures_that_are_not_rgb(mode):
    (only,) = find(PHOTOGRAPHS["astronaut"].picture.convert(mode))
    assert lies_within(Box(200, 100, 30, 30), only.box)


@needs_model
def test_exif_is_not_looked_at():
    """Whoever opens a picture turns it: it would be turned twice."""
    picture = PHOTOGRAPHS["astronaut"].picture
    exif = Image.Exif()
    exif[0x0112] = 6
    file = BytesIO()
    picture.save(file, "PNG", exif=exif)
    with Image.open(file) as opened:
        assert opened.getexif()[0x0112] == 6
        assert find(opened) == find(picture)


@needs_model
def test_boxes_lie_within_the_picture():
    picture = PHOTOGRAPHS["man"].picture
    width, height = picture.size
    cut = picture.crop((round(0.45 * width), 0, width, height))
    for each in find(cut):
        assert lies_within(each.box, Box(0, 0, *cut.size))


@needs_model
def test_takes_a_model_of_the_sites_own(monkeypatch):
    model = extra.face_model()
    monkeypatch.setattr(extra, "face_model", lambda: None)
    picture = PHOTOGRAPHS["astronaut"].picture
    assert find(picture) == []
    assert len(find(picture, model)) == 1


def test_without_the_extra_there_is_no_model_and_no_face(monkeypatch):
    monkeypatch.setattr(extra, "find_spec", lambda name: None)
    assert extra.face_model.__wrapped__() is None
    monkeypatch.setattr(extra, "face_model", lambda: None)
    assert extra.finds_faces.__wrapped__() is False
    assert find(PHOTOGRAPHS["astronaut"].picture) == []


def test_what_the_network_can_not_have_meant_is_left_out():
    rows = [
        [1.0, 2.0, float("inf"), 3.0, 0.9],
        [-50.0, 0.0, 20.0, 20.0, 0.9],
        [-5.0, 10.0, 20.0, 30.0, 0.95],
        [40.0, 10.0, 30.0, 70.0, 0.85],
    ]
    assert faces._faces(rows, (100, 80), (200, 160)) == [
        Face(Box(80, 20, 60, 140), 0.85),
        Face(Box(0, 20, 30, 60), 0.95),
    ]


def test_nothing_is_suggested_without_a_face():
    assert suggestion((800, 600), []) is None


def test_a_face_grows_to_head_and_shoulders():
    assert suggestion((800, 600), [face(300, 200, 80, 100)]) == Box(260, 140, 160, 210)


def test_the_suggestion_is_clipped_to_the_picture():
    assert suggestion((800, 600), [face(10, 20, 80, 100)]) == Box(0, 0, 130, 170)


CLOSE = [
    ((150, 100, 80, 100), Box(110, 40, 160, 210), "head and shoulders"),
    ((140, 80, 130, 170), Box(106, 29, 198, 264), "half of them"),
    ((100, 50, 220, 200), Box(80, 20, 260, 255), "a quarter"),
    ((60, 20, 270, 250), Box(60, 20, 270, 250), "the face alone"),
    ((0, 0, 400, 300), None, "it fills the picture"),
]


@pytest.mark.parametrize(("sides", "area", "why"), CLOSE)
def test_the_closer_a_face_the_less_is_added_to_it(sides, area, why):
    assert suggestion((400, 300), [face(*sides)]) == area, why


def test_the_suggestion_holds_all_faces_but_the_much_smaller_ones():
    largest, like_it, much_smaller = (
        face(100, 200, 80, 90),
        face(500, 220, 25, 30),
        face(700, 20, 24, 29),
    )
    assert suggestion((800, 600), [largest, like_it]) == Box(64, 146, 473, 189)
    assert suggestion((800, 600), [largest, like_it, much_smaller]) == Box(64, 146, 473, 189)
    assert suggestion((800, 600), [much_smaller, like_it, largest]) == Box(64, 146, 473, 189)


@needs_model
@pytest.mark.parametrize("name", [name for name, each in PHOTOGRAPHS.items() if each.faces])
def test_the_suggestion_holds_the_faces_that_were_drawn_by_hand(name):
    photograph = PHOTOGRAPHS[name]
    area = suggestion(photograph.picture.size, found_in(name))
    for drawn in photograph.faces:
        box = in_pixels(drawn, photograph.picture.size)
        # A close-up's area may end within what was drawn around it.
        assert lies_within(box, area) or shared(box, area) > 0.7
