"""The arithmetic of slots and shapes: tables, with the reason for each row."""

from decimal import Decimal
from fractions import Fraction

import pytest
from wagtail.images.image_operations import FillOperation

from wagtail_smart_resize.core.sizes import (
    ENGINE_PRESETS,
    RESOLUTIONS,
    Size,
    Slot,
    cover,
    is_preset_name,
    nearest_shape,
    parse_closeness,
    request_size,
    same_shape,
    shape_of,
    share_kept_by_crop,
    share_kept_by_engine,
    size_of_ratio,
)

pytestmark = pytest.mark.any_version

RATIOS = [(1200, 630), (1, 1), (16, 9), (9, 16), (3, 4), (7, 3), (2, 5)]
SHAPES = [shape_of(*ratio) for ratio in RATIOS]


@pytest.mark.parametrize(
    ("text", "slot", "reason"),
    [
        ("1200x630", Slot(Size(1200, 630)), "plain"),
        ("1200x630-c50", Slot(Size(1200, 630), 50), "with a closeness"),
        ("1200x630-c0", Slot(Size(1200, 630)), "closeness 0 is the default"),
        ("1200x630-c150", Slot(Size(1200, 630), 100), "fill clamps to 100"),
        ("1200x630-c10-c20", Slot(Size(1200, 630), 20), "with fill the last closeness counts"),
        ("1_200x0630-c5_0", Slot(Size(1200, 630), 50), "int() reads underscores and zeros"),
        ("1x20000", Slot(Size(1, 20000)), "both bounds"),
    ],
)
def test_slot_is_read_as_fill_reads_it(text, slot, reason):
    fill = FillOperation("fill", *text.split("-"))

    assert Slot.parse(text) == slot, reason
    assert (fill.width, fill.height) == slot.size
    assert fill.crop_closeness == slot.closeness / 100


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", '"" is not a size'),
        ("1200", '"1200" is not a size'),
        ("1200x", '"1200x" is not a size'),
        ("1200X630", '"1200X630" is not a size'),
        ("1200x630x2", '"1200x630x2" is not a size'),
        ("wide", '"wide" is not a size'),
        ("0x630", '"0x630" is not a usable size'),
        ("1200x20001", '"1200x20001" is not a usable size'),
        ("1200x630-c", '"c" is not a closeness'),
        ("1200x630-50", '"50" is not a closeness'),
        ("1200x630-", '"" is not a closeness'),
        ("1200x630-cc5", '"cc5" is not a closeness'),
    ],
)
def test_bad_slot_is_refused_by_name_with_the_right_form(text, named):
    with pytest.raises(ValueError, match="^" + named) as refusal:
        Slot.parse(text)

    assert "such as 1200x630." in str(refusal.value) or "such as c50." in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "size", "reason"),
    [
        ("16:9", Size(1600, 900), "the longer side has 1600 px"),
        ("9:16", Size(900, 1600), "whichever side that is"),
        ("1:1", Size(1600, 1600), "a square"),
        ("2.35:1", Size(1600, 681), "with a decimal, rounded to whole pixels"),
        ("1920:1080", Size(1600, 900), "not in lowest terms"),
        ("1:9999", Size(1, 1600), "no side is without pixels"),
        ("1600x900", None, "a size is no ratio"),
        ("16:9:4", None, "nor are three numbers"),
        ("16:", None, "nor is one"),
        ("-16:9", None, "nor are negative numbers"),
        ("12345:1", None, "nor are very large ones"),
        ("", None, "nor is nothing"),
    ],
)
def test_ratio_stands_for_a_size(text, size, reason):
    assert size_of_ratio(text) == size, reason


@pytest.mark.parametrize("text", ["0:9", "16:0", "0.0:1", "0:0"])
def test_ratio_without_an_extent_is_refused_with_the_right_form(text):
    with pytest.raises(ValueError, match=f'^"{text}" is not a ratio: .*such as 16:9'):
        size_of_ratio(text)


@pytest.mark.parametrize("text", ["1200x630", "1200x630-c50"])
def test_slot_is_written_as_it_was_read(text):
    assert str(Slot.parse(text)) == text


def test_size_is_written_as_it_was_read():
    assert str(Size.parse("1200x630")) == "1200x630"


def test_closeness_of_a_spec_overrides_the_default():
    assert parse_closeness(["c20"], default=70) == 20


def test_spec_without_closeness_keeps_the_default():
    assert parse_closeness([], default=70) == 70


@pytest.mark.parametrize("name", ["hero", "card_2", "c", "c50x", "chapter1", "x"])
def test_preset_may_have_this_name(name):
    assert is_preset_name(name)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("c50", "would be a closeness"),
        ("Hero", "capital letter"),
        ("2up", "begins with a digit"),
        ("_hero", "begins with an underscore"),
        ("my-hero", "a hyphen separates arguments"),
        ("hero\n", "trailing newline"),
        ("", "empty"),
    ],
)
def test_preset_may_not_have_this_name(name, reason):
    assert not is_preset_name(name), reason


@pytest.mark.parametrize(
    ("width", "height", "shape"),
    [
        (1200, 630, "1.905"),
        (1000, 1000, "1.000"),
        (630, 1200, "0.525"),
        (20000, 1, "20000.000"),
        (1, 20000, "0.001"),  # never zero: ratios are divided by
    ],
)
def test_shape_is_the_ratio_to_three_decimals(width, height, shape):
    assert str(shape_of(width, height)) == shape


