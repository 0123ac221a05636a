"""What a check has found, in words."""

import pytest

from wagtail_smart_resize.editorial.integrity import sentences
from wagtail_smart_resize.integrity.report import Box, Measures, Reason, Report, Thresholds, judge

pytestmark = pytest.mark.any_version

FINE = {"found": True, "inside": 1.0, "agreement": 1.0}


def told(**measures):
    return sentences(judge(Measures(**{**FINE, **measures}), Thresholds()))


def test_nothing_differs():
    assert told() == ["Nothing that was compared looks different."]


def test_what_is_marked_on_a_version_that_passes_is_told():
    spot = Box(10, 20, 30, 40)
    assert told(changed=(spot,)) == ["Only a small part looks different."]
    assert told(changed=(spot, spot)) == ["Only small parts look different."]


@pytest.mark.parametrize(
    ("measures", "sentence"),
    [
        ({"found": False}, "The original was not found in it: it may be another picture, or one"),
        ({"mirrored": True}, "It is mirrored."),
        ({"stretch": 1.2}, "It is stretched by 20 %."),
        ({"inside": 0.409}, "Only 40 % of the original lies within it."),
        ({"focus_inside": 0.5}, "Only 50 % of the focal area lies within it."),
        ({"subject": 0.57}, "57 % of the focal area looks different."),
        ({"subject_mirrored": True}, "The focal area is mirrored in its place."),
        ({"resized": 0.7}, "What the focal area shows is 30 % smaller beside what surrounds it."),
        ({"resized": 1.25}, "What the focal area shows is 25 % larger beside what surrounds it."),
        ({"part": 0.3}, "A part of it looks different."),
        ({"agreement": 0.5}, "All of it looks a little different."),
    ],
)
def test_each_reason_has_a_sentence(measures, sentence):
    (found,) = told(**measures)
    assert found.startswith(sentence)


def test_several_reasons_are_told_the_gravest_first():
    assert told(stretch=1.3, part=0.2) == [
        "It is stretched by 30 %.",
        "A part of it looks different.",
    ]


@pytest.mark.parametrize("reason", Reason)
def test_no_reason_is_without_words(reason):
    assert all(sentences(Report(Measures(found=True), (reason,))))
