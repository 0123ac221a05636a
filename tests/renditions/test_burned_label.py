"""The label as part of the picture: on recomposed renditions of presets that ask for it."""

import io

import pytest
from PIL import Image, ImageChops
from support.factories import live, pixels, plain_image
from support.file_metadata import digital_source_types
from wagtail.images import get_image_model

from wagtail_smart_resize.renditions.burned_label import burned

pytestmark = pytest.mark.django_db

BURNED = {"card": {"size": "600x400", "burn_label": True}}
TEXT = "Picture changed with AI"


@pytest.fixture
def site(configure):
    def site(**changes):
        configure(PRESETS=BURNED, **changes)

    site()
    return site


def fresh(image):
    return get_image_model().objects.get(pk=image.pk)


def picture_of(image, spec):
    with Image.open(io.BytesIO(pixels(fresh(image).get_rendition(spec)))) as opened:
        return opened.convert("RGB")


def plate_of(picture, plain):
    """Return the box in which the picture differs from one without a label."""
    difference = ImageChops.difference(picture, plain).convert("L")
    return difference.point(lambda value: 255 * (value > 40)).getbbox()


# On renditions


def test_a_recomposed_rendition_of_the_preset_has_it(site):
    image = plain_image()
    live(image, "600x400")
    marked = picture_of(image, "smartresize-card|format-png")
    plain = picture_of(image, "smartresize-600x400|format-png")
    assert marked.size == plain.size
    left, top, right, bottom = plate_of(marked, plain)
    assert (right, bottom) == marked.size
    assert left > marked.width / 2
    assert top > marked.height * 0.9


def test_the_crop_has_none(site):
    image = plain_image()
    crop = picture_of(image, "smartresize-card|format-png")
    assert plate_of(crop, picture_of(image, "fill-600x400|format-png")) is None


def test_it_is_made_when_the_candidate_goes_live(site):
    """Before the flip, with the other renditions, so that no visitor waits for it."""
    image = plain_image()
    fresh(image).get_rendition("smartresize-card|format-png")
    live(image, "600x400")
    count = image.renditions.count()
    marked = picture_of(image, "smartresize-card|format-png")
    assert image.renditions.count() == count
    assert plate_of(marked, picture_of(image, "smartresize-600x400|format-png"))


@pytest.mark.parametrize("format", ["jpeg", "png", "webp", "avif"])
def test_the_file_is_labelled_as_well(site, format):
    image = plain_image()
    live(image, "600x400")
    content = pixels(fresh(image).get_rendition(f"smartresize-card|format-{format}"))
    assert len(digital_source_types(content)) == 1


def test_another_text_or_none_leads_to_other_renditions(site, configure):
    image = plain_image()
    live(image, "600x400")
    first = fresh(image).get_rendition("smartresize-card|format-png")
    site(LABEL_TEXT="Made with AI")
    second = fresh(image).get_rendition("smartresize-card|format-png")
    configure(PRESETS={"card": {"size": "600x400"}})
    third = fresh(image).get_rendition("smartresize-card|format-png")
    assert len({first.pk, second.pk, third.pk}) == 3
    plain = picture_of(image, "smartresize-600x400|format-png")
    assert plate_of(picture_of(image, "smartresize-card|format-png"), plain) is None


def test_the_text_is_in_the_site_s_language_whoever_looks(site, settings):
    from django.utils import translation

    settings.LANGUAGE_CODE = "de"
    image = plain_image()
    live(image, "600x400")
    with translation.override("fr"):
        first = fresh(image).get_rendition("smartresize-card|format-png")
    with translation.override("es"):
        assert fresh(image).get_rendition("smartresize-card|format-png") == first


# On pictures

PLACES = [
    ("below", (False, False), "there is no below in a picture"),
    ("top-start", (True, True), ""),
    ("top-end", (False, True), ""),
    ("bottom-start", (True, False), ""),
    ("bottom-end", (False, False), ""),
]


@pytest.mark.parametrize("language", ["en", "ar"])
@pytest.mark.parametrize(("position", "place", "why"), PLACES)
def test_it_stands_in_the_corner_that_is_asked_for(
    configure, settings, position, place, why, language
):
    configure(LABEL_POSITION=position)
    settings.LANGUAGE_CODE = language
    plain = Image.new("RGB", (800, 600), "steelblue")
    left, top, right, bottom = plate_of(burned(plain, TEXT), plain)
    is_left, is_top = place
    assert (left == 0, right == 800) == (
        is_left != (language == "ar"),
        is_left == (language == "ar"),
    )
    assert (top == 0, bottom == 600) == (is_top, not is_top), why


@pytest.mark.parametrize("size", [(40, 300), (60, 60), (11, 9), (1, 1), (3000, 40), (120, 2000)])
def test_it_fits_into_pictures_of_any_size(size):
    plain = Image.new("RGB", size, "white")
    marked = burned(plain, TEXT)
    assert marked.size == size


def test_where_it_is_too_wide_it_is_short():
    plain = Image.new("RGB", (90, 300), "white")
    left, _top, right, _bottom = plate_of(burned(plain, TEXT), plain)
    assert right - left < 60


@pytest.mark.parametrize("colour", ["white", "black", "gold", "grey"])
def test_its_letters_stand_out_on_any_picture(colour):
    plain = Image.new("RGB", (800, 600), colour)
    marked = burned(plain, TEXT)
    plate = marked.crop(plate_of(marked, plain) or (500, 560, 800, 600)).convert("L")
    darkest, lightest = plate.getextrema()
    contrast = (_light(lightest) + 0.05) / (_light(darkest) + 0.05)
    assert contrast > 4.5


def _light(value):
    share = value / 255
    return share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "CMYK", "1"])
def test_pictures_of_any_mode_are_taken(mode):
    plain = Image.new("RGB", (300, 200), "gold").convert(mode)
    marked = burned(plain, TEXT)
    assert marked.size == plain.size
    assert marked.mode in {"RGB", "RGBA"}


def test_the_picture_that_is_given_stays_as_it_is():
    plain = Image.new("RGB", (300, 200), "gold")
    burned(plain, TEXT)
    assert plain.getcolors() == [(300 * 200, (255, 215, 0))]


def test_a_font_that_is_none_is_refused(configure):
    from wagtail_smart_resize.settings import settings

    configure(LABEL_FONT="/nowhere/font.ttf")
    assert any("LABEL_FONT" in problem and "font" in problem for problem in settings.problems())
