"""The filter with nothing live: Wagtail's crop, pixel for pixel; and its messages."""

from types import SimpleNamespace

import pytest
from django.test import override_settings
from support.factories import photo, pixels, plain_image
from wagtail.images.exceptions import InvalidFilterSpecError
from wagtail.images.models import Filter
from wagtail.images.rect import Rect

from wagtail_smart_resize.renditions import demand_notes
from wagtail_smart_resize.renditions.operation import SmartResizeOperation

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "spec",
    [
        "{}-300x300",
        "{}-400x210-c50",
        "{}-200x400-c100",
        "{}-300x300-c150",  # fill clamps the closeness
        "{}-2000x2000",  # larger than the source: not enlarged
        "{}-1x1",
        "{}-300x200|format-webp",
        "format-png|{}-300x200",
        "{}-300x300|width-100",  # chained transforms
        "max-200x200|{}-100x150-c20",
        "{}-300x300|jpegquality-40",
        "{}-300x300|format-webp|bgcolor-ff0000",
    ],
)
@pytest.mark.parametrize("focal_point", [None, Rect(300, 50, 420, 200)])
def test_with_nothing_live_the_bytes_are_those_of_fill(spec, focal_point):
    image = photo()
    image.set_focal_point(focal_point)
    image.save()
    ours, fill = (image.get_rendition(spec.format(name)) for name in ("smartresize", "fill"))
    assert pixels(ours) == pixels(fill)
    assert (ours.width, ours.height) == (fill.width, fill.height)
    assert ours.focal_point == fill.focal_point
    assert ours.background_position_style == fill.background_position_style


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("smartresize", "missing 1 required positional argument"),
        ("smartresize-1200", '"1200" is not a size'),
        ("smartresize-0x100", "between 1 and"),
        ("smartresize-1200x630-z5", '"z5" is not a closeness'),
        ("smartresize-heros", r'"heros" is neither a size.* \(hero, portrait\)'),
    ],
)
def test_bad_spec_says_what_is_wrong(spec, message):
    with pytest.raises(InvalidFilterSpecError, match=message):
        Filter(spec).operations  # noqa: B018 - reading them is the test


def test_preset_is_its_size():
    image = photo()
    by_preset = image.get_rendition("smartresize-portrait-c50")
    assert pixels(by_preset) == pixels(image.get_rendition("fill-400x500-c50"))


@override_settings(WAGTAIL_SMART_RESIZE={"PRESETS": {"hero": {"size": "much"}}})
def test_broken_presets_do_not_break_plain_sizes():
    assert photo().get_rendition("smartresize-300x300").width == 300
    with pytest.raises(InvalidFilterSpecError, match="much"):
        photo().get_rendition("smartresize-hero")


def test_a_spec_is_read_once_for_all_pictures(monkeypatch):
    """Wagtail makes its operations anew for every picture of every page."""
    assert Filter("smartresize-123x45").operations
    monkeypatch.setattr("wagtail_smart_resize.renditions.operation.parse_target", None)
    assert str(Filter("smartresize-123x45").operations[0].slot) == "123x45"


def test_all_pictures_share_the_operation_of_a_spec():
    first, second = (Filter("smartresize-123x45-c20").operations for _ in range(2))
    assert first[0] is second[0]
    assert Filter("smartresize-123x45-c30").operations[0] is not first[0]


def test_a_bad_spec_is_bad_every_time():
    for _ in range(2):
        with pytest.raises(InvalidFilterSpecError, match="is not a closeness"):
            assert Filter("smartresize-123x45-z5").operations


def test_a_spec_is_read_anew_when_its_preset_is_another():
    for size in ("100x50", "60x60"):
        with override_settings(WAGTAIL_SMART_RESIZE={"PRESETS": {"card": {"size": size}}}):
            assert str(Filter("smartresize-card").operations[0].slot) == size


class DuckTransform:
    """A transform of another class, such as the dummy in Wagtail's own tests."""

    def __init__(self, size):
        self.size = size
        self.done = []

    def crop(self, rect):
        self.done.append("crop")
        return self

    def resize(self, size):
        self.done.append("resize")
        return self


def test_a_transform_of_any_class_is_run_as_one():
    operation = SmartResizeOperation("smartresize", "20x10")
    subject = DuckTransform((100, 100))
    image = SimpleNamespace(
        width=100, height=100, has_focal_point=lambda: False, get_focal_point=lambda: None
    )
    assert operation.run(subject, image) is subject
    assert subject.done == ["crop", "resize"]


@pytest.mark.parametrize("size", ["800000x100", "20001x1", "1x20001", "1000000x1000000"])
@pytest.mark.django_db
def test_a_size_that_is_too_large_is_wagtails_fill(size):
    """`fill` never enlarges, so it gives a picture of any size."""
    image = plain_image(40, 30)
    ours, theirs = (image.get_rendition(f"{name}-{size}-c10") for name in ("smartresize", "fill"))
    assert (ours.width, ours.height) == (theirs.width, theirs.height)
    assert ours.file.read() == theirs.file.read()
    assert not demand_notes.notes


@pytest.mark.parametrize("spec", ["800000x100-x", "800000", "-1x5", "1x2x3"])
def test_what_is_no_size_for_fill_is_none_here(spec):
    for name in ("smartresize", "fill"):
        with pytest.raises(InvalidFilterSpecError):
            assert Filter(f"{name}-{spec}").operations
