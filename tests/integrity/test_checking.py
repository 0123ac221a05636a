"""The check of a result against its original, with one result of each kind."""

import json
from functools import cache

import pytest
from PIL import Image

pytest.importorskip("cv2", reason='pip install "wagtail-smart-resize[integrity]"')
pytest.importorskip("numpy", reason='pip install "wagtail-smart-resize[integrity]"')

import numpy as np
from suites.integrity import pairs
from suites.integrity.photographs import HALVES

from wagtail_smart_resize.integrity.checking import check
from wagtail_smart_resize.integrity.report import Box, Reason, Report

pytestmark = pytest.mark.any_version

PHOTOGRAPHS = {each.name: each for each in HALVES["all"]}
KINDS = {each.name: each for each in pairs.KINDS}


@cache
def coffee():
    return PHOTOGRAPHS["coffee"].picture


#: Its cup.
CUP = Box(174, 16, 252, 312)


def put_into(picture, size, scale, left, top):
    """A result: the picture at this scale and place, and one colour around it."""
    result = Image.new("RGB", size, (120, 110, 90))
    width, height = (round(side * scale) for side in picture.size)
    result.paste(picture.resize((width, height)), (left, top))
    return result


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_nothing_of_a_photograph_differs_from_itself(name):
    picture = PHOTOGRAPHS[name].picture
    report = check(picture, picture)
    assert report.measures.changed == ()
    assert report.score > 0.98


@pytest.mark.parametrize("kind", ["pasted", "redrawn, drift 0.8 %", "much extended"])
def test_a_faithful_result_passes(kind):
    pair = pairs.pair(PHOTOGRAPHS["coffee"], KINDS[kind])
    assert check(pair.original, pair.result, pair.focus).reasons == ()


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("another picture", Reason.NOT_FOUND),
        ("subject replaced", Reason.SUBJECT_CHANGED),
        ("subject removed", Reason.SUBJECT_CHANGED),
        ("mirrored", Reason.MIRRORED),
        ("stretched", Reason.STRETCHED),
        ("subject recoloured", Reason.SUBJECT_CHANGED),
        ("subject mirrored in place", Reason.SUBJECT_CHANGED),
        ("subject shrunk in place", Reason.SUBJECT_CHANGED),
        ("small part replaced", Reason.SUBJECT_CHANGED),
    ],
)
def test_an_unfaithful_result_does_not_pass(kind, reason):
    pair = pairs.pair(PHOTOGRAPHS["coffee"], KINDS[kind])
    assert check(pair.original, pair.result, pair.focus).reasons[0] == reason


def test_an_exchanged_face_does_not_pass():
    pair = pairs.pair(PHOTOGRAPHS["astronaut"], KINDS["face exchanged"])
    assert Reason.SUBJECT_CHANGED in check(pair.original, pair.result, pair.focus).reasons


def test_a_subject_mirrored_or_resized_in_its_place_is_told():
    mirrored = pairs.pair(PHOTOGRAPHS["coffee"], KINDS["subject mirrored in place"])
    assert check(mirrored.original, mirrored.result, mirrored.focus).measures.subject_mirrored
    shrunk = pairs.pair(PHOTOGRAPHS["coffee"], KINDS["subject shrunk in place"])
    assert check(shrunk.original, shrunk.result, shrunk.focus).measures.resized < 0.85


def test_a_cut_subject_does_not_pass():
    result = put_into(coffee(), (400, 400), 1.0, -300, 0)
    assert Reason.CUT_OFF in check(coffee(), result, CUP).reasons


def test_scale_and_place_are_told_in_whole_pixels():
    measures = check(coffee(), put_into(coffee(), (900, 500), 0.8, 310, 90), CUP).measures
    assert measures.scale == pytest.approx(0.8, abs=0.005)
    a, b, c, d, e, f = measures.matrix
    assert (a, b, d, e) == pytest.approx((0.8, 0, 0, 0.8), abs=0.005)
    assert (c, f) == pytest.approx((310, 90), abs=1.5)
    assert measures.inside == pytest.approx(1.0, abs=0.01)
    assert measures.focus_inside == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("factor", [1, 4])
def test_all_is_told_in_pixels_of_the_whole_original(factor):
    """The original may have been reduced before: by a decoder, for instance."""
    changed = coffee().copy()
    changed.paste(PHOTOGRAPHS["loaf"].picture.resize((120, 120)), (240, 120))
    whole = tuple(side * factor for side in coffee().size)
    focus = Box(*(side * factor for side in CUP))
    result = put_into(changed, (900, 500), 0.8, 310, 90)
    measures = check(coffee(), result, focus, whole=whole).measures
    assert measures.scale == pytest.approx(0.8 / factor, rel=0.01)
    assert measures.matrix[2] == pytest.approx(310, abs=2)
    left, top, width, height = (side / factor for side in measures.changed[0])
    assert (left, top) == pytest.approx((240, 120), abs=25)
    assert (left + width, top + height) == pytest.approx((360, 240), abs=25)
    assert measures.focus_inside == pytest.approx(1.0, abs=0.01)


