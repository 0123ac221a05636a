"""Recomposed renditions are encoded with less work than Wagtail's, unless a site wants its own."""

import io

import pytest
from PIL import Image
from support.factories import live, photo, photograph, recomposition
from wagtail.images import get_image_model
from wagtail.images.models import Filter

from wagtail_smart_resize.models import ImageVersion
from wagtail_smart_resize.publishing import publication
from wagtail_smart_resize.renditions import encoding

pytestmark = pytest.mark.django_db

SPEC = "smartresize-400x400"
LESS = {
    "avif": ("speed", 8, {"quality": 61}),
    "jpeg": ("progressive", False, {"quality": 76}),
    "webp": ("method", 2, {"quality": 80}),
}


#: What is saved with the pixels, and is no matter of effort.
OF_THE_PICTURE = {"exif", "icc_profile", "pnginfo", "xmp"}


@pytest.fixture
def image():
    """One with a photograph live at a square."""
    image = photo()
    chosen = live(image)
    chosen.write(photograph(800, 800))
    ImageVersion.mark_publish_due(image.pk)
    publication.publish(image.pk)
    return image


@pytest.fixture
def saved(monkeypatch):
    """What Pillow was asked to save, and how."""
    calls = []
    save = Image.Image.save

    def spying(self, fp, format=None, **params):
        calls.append((format, {k: v for k, v in params.items() if k not in OF_THE_PICTURE}))
        save(self, fp, format, **params)

    monkeypatch.setattr(Image.Image, "save", spying)
    return calls


def make(image, spec):
    made = get_image_model().objects.get(pk=image.pk).generate_rendition_file(Filter(spec))
    made.seek(0)
    return made.read()


@pytest.mark.parametrize("name", LESS)
def test_encoders_do_less(image, saved, name):
    make(image, f"{SPEC}|format-{name}")
    ((format, params),) = saved
    argument, value, wagtails = LESS[name]
    assert format == name.upper()
    assert params[argument] == value
    assert wagtails.items() <= params.items()


@pytest.mark.parametrize("label", [True, False])
@pytest.mark.parametrize("name", LESS)
def test_with_or_without_the_label(image, saved, configure, name, label):
    configure(LABEL_RENDITIONS=label)
    make(image, f"{SPEC}|format-{name}")
    assert saved[0][1][LESS[name][0]] == LESS[name][1]


@pytest.mark.parametrize("name", [*LESS, "png"])
def test_a_site_can_have_wagtails_effort(image, saved, configure, name):
    configure(FAST_ENCODING=False)
    make(image, f"{SPEC}|format-{name}")
    make(image, f"fill-400x400|format-{name}")
    (_, ours), (_, wagtails) = saved
    assert ours == wagtails


@pytest.mark.parametrize("name", ["webp", "avif"])
def test_lossless_pictures_are_as_wagtail_has_them(image, saved, name):
    for operation in (SPEC, "fill-400x400"):
        make(image, f"{operation}|format-{name}-lossless")
    (_, ours), (_, wagtails) = saved
    assert ours == wagtails


@pytest.mark.parametrize("name", [*LESS, "png"])
def test_the_crop_is_wagtails_to_the_byte(saved, name):
    image = photo()
    recomposition(image)
    assert make(image, f"{SPEC}|format-{name}") == make(image, f"fill-400x400|format-{name}")
    assert saved[0] == saved[1]


@pytest.mark.parametrize("name", LESS)
def test_the_quality_that_a_template_asks_for_is_the_quality(image, saved, name):
    make(image, f"{SPEC}|format-{name}|{name}quality-35")
    assert saved[0][1]["quality"] == 35


def test_what_it_does_not_know_it_leaves_alone():
    assert encoding.with_less_work("PNG", {"optimize": True}) == {"optimize": True}
    assert encoding.with_less_work(None, {}) == {}


def test_what_comes_is_still_that_picture(image):
    fast, wagtails = (Image.open(io.BytesIO(make(image, f"{SPEC}|format-jpeg"))) for _ in "12")
    assert fast.size == wagtails.size == (400, 400)
    assert "progressive" not in fast.info
