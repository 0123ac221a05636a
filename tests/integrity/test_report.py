"""What follows from what a check has measured: needs neither OpenCV nor numpy."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from wagtail_smart_resize.integrity.report import Box, Measures, Reason, Report, Thresholds, judge

pytestmark = pytest.mark.any_version

FINE = Measures(
    found=True,
    scale=1.25,
    matrix=(1.25, 0.0, 10.0, 0.0, 1.25, -4.0),
    inside=0.9,
    focus_inside=1.0,
    agreement=0.97,
    subject=0.0,
    changed=(Box(1, 2, 30, 40),),
)
MOST = Thresholds()
#: Of each measure: one that just passes, one that just does not, and why.
BOUNDARIES = {
    "stretch": (MOST.stretch, MOST.stretch + 0.001, Reason.STRETCHED),
    "inside": (MOST.inside, MOST.inside - 0.001, Reason.CUT_OFF),
    "focus_inside": (MOST.focus_inside, MOST.focus_inside - 0.001, Reason.CUT_OFF),
    "subject": (MOST.subject, MOST.subject + 0.001, Reason.SUBJECT_CHANGED),
    "subject_mirrored": (False, True, Reason.SUBJECT_CHANGED),
    "resized": (1 + MOST.resized - 0.001, 1 + MOST.resized + 0.001, Reason.SUBJECT_RESIZED),
    "part": (MOST.part, MOST.part + 0.001, Reason.PART_CHANGED),
    "agreement": (MOST.agreement, MOST.agreement - 0.001, Reason.REDRAWN),
}


def test_what_agrees_passes():
    assert judge(FINE, MOST) == Report(FINE, ())
    assert judge(FINE, MOST).passed


@pytest.mark.parametrize("name", BOUNDARIES)
def test_a_measure_passes_up_to_its_threshold(name):
    last, first, reason = BOUNDARIES[name]
    assert judge(replace(FINE, **{name: last}), MOST).reasons == ()
    assert judge(replace(FINE, **{name: first}), MOST).reasons == (reason,)


def test_a_smaller_subject_counts_like_a_larger_one():
    smaller = replace(FINE, resized=1 - MOST.resized - 0.001)
    assert judge(smaller, MOST).reasons == (Reason.SUBJECT_RESIZED,)


def test_all_reasons_are_told_the_gravest_first():
    bad = replace(FINE, agreement=0.1, part=0.9, stretch=2.0)
    assert judge(bad, MOST).reasons == (
        Reason.STRETCHED,
        Reason.PART_CHANGED,
        Reason.REDRAWN,
    )


def test_what_is_not_found_has_no_other_reason():
    assert judge(Measures(found=False), MOST).reasons == (Reason.NOT_FOUND,)
    assert judge(Measures(found=True, mirrored=True), MOST).reasons == (Reason.MIRRORED,)


def test_without_a_focal_area_none_is_judged():
    assert judge(replace(FINE, focus_inside=None, subject=None), MOST).passed


@pytest.mark.parametrize(
    ("measures", "score"),
    [
        (FINE, 1.0),
        (replace(FINE, subject=0.25), 0.75),
        (replace(FINE, subject=None), 0.97),
        (replace(FINE, mirrored=True), 0.0),
        (Measures(found=False), 0.0),
    ],
)
def test_the_score_is_the_subjects_where_there_is_one(measures, score):
    assert judge(measures, MOST).score == pytest.approx(score)


@pytest.mark.parametrize(
    "measures",
    [FINE, Measures(found=False), replace(FINE, focus_inside=None, subject=None, changed=())],
)
def test_a_report_comes_back_from_json(measures):
    report = judge(replace(measures, part=0.5), MOST)
    assert Report.from_json(json.loads(json.dumps(report.to_json()))) == report


def test_a_reason_of_another_version_is_left_out():
    stored = judge(replace(FINE, part=0.5), MOST).to_json()
    stored["reasons"].insert(0, "seen_in_a_dream")
    stored["version"] = 99
    report = Report.from_json(stored)
    assert report.reasons == (Reason.PART_CHANGED,)
    assert report.version == 99


def test_measures_of_another_version_are_left_out_and_missing_ones_have_defaults():
    stored = judge(FINE, MOST).to_json() | {"charm": 0.5}
    del stored["resized"], stored["changed"]
    assert Report.from_json(stored).measures == replace(FINE, changed=())


def test_a_report_needs_neither_opencv_nor_numpy():
    code = (
        "import sys; sys.modules.update(cv2=None, numpy=None); "
        "import wagtail_smart_resize.integrity.report"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
