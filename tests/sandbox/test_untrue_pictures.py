"""The fault words that change the picture itself, without the check that is to stop it."""

import random

import pytest
from PIL import Image, ImageChops, ImageDraw, ImageOps

from wagtail_smart_resize.sandbox.faults.pictures import untrue
from wagtail_smart_resize.sandbox.recompose import recompose

pytestmark = pytest.mark.any_version

MIRRORED, UNFAITHFUL, GARBLED = "mirrored", "unfaithful", "garbled"
WORDS = [MIRRORED, UNFAITHFUL, GARBLED]
IN_THE_MIDDLE = [UNFAITHFUL, GARBLED]


def patterned(size=(300, 200)):
    """A picture of which no two parts look the same."""
    chance = random.Random(3)
    image = Image.new("RGB", size, (90, 120, 150))
    draw = ImageDraw.Draw(image)
    for _ in range(200):
        x, y = chance.randrange(size[0]), chance.randrange(size[1])
        colour = tuple(chance.randrange(256) for _ in range(3))
        draw.rectangle((x, y, x + chance.randrange(4, 30), y + chance.randrange(4, 30)), colour)
    return image


def changed(source, *words, seed=1):
    return untrue(source, frozenset(words), seed)


def differing(one, other):
    """Return the share of pixels that differ visibly."""
    bands = ImageChops.difference(one, other).convert("L").point(lambda value: 255 * (value > 12))
    return bands.histogram()[255] / (one.width * one.height)


def same(one, other):
    return one.size == other.size and ImageChops.difference(one, other).getbbox() is None


def test_without_a_word_for_it_the_picture_is_the_source_itself():
    source = patterned()
    assert changed(source) is source
    assert changed(source, "more", "small", "FAILED") is source


@pytest.mark.parametrize("word", WORDS)
def test_the_source_itself_is_left_alone(word):
    source = patterned()
    changed(source, word)
    assert same(source, patterned())


@pytest.mark.parametrize("word", WORDS)
def test_the_same_seed_changes_it_in_the_same_way(word):
    assert same(changed(patterned(), word), changed(patterned(), word))


@pytest.mark.parametrize("word", IN_THE_MIDDLE)
def test_another_seed_changes_it_in_another_way(word):
    assert not same(changed(patterned(), word), changed(patterned(), word, seed=2))


def test_a_mirrored_picture_is_mirrored_left_to_right():
    assert same(changed(patterned(), MIRRORED), ImageOps.mirror(patterned()))


@pytest.mark.parametrize("word", IN_THE_MIDDLE)
def test_the_middle_is_changed_and_what_is_around_it_is_kept(word):
    source, result = patterned(), changed(patterned(), word)
    corners = [(0, 0, 75, 50), (225, 0, 300, 50), (0, 150, 75, 200), (225, 150, 300, 200)]
    borders = [(0, 0, 300, 38), (0, 162, 300, 200), (0, 0, 58, 200), (242, 0, 300, 200)]
    assert all(same(source.crop(box), result.crop(box)) for box in corners + borders)
    middle = (110, 75, 190, 125)
    assert differing(source.crop(middle), result.crop(middle)) > 0.4


def test_a_garbled_picture_keeps_its_tones():
    """It is the same thing drawn badly; an unfaithful one shows another."""
    source = patterned()
    blurred = [
        changed(source, word).resize((6, 4), Image.Resampling.BOX) for word in (GARBLED, UNFAITHFUL)
    ]
    garbled, unfaithful = (
        differing(source.resize((6, 4), Image.Resampling.BOX), each) for each in blurred
    )
    assert garbled < unfaithful


def test_garbled_blocks_show_no_black_from_beyond_the_picture():
    white = Image.new("RGB", (120, 80), "white")
    assert same(changed(white, GARBLED), white)


@pytest.mark.parametrize("colour", [0, 90, 128, 255])
def test_a_plain_picture_gets_something_else_in_its_middle_too(colour):
    plain = Image.new("L", (60, 40), colour).convert("RGB")
    assert differing(plain, changed(plain, UNFAITHFUL)) > 0.1


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (3, 900), (900, 3), (5, 7), (4000, 40)])
@pytest.mark.parametrize("word", WORDS)
def test_every_shape_is_kept(word, size):
    grey = Image.linear_gradient("L").resize(size).convert("RGB")
    for each in (grey, patterned(size)):
        assert changed(each, word).size == size
        assert changed(each, word).mode == "RGB"


def test_words_go_together():
    source = patterned()
    both = changed(source, GARBLED, MIRRORED, "more")
    assert same(both, ImageOps.mirror(changed(source, GARBLED)))


@pytest.mark.parametrize("word", WORDS)
def test_the_recomposition_shows_it(word):
    def recomposed(picture):
        return recompose(picture, (240, 126), seed=1, index=0)

    assert not same(recomposed(changed(patterned(), word)), recomposed(patterned()))