def test_where_a_mirrored_original_lies_is_told_too():
    flipped = coffee().transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    measures = check(coffee(), put_into(flipped, (900, 500), 0.8, 310, 90), CUP).measures
    assert measures.mirrored
    assert measures.matrix[0] == pytest.approx(-0.8, abs=0.01)
    assert measures.matrix[2::3] == pytest.approx((310 + 480, 90), abs=3)


def test_large_pictures_give_the_same_matrix_as_small_ones():
    original = coffee().resize((2400, 1600))
    result = put_into(original, (2000, 1800), 0.7, 100, 300)
    measures = check(original, result).measures
    assert measures.scale == pytest.approx(0.7, abs=0.005)
    assert measures.matrix[2::3] == pytest.approx((100, 300), abs=4)


def test_a_report_is_kept_as_json_and_comes_back():
    pair = pairs.pair(PHOTOGRAPHS["coffee"], KINDS["small part replaced"])
    report = check(pair.original, pair.result, pair.focus)
    stored = json.loads(json.dumps(report.to_json()))
    back = Report.from_json(stored)
    assert back.to_json() == stored
    assert (back.reasons, back.passed) == (report.reasons, report.passed)
    assert back.measures.changed == report.measures.changed


def test_the_same_pair_gives_the_same_report_twice():
    pair = pairs.pair(PHOTOGRAPHS["coffee"], KINDS["redrawn, drift 1.2 %"])
    reports = [check(pair.original, pair.result, pair.focus) for _time in range(2)]
    assert reports[0] == reports[1]


def test_without_a_focal_area_all_parts_count_alike():
    good = check(coffee(), put_into(coffee(), (900, 500), 0.8, 310, 90))
    assert good.passed
    assert (good.measures.subject, good.measures.focus_inside) == (None, None)
    pair = pairs.pair(PHOTOGRAPHS["coffee"], KINDS["subject replaced"])
    assert Reason.PART_CHANGED in check(pair.original, pair.result).reasons


@pytest.mark.parametrize(
    "focus",
    [Box(0, 0, 600, 400), Box(590, 390, 10, 10), Box(300, 200, 1, 1), Box(0, 0, 600, 2)],
)
def test_a_focal_area_may_have_any_size(focus):
    assert check(coffee(), put_into(coffee(), (900, 500), 0.8, 310, 90), focus).passed


@pytest.mark.parametrize("size", [(1, 1), (2, 30), (8, 8), (24, 16)])
def test_tiny_pictures_are_not_found_rather_than_a_crash(size):
    tiny = coffee().resize(size)
    report = check(tiny, tiny, Box(0, 0, *size))
    assert report.reasons == (Reason.NOT_FOUND,)
    assert check(coffee(), tiny, CUP).reasons == (Reason.NOT_FOUND,)
    assert check(tiny, coffee(), Box(0, 0, *size)).reasons == (Reason.NOT_FOUND,)


def test_pictures_of_one_colour_are_not_found():
    red = Image.new("RGB", (500, 300), (200, 20, 20))
    assert check(red, red, Box(10, 10, 100, 100)).reasons == (Reason.NOT_FOUND,)
    assert check(coffee(), red, CUP).reasons == (Reason.NOT_FOUND,)


def test_a_very_wide_picture():
    wide = Image.new("RGB", (4 * 600, 160))
    for number, name in enumerate(("coffee", "loaf", "stew", "town")):
        piece = PHOTOGRAPHS[name].picture.crop((0, 150, 600, 310))
        wide.paste(piece, (600 * number, 0))
    focus = Box(650, 10, 500, 140)
    good = put_into(wide, (2400, 400), 0.9, 100, 120)
    assert check(wide, good, focus).passed
    other = wide.copy()
    other.paste(PHOTOGRAPHS["buns"].picture.resize((500, 140)), (650, 10))
    bad = put_into(other, (2400, 400), 0.9, 100, 120)
    assert Reason.SUBJECT_CHANGED in check(wide, bad, focus).reasons


def test_a_grey_picture_and_one_that_was_given_colours():
    grey = coffee().convert("L").convert("RGB")
    assert check(grey, put_into(grey, (900, 500), 0.8, 310, 90), CUP).passed
    reddish = np.asarray(grey).astype(float) * (1.0, 0.55, 0.4)
    red = put_into(Image.fromarray(reddish.astype(np.uint8)), (900, 500), 0.8, 310, 90)
    assert not check(grey, red, CUP).passed
