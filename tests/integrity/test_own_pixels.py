"""The photograph's own pixels, laid over its subject in a result."""

from dataclasses import replace
from functools import cache

import pytest
from PIL import Image

pytest.importorskip("cv2", reason='pip install "wagtail-smart-resize[integrity]"')
pytest.importorskip("numpy", reason='pip install "wagtail-smart-resize[integrity]"')

import cv2
import numpy as np
from suites.integrity import pairs
from suites.integrity.own_pixels import MOVED, ssim, ssim_of_subject
from suites.integrity.photographs import HALVES

from wagtail_smart_resize.integrity.checking import check
from wagtail_smart_resize.integrity.own_pixels import CantLay, Why, lay
from wagtail_smart_resize.integrity.report import Box, Measures

pytestmark = pytest.mark.any_version

PHOTOGRAPHS = {each.name: each for each in HALVES["all"]}
KINDS = {each.name: each for each in pairs.KINDS}
#: The cup of the photograph "coffee", and where the photograph lies in the results below.
CUP = Box(174, 16, 252, 312)
RIGHT = Measures(found=True, matrix=(0.8, 0, 310, 0, 0.8, 90), inside=1, agreement=1)


def coffee():
    return PHOTOGRAPHS["coffee"].picture


def put_into(picture, size=(900, 500), scale=0.8, left=310, top=90):
    """A result: the picture at this scale and place, and one colour around it."""
    result = Image.new("RGB", size, (120, 110, 90))
    width, height = (round(side * scale) for side in picture.size)
    result.paste(picture.resize((width, height)), (left, top))
    return result


@cache
def made(name, kind):
    pair = pairs.pair(PHOTOGRAPHS[name], MOVED if kind == MOVED.name else KINDS[kind])
    return pair, check(pair.original, pair.result, pair.focus).measures


def laid_of(name, kind):
    pair, measures = made(name, kind)
    return pair, lay(pair.original, pair.result, measures, pair.focus)


@pytest.mark.parametrize(
    "kind", ["redrawn, drift 0.8 %", "subject recoloured", "small part replaced"]
)
def test_inside_are_the_photographs_own_pixels(kind):
    pair, laid = laid_of("coffee", kind)
    assert laid.picture.size == pair.result.size
    assert laid.picture.mode == "RGB"
    assert ssim_of_subject(pair, laid.picture, laid) > 0.9
    assert ssim_of_subject(pair, pair.result, laid) < 0.9


def test_they_are_sampled_and_toned_but_not_bent():
    pair, laid = laid_of("coffee", "redrawn, drift 0.8 %")
    left, top, width, height = laid.area
    inside = np.s_[top + 2 : top + height - 2, left + 2 : left + width - 2]
    own = cv2.warpAffine(np.asarray(pair.original), laid.matrix, pair.result.size)
    ours, theirs = (np.asarray(each)[inside] for each in (Image.fromarray(own), laid.picture))
    assert (
        ssim(cv2.cvtColor(ours, cv2.COLOR_RGB2GRAY), cv2.cvtColor(theirs, cv2.COLOR_RGB2GRAY)) > 0.9
    )
    assert np.abs(ours.astype(float).mean(axis=(0, 1)) - theirs.mean(axis=(0, 1))).max() < 25


def test_nothing_changes_outside():
    pair, laid = laid_of("coffee", "redrawn, drift 0.8 %")
    left, top, width, height = laid.area
    around = round(0.06 * max(pair.result.size))
    outside = np.ones(pair.result.size[::-1], bool)
    outside[
        max(0, top - around) : top + height + around, max(0, left - around) : left + width + around
    ] = False
    assert outside.any()
    before, after = np.asarray(pair.result), np.asarray(laid.picture)
    assert (before[outside] == after[outside]).all()