def test_slot_has_the_shape_of_its_size():
    assert Slot.parse("1200x630-c50").shape == Decimal("1.905")


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("1.000", "1.030", True),
        ("1.000", "1.031", False),
        ("1.818", "1.775", True),  # 400x220 and 600x338, of one srcset
        ("0.500", "0.515", True),
        ("0.500", "0.516", False),
    ],
)
def test_shapes_are_the_same_within_three_percent_in_both_orders(a, b, same):
    assert same_shape(Decimal(a), Decimal(b)) is same
    assert same_shape(Decimal(b), Decimal(a)) is same


def test_nearest_is_the_nearest_of_those_that_are_the_same():
    shapes = [Decimal("1.025"), Decimal("0.990"), Decimal("2.000")]

    assert nearest_shape(Decimal("1.000"), shapes) == Decimal("0.990")


def test_nearest_is_none_where_no_shape_is_the_same():
    assert nearest_shape(Decimal("1.000"), [Decimal("1.031"), Decimal("0.970")]) is None


def test_nearest_does_not_depend_on_the_order_of_equally_near_shapes():
    below, above = Decimal("2.500"), Decimal("2.601")

    assert nearest_shape(Decimal("2.550"), [below, above]) == above
    assert nearest_shape(Decimal("2.550"), [above, below]) == above


@pytest.mark.parametrize(
    ("size", "tier", "requested"),
    [
        ((1200, 630), "1K", (1376, 722)),
        ((1200, 630), "2K", (2752, 1445)),
        ((1200, 630), "4K", (5504, 2889)),
        ((1, 1), "2K", (2048, 2048)),
        ((1584, 672), "1K", (1584, 672)),
        ((9, 16), "1K", (768, 1367)),  # of the shape 0.562
        ((8, 1), "2K", (3168, 396)),
        ((1, 20000), "1K", (1, 1376)),
    ],
)
def test_request_is_the_largest_rectangle_in_the_best_preset(size, tier, requested):
    assert request_size(shape_of(*size), tier) == requested


def test_request_is_for_2k_unless_told_otherwise():
    assert request_size(Decimal("1.000")) == request_size(Decimal("1.000"), "2K")


@pytest.mark.parametrize("tier", RESOLUTIONS)
@pytest.mark.parametrize("shape", SHAPES)
def test_request_fills_one_side_of_a_preset_and_is_exact_to_half_a_pixel(shape, tier):
    width, height = request_size(shape, tier)
    presets = [(w * RESOLUTIONS[tier], h * RESOLUTIONS[tier]) for w, h in ENGINE_PRESETS]

    assert any((width == w and height <= h) or (width <= w and height == h) for w, h in presets)
    assert abs(width - height * Fraction(shape)) <= max(Fraction(shape), 1) / 2


@pytest.mark.parametrize("preset", ENGINE_PRESETS)
def test_request_of_a_presets_own_shape_is_that_preset_to_a_pixel(preset):
    width, height = request_size(shape_of(*preset), "1K")

    assert abs(width - preset[0]) <= 1
    assert abs(height - preset[1]) <= 1


@pytest.mark.parametrize(
    ("size", "kept"),
    [((1, 1), 1.0), ((1584, 672), 1.0), ((8, 1), 0.295), ((1, 2), 0.896), ((1, 5), 0.358)],
)
def test_preset_kept_is_the_share_of_the_engines_picture_that_is_used(size, kept):
    assert share_kept_by_engine(shape_of(*size)) == pytest.approx(kept, abs=0.001)


@pytest.mark.parametrize(
    ("picture", "slot", "kept"),
    [
        ((1500, 1000), (1, 1), 2 / 3),
        ((1000, 1500), (1, 1), 2 / 3),
        ((1600, 900), (16, 9), 1.0),
        ((1000, 1000), (4, 1), 0.25),
        ((0, 900), (16, 9), 0.0),  # an SVG may say no size at all
    ],
)
def test_crop_kept_is_the_share_of_the_picture_that_a_crop_shows(picture, slot, kept):
    assert share_kept_by_crop(*picture, shape_of(*slot)) == pytest.approx(kept, abs=0.001)


@pytest.mark.parametrize(
    ("available", "wanted", "box", "given", "reason"),
    [
        ((2752, 1445), (1200, 630), (0, 0, 2752, 1445), (1200, 630), "all of it, scaled down"),
        ((2000, 1000), (500, 500), (500, 0, 1500, 1000), (500, 500), "sides cut off evenly"),
        ((1000, 2000), (500, 500), (0, 500, 1000, 1500), (500, 500), "top and bottom cut off"),
        ((1000, 1000), (2000, 1000), (0, 250, 1000, 750), (1000, 500), "smaller: not enlarged"),
        ((800, 600), (800, 600), (0, 0, 800, 600), (800, 600), "exactly as wanted"),
        ((10, 10), (20000, 1), (0, 4, 10, 5), (10, 1), "never less than a pixel"),
    ],
)
def test_cut_takes_a_centred_box_and_never_enlarges(available, wanted, box, given, reason):
    assert cover(Size(*available), Size(*wanted)) == (box, given), reason


@pytest.mark.parametrize("wanted", [(1200, 630), (400, 220), (600, 338), (333, 777), (64, 64)])
def test_cut_stretches_by_no_more_than_a_pixels_rounding(wanted):
    (left, top, right, bottom), given = cover(Size(2752, 1445), Size(*wanted))
    box_width, box_height = right - left, bottom - top

    assert 0 <= left < right <= 2752
    assert 0 <= top < bottom <= 1445
    assert abs(box_width * given.height - box_height * given.width) <= max(given) / 2
