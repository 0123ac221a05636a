"""What the check against the original has found, where people decide and look things up."""

import pytest
from django.urls import reverse
from support.factories import candidate, plain_image, recomposition

from wagtail_smart_resize.admin.image.comparison import MOST_SPOTS, Comparison
from wagtail_smart_resize.editorial import matching
from wagtail_smart_resize.integrity.report import Box, Measures, Reason, Report

pytestmark = pytest.mark.django_db

REVIEW, REPORT = "/admin/reports/smart-resize/review/", "/admin/reports/smart-resize/"
BY_SCRIPT = {"X-Requested-With": "XMLHttpRequest"}
#: The original of 800 x 600 lies twice as small in the version of 800 x 800, from 200, 100 on.
MATRIX = (0.5, 0.0, 200.0, 0.0, 0.5, 100.0)


def report_of(*reasons, **measures):
    facts = {"found": True, "scale": 0.5, "matrix": MATRIX, "inside": 1.0, "agreement": 0.9}
    return Report(Measures(**facts | measures), reasons)


GOOD = report_of()
CHANGED = report_of(Reason.PART_CHANGED, agreement=0.7, changed=(Box(100, 200, 80, 60),))
MIRRORED = report_of(Reason.MIRRORED, mirrored=True)
NOT_FOUND = Report(Measures(found=False), (Reason.NOT_FOUND,))


@pytest.fixture(autouse=True)
def checked_site(configure):
    configure(REVIEW=True, INTEGRITY="review")


@pytest.fixture
def image(people):
    return plain_image(collection=people.here)


def checked(row, report):
    facts = {"report": report.to_json(), "passed": report.passed, "score": report.score}
    return candidate(row, size=(800, 800), **(facts if report else {}))


def waiting(image, report=None, slot="400x400"):
    row = recomposition(image, slot, purchase="idle")
    if report:
        checked(row, report)
    else:
        candidate(row, size=(800, 800))
    return row


def room_of(client, row):
    key = f"any-{round(row.shape * 1000)}"
    url = reverse("smart_resize_admin:room", args=[row.image_id, key])
    return client.get(url, headers=BY_SCRIPT).content.decode()


def queue(client, **filters):
    return [each.row for each in client.get(REVIEW, filters).context["entries"]]


# Spots


def spots(image, report, slot="400x400", size=(800, 800)):
    row = recomposition(image, slot)
    facts = {"report": report.to_json(), "passed": report.passed}
    return Comparison.of(candidate(row, size=size, **facts)).spots


def test_a_spot_lies_where_it_is_in_the_original_and_in_the_version(image):
    (spot,) = spots(image, CHANGED)
    assert spot.number == 1
    assert spot.original == Box(100, 200, 80, 60)
    # (100, 200) lies at (250, 200) of 800, and the place has 400 pixels.
    assert spot.version == pytest.approx((125, 100, 20, 15))
    assert spot.middle == "0.3375 0.2687"


def test_a_spot_beyond_the_part_that_is_shown_is_cut(image):
    """A version of 800 x 400 is shown from 200 to 600: what lies before it is not to be seen."""
    reported = report_of(Reason.PART_CHANGED, changed=(Box(-100, 0, 200, 40), Box(-390, 0, 40, 40)))
    partly, hidden = spots(image, reported, size=(800, 400))
    assert partly.version == pytest.approx((0, 100, 50, 20))
    assert (hidden.version, hidden.middle) == (None, "")


def test_of_many_spots_the_largest_are_offered(image):
    boxes = tuple(Box(40 * number, 0, 20, 20) for number in range(12))
    found = spots(image, report_of(Reason.REDRAWN, changed=boxes))
    assert [spot.original for spot in found] == list(boxes[:MOST_SPOTS])


@pytest.mark.parametrize("report", [NOT_FOUND, report_of(changed=(Box(0, 0, 9, 9),))])
def test_there_are_none_where_nothing_is_to_be_looked_at(image, report):
    assert spots(image, report) == []


# Where the original lies


def test_the_slider_lays_the_original_where_the_check_has_found_it(image):
    row = recomposition(image, "400x400")
    box = matching.box_of(image, checked(row, GOOD))
    assert box == pytest.approx([0.25, 0.125, 0.5, 0.375])


def test_a_mirrored_original_is_not_laid_over(image):
    assert matching.box_of(image, checked(recomposition(image, "400x400"), MIRRORED)) is None


# In the room and in the queue


SAID = [
    (GOOD, "True to the original", "Nothing that was compared looks different."),
    (CHANGED, "Differs from the original", "A part of it looks different."),
    (NOT_FOUND, "Differs from the original", "The original was not found in it"),
    (None, "Not checked", None),
]


