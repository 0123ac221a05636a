"""Outputs find the size they were made for, and wrong shapes find none."""

import pytest

from wagtail_smart_resize.core.sizes import Size
from wagtail_smart_resize.gateway.matching import Matched, assign

pytestmark = pytest.mark.any_version

WIDE = Size(2752, 1444)
SQUARE = Size(2048, 2048)
TALL = Size(1536, 2752)
ALSO_WIDE = Size(2752, 1470)


def at(text):
    return Size.parse(text)


CASES = [
    # reason, outputs, sizes asked for, per size, by size, strays
    (
        "names decide, whatever the order",
        [("output_2048x2048_0.png", "2048x2048"), ("output_2752x1444_0.png", "2752x1444")],
        [WIDE, SQUARE],
        1,
        {WIDE: [1], SQUARE: [0]},
        [],
    ),
    (
        "a name counts although the engine rendered fewer pixels",
        [("output_2752x1444_0.png", "1376x722")],
        [WIDE],
        1,
        {WIDE: [0]},
        [],
    ),
    (
        "a name does not excuse another shape",
        [("output_2752x1444_0.png", "1024x1024")],
        [WIDE],
        1,
        {WIDE: []},
        [0],
    ),
    (
        "a name that lies yields to the picture",
        [("output_2752x1444_0.png", "2048x2048"), ("output_2048x2048_0.png", "2752x1444")],
        [WIDE, SQUARE],
        1,
        {WIDE: [1], SQUARE: [0]},
        [],
    ),
    (
        "of two sizes in a name the one that the picture has counts",
        [("2048x2048_to_2752x1444.png", "2752x1444")],
        [SQUARE, WIDE],
        1,
        {SQUARE: [], WIDE: [0]},
        [],
    ),
    (
        "digits that go on are another number",
        [("12752x14440.png", "2752x1470")],
        [WIDE, ALSO_WIDE],
        1,
        {WIDE: [], ALSO_WIDE: [0]},
        [],
    ),
    (
        "without names the decoded shape decides",
        [("a.png", "2048x2048"), ("b.png", "1376x722"), ("c.png", "1536x2752")],
        [WIDE, SQUARE, TALL],
        1,
        {WIDE: [1], SQUARE: [0], TALL: [2]},
        [],
    ),
    (
        "fewer than asked leave a size empty",
        [("a.png", "2048x2048")],
        [WIDE, SQUARE],
        1,
        {WIDE: [], SQUARE: [0]},
        [],
    ),
    (
        "none at all leave all sizes empty",
        [],
        [WIDE, SQUARE],
        1,
        {WIDE: [], SQUARE: []},
        [],
    ),
    (
        "more than asked are kept with their size: they are there",
        [("a.png", "2048x2048"), ("b.png", "2048x2048")],
        [SQUARE],
        1,
        {SQUARE: [0, 1]},
        [],
    ),
    (
        "a shape nobody asked for is a stray",
        [("a.png", "2048x2048"), ("b.png", "1000x3000")],
        [SQUARE],
        1,
        {SQUARE: [0]},
        [1],
    ),
    (
        "two per size, mixed",
        [(f"{n}.png", size) for n, size in enumerate(["2048x2048", "2752x1444"] * 2)],
        [WIDE, SQUARE],
        2,
        {WIDE: [1, 3], SQUARE: [0, 2]},
        [],
    ),
    (
        "of shapes within 3 % the decoded size decides",
        [("a.png", "2752x1470"), ("b.png", "2752x1444")],
        [WIDE, ALSO_WIDE],
        1,
        {WIDE: [1], ALSO_WIDE: [0]},
        [],
    ),
    (
        "of shapes within 3 % the order decides where the picture doesn't",
        [("a.png", "1376x728"), ("b.png", "1376x728")],
        [ALSO_WIDE, WIDE],
        1,
        {ALSO_WIDE: [0], WIDE: [1]},
        [],
    ),
    (
        "where the count doesn't fit the nearest shape decides",
        [("a.png", "1376x722")],
        [ALSO_WIDE, WIDE],
        1,
        {ALSO_WIDE: [], WIDE: [0]},
        [],
    ),
    (
        "one that is taken leaves the next to its neighbour",
        [("a.png", "2752x1444"), ("b.png", "2752x1444")],
        [WIDE, ALSO_WIDE],
        1,
        {WIDE: [0], ALSO_WIDE: [1]},
        [],
    ),
]


@pytest.mark.parametrize(
    ("outputs", "sizes", "images_per_size", "by_size", "strays"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_outputs_find_their_size(outputs, sizes, images_per_size, by_size, strays):
    named = [(name, at(size)) for name, size in outputs]
    assert assign(named, sizes, images_per_size) == Matched(by_size, strays)
