"""Lists are cut without losing or repeating anything."""

import pytest

from wagtail_smart_resize.core.slices import slices

pytestmark = pytest.mark.any_version


@pytest.mark.parametrize(
    ("items", "parts"),
    [([], []), ([1], [[1]]), ([1, 2], [[1, 2]]), ([1, 2, 3, 4, 5], [[1, 2], [3, 4], [5]])],
)
def test_parts_are_whole_but_the_last(items, parts):
    assert list(slices(items, 2)) == parts