@pytest.mark.parametrize(("report", "verdict", "sentence"), SAID)
def test_the_room_says_what_was_found(client, people, image, report, verdict, sentence):
    client.force_login(people.editor)
    html = room_of(client, waiting(image, report))
    assert verdict in html
    assert sentence is None or sentence in html
    assert ("Look here:" in html) == (report is CHANGED)
    assert ('data-middle="' in html) == (report is CHANGED)
    # Frames on the original and on the version.
    assert html.count('data-spots="') == (2 if report is CHANGED else 0)


@pytest.mark.parametrize(("report", "verdict", "sentence"), SAID)
def test_the_queue_says_what_was_found(client, people, image, report, verdict, sentence):
    client.force_login(people.editor)
    waiting(image, report)
    html = client.get(REVIEW).content.decode()
    entry = html[html.index("<article") : html.index("</article>")]
    assert verdict in entry
    assert sentence is None or sentence in entry
    assert entry.count('data-spots="') == (2 if report is CHANGED else 0)
    assert ("Frame what differs" in entry) == (report is CHANGED)


def test_frames_have_points_in_their_numbers_in_every_language(client, people, image, settings):
    settings.LANGUAGE_CODE = "de"
    client.force_login(people.editor)
    waiting(image, report_of(Reason.PART_CHANGED, changed=(Box(101, 201, 81, 61),)))
    html = client.get(REVIEW).content.decode()
    assert 'x="125.25"' in html


# Filter and order


@pytest.fixture
def rows(image, people):
    others = [plain_image(collection=people.here) for _ in range(2)]
    return {
        "passed": waiting(image, GOOD),
        "differs": waiting(others[0], CHANGED),
        "unchecked": waiting(others[1]),
    }


@pytest.mark.parametrize("verdict", ["passed", "differs", "unchecked"])
def test_the_queue_can_be_filtered(client, people, rows, verdict):
    client.force_login(people.editor)
    assert queue(client, check=verdict) == [rows[verdict]]


def test_the_queue_can_begin_with_what_differs_most(client, people, rows):
    client.force_login(people.editor)
    least_true = queue(client, order="least_true")
    assert least_true == [rows["differs"], rows["passed"], rows["unchecked"]]
    assert queue(client) == [rows["passed"], rows["differs"], rows["unchecked"]]


@pytest.mark.parametrize("wrong", [{"check": "none"}, {"order": "DROP TABLE"}, {"check": "\0"}])
def test_an_unusable_value_counts_as_none(client, people, rows, wrong):
    client.force_login(people.editor)
    assert len(queue(client, **wrong)) == 3


def test_where_nothing_is_checked_no_filter_is_offered(client, people, image, configure):
    configure(INTEGRITY="off")
    client.force_login(people.editor)
    waiting(image)
    assert "check" not in client.get(REVIEW).context["filters"].fields


def test_a_version_of_each_row_counts(client, people, image):
    client.force_login(people.editor)
    row = waiting(image, GOOD)
    checked(row, CHANGED)
    assert queue(client, check="passed") == queue(client, check="differs") == [row]
    assert queue(client, check="unchecked") == []


# The report


def test_the_report_tells_the_verdict_of_what_is_shown(client, people, rows):
    client.force_login(people.superuser)
    html = client.get(REPORT).content.decode()
    for verdict in ("True to the original", "Differs from the original", "Not checked"):
        assert verdict in html
    assert "A part of it looks different." in html


@pytest.mark.parametrize("verdict", ["passed", "differs", "unchecked"])
def test_the_report_can_be_filtered(client, people, rows, verdict):
    client.force_login(people.superuser)
    listed = client.get(REPORT, {"check": verdict}).context["object_list"]
    assert [each.row for each in listed] == [rows[verdict]]


def test_the_export_has_verdict_score_and_sentences(client, people, rows):
    client.force_login(people.superuser)
    response = client.get(REPORT, {"export": "csv"})
    lines = b"".join(response.streaming_content).decode().splitlines()
    assert "Check,What the check found,Share that is the same" in lines[0]
    assert any(
        "Differs from the original,A part of it looks different.,0.7," in line for line in lines
    )
    assert any("Not checked,,," in line for line in lines)


def test_of_several_the_live_one_is_told(client, people, image):
    client.force_login(people.superuser)
    row = waiting(image, CHANGED)
    row.update_if(where={}, live=checked(row, GOOD))
    checked(row, CHANGED)
    (listed,) = client.get(REPORT).context["object_list"]
    assert listed.verdict == "passed"
