"""What the check of integrity finds in the sandbox's pictures, true to their source and not."""

import pytest

pytest.importorskip("cv2", reason='pip install "wagtail-smart-resize[integrity]"')
pytest.importorskip("numpy", reason='pip install "wagtail-smart-resize[integrity]"')

from suites.integrity.photographs import HALVES

from wagtail_smart_resize.integrity.checking import check
from wagtail_smart_resize.integrity.report import Box, Reason
from wagtail_smart_resize.sandbox.faults.pictures import untrue
from wagtail_smart_resize.sandbox.recompose import recompose

pytestmark = pytest.mark.any_version

PHOTOGRAPHS = {each.name: each for each in HALVES["all"]}
#: Two with a face, one with little around its subject, one of many small parts. The shapes are near
#: those that the engine works in: of others the sandbox itself cuts something off.
RESULTS = [
    ("astronaut", (1200, 630)),
    ("man", (1080, 1350)),
    ("coffee", (1200, 900)),
    ("town", (1200, 630)),
]


def reported(name, size, *words, focused=True):
    """Return the report of the sandbox's result for a photograph."""
    photograph = PHOTOGRAPHS[name]
    source = photograph.picture
    result = recompose(untrue(source, frozenset(words), 1), size, seed=1, index=0)
    return check(source, result, subject_of(photograph) if focused else None)


def subject_of(photograph):
    width, height = photograph.picture.size
    area = photograph.subject
    return Box(
        round(area.left * width),
        round(area.top * height),
        round(area.width * width),
        round(area.height * height),
    )


@pytest.mark.parametrize("focused", [True, False], ids=["with focus", "without"])
@pytest.mark.parametrize(("name", "size"), RESULTS, ids=[name for name, _size in RESULTS])
class TestCheck:
    def test_a_plain_result_passes(self, name, size, focused):
        assert reported(name, size, focused=focused).reasons == ()

    def test_a_mirrored_one_is_told(self, name, size, focused):
        report = reported(name, size, "mirrored", focused=focused)
        assert report.reasons == (Reason.MIRRORED,)

    @pytest.mark.parametrize("word", ["unfaithful", "garbled"])
    def test_an_untrue_one_is_found_in_its_place_and_stopped(self, name, size, focused, word):
        """Its own pixels are to be laid back over it: so it has to be known where they lie."""
        report = reported(name, size, word, focused=focused)
        assert not report.passed
        assert report.measures.found
        assert not {Reason.MIRRORED, Reason.STRETCHED} & set(report.reasons)
        scale = report.measures.scale
        a, b, _c, d, e, _f = report.measures.matrix
        assert (a, b, d, e) == pytest.approx((scale, 0, 0, scale), abs=0.01)
