"""What the sandbox draws around a picture."""

import random

import pytest
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageStat
from support.paths import PHOTOS

from wagtail_smart_resize.sandbox.extending import extended

pytestmark = pytest.mark.any_version


def drawn(picture, size, seed=1):
    return extended(picture, size, random.Random(seed))


def astronaut():
    with Image.open(PHOTOS / "astronaut.png") as opened:
        return opened.convert("RGB")


def detail(picture):
    """How much there is to see: the spread of what a blur takes away."""
    grey = picture.convert("L")
    fine = ImageChops.difference(grey, grey.filter(ImageFilter.GaussianBlur(4)))
    return ImageStat.Stat(fine).rms[0]


def marked(size=(200, 300)):
    """A calm picture with a red square in its middle."""
    picture = Image.new("RGB", size, (150, 160, 170))
    left, top = size[0] // 2 - 20, size[1] // 2 - 20
    ImageDraw.Draw(picture).rectangle((left, top, left + 40, top + 40), fill=(220, 20, 20))
    return picture


def red(picture):
    """The box of what is red, and how much of it there is."""
    bands = picture.split()
    mask = ImageChops.subtract(bands[0], bands[1]).point(lambda value: 255 if value > 90 else 0)
    return mask.getbbox(), ImageStat.Stat(mask).sum[0] / 255


@pytest.mark.parametrize("size", [(900, 300), (200, 900), (300, 300), (600, 899)])
def test_the_subject_is_there_once_and_whole(size):
    picture = drawn(marked(), size)
    (left, top, right, bottom), count = red(picture)
    scale = min(size[0] / 200, size[1] / 300)
    assert picture.size == size
    assert right - left == pytest.approx(41 * scale, abs=3)
    assert bottom - top == pytest.approx(41 * scale, abs=3)
    assert count == pytest.approx((right - left) * (bottom - top), rel=0.1)


def test_a_picture_of_the_same_shape_is_only_scaled():
    assert ImageChops.difference(drawn(marked(), (200, 300)), marked()).getbbox() is None


def test_the_same_chance_draws_the_same():
    one, same, other = (drawn(astronaut(), (800, 300), seed) for seed in (1, 1, 2))
    assert ImageChops.difference(one, same).getbbox() is None
    assert ImageChops.difference(one, other).getbbox()


def test_what_is_far_away_is_hardly_more_than_its_colours():
    picture = drawn(astronaut(), (2000, 500))
    middle = picture.crop((850, 0, 1150, 500))
    for far in (picture.crop((0, 0, 200, 500)), picture.crop((1800, 0, 2000, 500))):
        assert detail(far) < detail(middle) / 3


def test_a_blur_has_grain_as_a_photograph_has():
    far = drawn(astronaut(), (2000, 500)).crop((1900, 200, 2000, 300)).convert("L")
    grain = ImageChops.difference(far, far.filter(ImageFilter.GaussianBlur(2)))
    assert 1 < ImageStat.Stat(grain).mean[0] < 8


def test_nothing_is_left_black():
    """What is read from beyond a picture's edge is black."""
    bright = Image.new("RGB", (60, 90), (200, 210, 220))
    for size in ((900, 90), (60, 900), (901, 33)):
        assert min(low for low, _high in drawn(bright, size).getextrema()) > 180


@pytest.mark.parametrize("source", [(1, 1), (1, 40), (40, 1), (2, 3)])
@pytest.mark.parametrize("size", [(1, 1), (64, 2), (2, 64), (100, 90)])
def test_the_smallest_pictures_are_taken(source, size):
    assert drawn(Image.new("RGB", source, (90, 120, 150)), size).size == size
