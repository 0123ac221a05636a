"""Where an original lies in a redrawn version of it: found whatever has become of its light."""

import random

import pytest
from PIL import Image, ImageEnhance
from support.paths import PHOTOS

from wagtail_smart_resize.imaging import alignment

pytestmark = pytest.mark.any_version

#: Difference in the box's sides that nobody sees when one lies upon the other, as a share.
TOLERANCE = 0.02


def photo(name, width=320):
    with Image.open(PHOTOS / name) as opened:
        picture = opened.convert("RGB")
    return picture.resize((width, round(picture.height * width / picture.width)))


def extended(original, size, scale, left, top):
    """A version: the original in this scale at this place, and new details around it."""
    background = Image.effect_mandelbrot((256, 256), (-2.2, -1.5, 1.0, 1.5), 60)
    version = background.convert("RGB").resize(size)
    width, height = (round(side * scale) for side in original.size)
    version.paste(original.resize((width, height)), (left, top))
    return version


def redrawn(picture, seed=7):
    """As a model draws it: darker, in warmer colours, and with other grain."""
    red, green, blue = ImageEnhance.Brightness(picture).enhance(0.85).split()
    warmer = Image.merge("RGB", (red.point(lambda value: min(255, value + 18)), green, blue))
    noise = random.Random(seed).randbytes(picture.width * picture.height)
    grain = Image.frombytes("L", picture.size, noise).convert("RGB")
    return Image.blend(warmer, grain, 0.06)


def box(original, size, scale, left, top):
    width, height = size
    across, down = (side * scale for side in original.size)
    return left / width, top / height, across / width, down / height


@pytest.mark.parametrize("name", ["astronaut.png", "chelsea.png", "rocket.jpg"])
@pytest.mark.parametrize(
    ("size", "scale", "left", "top"),
    [
        ((640, 320), 0.8, 40, 40),
        ((640, 320), 0.9, 300, 20),
        ((320, 640), 0.8, 30, 300),
        ((400, 400), 1.0, 40, 60),
        ((400, 400), 0.8, 100, 0),
    ],
)
def test_the_original_is_found_at_its_place_and_scale(name, size, scale, left, top):
    original = photo(name)
    version = redrawn(extended(original, size, scale, left, top))
    found = alignment.find(original, version)
    assert found == pytest.approx(box(original, size, scale, left, top), abs=TOLERANCE)


def test_one_that_reaches_beyond_the_version_is_found():
    original = photo("chelsea.png")
    size, scale, left, top = (320, 320), 1.4, -60, 10
    version = redrawn(extended(original, size, scale, left, top))
    found = alignment.find(original, version)
    assert found == pytest.approx(box(original, size, scale, left, top), abs=TOLERANCE)


def test_the_same_picture_lies_upon_the_whole_of_itself():
    original = photo("astronaut.png")
    assert alignment.find(original, original) == pytest.approx((0, 0, 1, 1), abs=TOLERANCE)


@pytest.mark.parametrize(
    ("original", "version"),
    [
        ("astronaut.png", "chelsea.png"),
        ("chelsea.png", "rocket.jpg"),
        ("rocket.jpg", "astronaut.png"),
    ],
)
def test_it_is_not_found_in_an_unrelated_picture(original, version):
    assert alignment.find(photo(original), redrawn(photo(version).resize((480, 320)))) is None


def test_it_is_not_found_where_there_are_no_details():
    plain = Image.new("RGB", (320, 240), "gold")
    assert alignment.find(plain, plain) is None
    assert alignment.find(photo("chelsea.png"), plain) is None


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (300, 7)])
def test_pictures_of_a_few_pixels_are_not_compared(size):
    small = photo("chelsea.png").resize(size)
    assert alignment.find(small, photo("chelsea.png")) is None
    assert alignment.find(photo("chelsea.png"), small) is None
