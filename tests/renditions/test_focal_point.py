"""Focal points and background positions of recomposed renditions lie within their pictures."""

import pytest
from support.factories import candidate, live, plain_image, recomposition
from wagtail.images import get_image_model
from wagtail.images.rect import Rect

from wagtail_smart_resize.models import ImageVersion, Recomposition
from wagtail_smart_resize.publishing import publication

pytestmark = pytest.mark.django_db

SPECS = [
    "smartresize-400x400",
    "smartresize-400x400-c100",
    "smartresize-400x400|max-100x300",
    "smartresize-4000x4000",
]

#: In pixels of a picture of 800 x 600.
FOCAL_POINTS = {
    "in the corner": Rect(0, 0, 10, 10),
    "in the other corner": Rect(790, 590, 800, 600),
    "at an edge": Rect(700, 200, 800, 300),
    "in the middle": Rect(390, 290, 410, 310),
    "all of the picture": Rect(0, 0, 800, 600),
    "outside": Rect(900, 700, 950, 750),
}


def fresh(image):
    return get_image_model().objects.get(pk=image.pk)


def focused(focal_point):
    image = plain_image()
    image.set_focal_point(focal_point)
    image.save()
    return image


def publish_candidate(image, size):
    row = recomposition(image, purchase=Recomposition.Purchase.IDLE)
    row.update_if(where={}, live=candidate(row, size=size))
    ImageVersion.mark_publish_due(image.pk)
    publication.publish(image.pk)


def percents(rendition):
    across, down = rendition.background_position_x, rendition.background_position_y
    assert rendition.background_position_style == f"background-position: {across} {down};"
    return [int(text.removesuffix("%")) for text in (across, down)]


@pytest.mark.parametrize("size", [(800, 800), (90, 90)], ids=["large", "smaller than the crop"])
@pytest.mark.parametrize("where", FOCAL_POINTS)
@pytest.mark.parametrize("spec", SPECS)
def test_it_lies_within_the_recomposed_picture(spec, where, size):
    image = focused(FOCAL_POINTS[where])
    publish_candidate(image, size)
    rendition = fresh(image).get_rendition(spec)
    left, top, right, bottom = rendition.focal_point
    assert 0 <= left <= right <= rendition.width
    assert 0 <= top <= bottom <= rendition.height
    assert all(0 <= percent <= 100 for percent in percents(rendition))


@pytest.mark.parametrize("where", ["in the corner", "in the other corner", "at an edge"])
def test_it_is_where_it_is_in_the_crop_however_small_the_candidate(where):
    image = focused(FOCAL_POINTS[where])
    crop = fresh(image).get_rendition("fill-400x400")
    publish_candidate(image, (90, 90))
    rendition = fresh(image).get_rendition("smartresize-400x400")
    assert (rendition.width, crop.width) == (90, 400)
    assert [side * 400 / 90 for side in rendition.focal_point] == pytest.approx([*crop.focal_point])


@pytest.mark.parametrize("where", FOCAL_POINTS)
def test_a_crops_is_wagtails(where):
    image = focused(FOCAL_POINTS[where])
    crop = fresh(image).get_rendition("fill-400x400")
    ours = fresh(image).get_rendition("smartresize-400x400")
    assert tuple(ours.focal_point) == tuple(crop.focal_point)
    assert ours.background_position_style == crop.background_position_style


def test_without_a_focal_point_it_is_the_middle():
    image = plain_image()
    live(image)
    rendition = fresh(image).get_rendition("smartresize-400x400")
    assert rendition.focal_point is None
    assert percents(rendition) == [50, 50]
