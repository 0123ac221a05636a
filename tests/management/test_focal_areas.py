"""The command that suggests focal areas from faces."""

import io

import pytest
from django.core.management import CommandError, call_command
from support.factories import plain_image

from wagtail_smart_resize.integrity import extra
from wagtail_smart_resize.integrity.report import Box
from wagtail_smart_resize.management.commands import smart_resize_focal_areas as command

pytestmark = pytest.mark.django_db

FACE = Box(100, 50, 200, 150)


@pytest.fixture(autouse=True)
def faces(monkeypatch):
    monkeypatch.setattr(extra, "finds_faces", lambda: True)
    monkeypatch.setattr(
        command, "suggested_area", lambda image: None if image.title == "Landscape" else FACE
    )


@pytest.fixture
def images():
    has_one = {
        "focal_point_x": 5,
        "focal_point_y": 5,
        "focal_point_width": 9,
        "focal_point_height": 9,
    }
    return [
        plain_image(title="Ada"),
        plain_image(title="Landscape"),
        plain_image(title="Grace", **has_one),
    ]


def run(**options):
    output = io.StringIO()
    call_command("smart_resize_focal_areas", stdout=output, **options)
    return output.getvalue().splitlines()


def area_of(image):
    image.refresh_from_db()
    area = image.get_focal_point()
    return area and Box(*map(round, (area.left, area.top, area.width, area.height)))


def test_it_prints_and_saves_nothing(images):
    line, summary = run()
    assert line == f"{images[0].pk} (Ada): 100,50,200,150"
    assert summary == "Images looked at: 2. Focal areas suggested, and none saved: 1."
    assert area_of(images[0]) is None


def test_it_saves_where_it_is_told_to(images):
    assert run(save=True)[-1] == "Images looked at: 2. Focal areas saved: 1."
    assert [area_of(image) for image in images] == [FACE, None, Box(0, 0, 9, 9)]


def test_it_looks_at_no_more_than_it_is_told(images):
    assert run(limit=1)[-1].startswith("Images looked at: 1.")


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(extra, "finds_faces", lambda: False)
    with pytest.raises(CommandError, match=r"wagtail-smart-resize\[faces\]"):
        run()
