"""The points of a mirrored picture, and of one that has hardly any."""

import pytest

pytest.importorskip("cv2", reason='pip install "wagtail-smart-resize[integrity]"')
pytest.importorskip("numpy", reason='pip install "wagtail-smart-resize[integrity]"')

import numpy as np
from suites.integrity.photographs import HALVES

from wagtail_smart_resize.integrity.pixels import reduced
from wagtail_smart_resize.integrity.registration import Features

pytestmark = pytest.mark.any_version

PHOTOGRAPHS = {each.name: each for each in HALVES["all"]}


@pytest.fixture(scope="module", params=["coffee", "town"])
def grey(request):
    return reduced(PHOTOGRAPHS[request.param].picture, 100_000).grey


@pytest.fixture(scope="module")
def found(grey):
    return Features.of(grey)


def test_a_mirrored_pictures_points_are_those_that_a_search_finds(grey, found):
    searched = Features.of(np.ascontiguousarray(grey[:, ::-1]))
    mirrored = found.mirrored(grey.shape[1])
    apart = np.abs(mirrored.points[:, None] - searched.points[None]).max(axis=2)
    same = apart.min(axis=1) < 0.6
    assert same.mean() > 0.85
    looks = (mirrored.looks[same] * searched.looks[apart.argmin(axis=1)[same]]).sum(axis=1)
    assert np.median(looks) > 0.99


def test_mirrored_twice_it_is_as_before(grey, found):
    width = grey.shape[1]
    twice = found.mirrored(width).mirrored(width)
    assert np.allclose(twice.points, found.points, atol=1e-3)
    assert np.array_equal(twice.looks, found.looks)


@pytest.mark.parametrize("count", [0, 1])
def test_without_points_to_tell_apart_nothing_matches(found, count):
    few = found.those(np.arange(len(found)) < count)
    for one, other in ((few, found), (found, few)):
        points, places = one.matches(other)
        assert (len(points), len(places)) == (0, 0)
    assert len(few.mirrored(100)) == count