def test_the_same_pictures_give_the_same_result():
    _pair, first = laid_of("coffee", "subject recoloured")
    _pair, second = laid_of("coffee", "subject recoloured")
    assert first.picture.tobytes() == second.picture.tobytes()
    assert (first.seam, first.area, first.share) == (second.seam, second.area, second.share)


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("another picture", Why.NOT_FOUND),
        ("mirrored", Why.MIRRORED),
        ("stretched", Why.STRETCHED),
        ("subject mirrored in place", Why.SUBJECT_MIRRORED),
    ],
)
def test_they_are_never_laid_where_they_do_not_belong(kind, why):
    with pytest.raises(CantLay) as raised:
        laid_of("coffee", kind)
    assert raised.value.why == why


def test_a_subject_that_was_moved_is_not_laid_twice():
    with pytest.raises(CantLay):
        laid_of("waterfall", MOVED.name)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"found": False}, Why.NOT_FOUND),
        ({"mirrored": True}, Why.MIRRORED),
        ({"stretch": 1.2}, Why.STRETCHED),
        ({"focus_inside": 0.5}, Why.CUT_OFF),
        ({"inside": 0.2}, Why.CUT_OFF),
        ({"subject_mirrored": True}, Why.SUBJECT_MIRRORED),
        ({"resized": 1.3}, Why.SUBJECT_RESIZED),
    ],
)
def test_what_was_measured_may_forbid_it(changed, why):
    with pytest.raises(CantLay, match=why) as raised:
        lay(coffee(), put_into(coffee()), replace(RIGHT, **changed), CUP)
    assert raised.value.why == why


def test_a_wrong_place_is_refused():
    wrong = replace(RIGHT, matrix=(0.8, 0, 250, 0, 0.8, 120))
    with pytest.raises(CantLay):
        lay(coffee(), put_into(coffee()), wrong, CUP)


@pytest.mark.parametrize("focus", [Box(0, 0, 200, 200), Box(500, 320, 100, 80)])
def test_a_focal_area_may_lie_at_the_border(focus):
    result = put_into(coffee())
    laid = lay(coffee(), result, RIGHT, focus)
    assert laid.picture.size == result.size
    assert laid.passed


def test_a_focal_area_that_has_no_pixels_to_blend_is_refused():
    for tiny in (Box(300, 200, 1, 1), Box(598, 398, 2, 2)):
        with pytest.raises(CantLay, match=Why.TOO_SMALL):
            lay(coffee(), put_into(coffee()), RIGHT, tiny)


def test_without_a_focal_area_all_that_was_found_is_laid():
    laid = lay(coffee(), put_into(coffee()), RIGHT)
    assert laid.passed
    assert laid.area.width > 0.7 * 480
    assert laid.area.height > 0.6 * 320


@pytest.mark.parametrize("factor", [0.5, 5])
def test_the_original_may_be_smaller_or_much_larger(factor):
    original = coffee().resize(tuple(round(side * factor) for side in coffee().size))
    scale = 0.8 / factor
    measures = replace(RIGHT, matrix=(scale, 0, 310, 0, scale, 90))
    focus = Box(*(round(side * factor) for side in CUP))
    result = put_into(coffee())
    laid = lay(original, result, measures, focus)
    assert laid.passed
    difference = np.abs(np.asarray(laid.picture).astype(int) - np.asarray(result))
    assert difference.mean() < 4


def test_grey_pictures_stay_grey():
    grey = coffee().convert("L").convert("RGB")
    laid = lay(grey, put_into(grey), RIGHT, CUP)
    assert np.ptp(np.asarray(laid.picture)[100:380, 450:640].astype(int), axis=2).max() <= 1


def test_without_surroundings_all_is_the_photographs_own():
    whole = replace(RIGHT, matrix=(1, 0, 0, 0, 1, 0))
    laid = lay(coffee(), coffee(), whole)
    assert laid.area == Box(0, 0, *coffee().size)
    assert laid.share == pytest.approx(1)
    assert (laid.seam, laid.passed) == (1, True)
    assert laid.picture.tobytes() == coffee().tobytes()
