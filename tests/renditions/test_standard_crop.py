"""How much of the focal area Wagtail's own crop keeps."""

import pytest
from support.factories import plain_image

from wagtail_smart_resize.core.sizes import Size, Slot
from wagtail_smart_resize.renditions.standard_crop import focal_area, subject_kept

pytestmark = pytest.mark.django_db

SIZE = Size(1200, 800)


def image_with(left, top, width, height):
    return plain_image(
        *SIZE,
        focal_point_x=left + width // 2,
        focal_point_y=top + height // 2,
        focal_point_width=width,
        focal_point_height=height,
    )


KEPT = [
    ((500, 300, 200, 200), ["400x400"], 1.0, "in the middle"),
    ((0, 0, 200, 200), ["400x400"], 1.0, "at the edge: the crop follows it"),
    ((0, 300, 1200, 200), ["400x400"], 2 / 3, "across the whole picture: two thirds of it"),
    ((0, 0, 1200, 800), ["1200x400"], 0.5, "all of it"),
    ((500, 300, 200, 200), [], None, "no slot"),
    ((0, 300, 1200, 200), ["1200x800", "400x400"], 2 / 3, "the slot that loses most counts"),
]


@pytest.mark.parametrize(("area", "slots", "kept", "why"), KEPT)
def test_share_of_the_focal_area_that_the_crop_keeps(area, slots, kept, why):
    found = subject_kept(image_with(*area), map(Slot.parse, slots), SIZE)
    assert found == (None if kept is None else pytest.approx(kept, abs=0.01)), why


def test_no_focal_area_no_share():
    assert subject_kept(plain_image(*SIZE), [Slot.parse("400x400")], SIZE) is None


def test_a_point_says_nothing_of_how_far_the_subject_reaches():
    assert focal_area(image_with(500, 300, 1, 1), SIZE) is None


def test_an_area_beyond_the_picture_is_cut():
    area = focal_area(image_with(1100, 700, 400, 400), SIZE)
    assert (area.left, area.top, area.right, area.bottom) == (1100, 700, 1200, 800)
    assert focal_area(image_with(2000, 700, 400, 400), SIZE) is None
