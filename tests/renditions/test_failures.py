"""Whatever fails of a recomposition after it is live, the page shows the crop."""

import pytest
from django.template import Context, Template
from PIL import Image
from support.factories import colour_of, live, plain_image
from wagtail.images import get_image_model
from willow.plugins.pillow import PillowImage

from wagtail_smart_resize.models import ImageVersion
from wagtail_smart_resize.publishing import preparation, publication
from wagtail_smart_resize.purchasing import demand
from wagtail_smart_resize.renditions import provenance, saving

pytestmark = pytest.mark.django_db

GOLD, BLUE = (255, 215, 0), (70, 130, 180)
SPEC = "smartresize-400x400"
FORMATS = ["", "|format-jpeg", "|format-png", "|format-webp", "|format-avif", "|format-gif"]


def near(colour, other):
    return all(abs(a - b) < 12 for a, b in zip(colour, other, strict=True))


def fresh(image):
    return get_image_model().objects.get(pk=image.pk)


@pytest.fixture
def image():
    made = plain_image()
    live(made)
    return made


@pytest.fixture
def fail_for_recomposed(monkeypatch):
    """Return a function that makes a method of Willow's fail for recomposed pictures alone."""

    def fail(name):
        def broken(self, *args, **kwargs):
            raise OSError("cannot write mode I;16 as JPEG")

        monkeypatch.setattr(saving.SavedImage, name, broken, raising=False)

    return fail


@pytest.mark.parametrize("format", FORMATS)
def test_what_fails_while_it_is_encoded_gives_the_crop(image, fail_for_recomposed, caplog, format):
    for encode in ("jpeg", "png", "webp", "avif", "gif"):
        fail_for_recomposed(f"save_as_{encode}")
    rendition = fresh(image).get_rendition(SPEC + format)
    assert near(colour_of(rendition), GOLD)
    assert (rendition.width, rendition.height) == (400, 400)
    assert "can't be used" in caplog.text


@pytest.mark.parametrize("step", ["save_as_jpeg"])
def test_what_fails_while_it_is_converted_gives_the_crop(image, fail_for_recomposed, step):
    fail_for_recomposed(step)
    spec = SPEC + "|bgcolor-fff|format-jpeg"
    assert near(colour_of(fresh(image).get_rendition(spec)), GOLD)


def test_so_do_several_renditions_made_at_once(image, fail_for_recomposed):
    fail_for_recomposed("save_as_webp")
    specs = [f"{SPEC}|format-png", f"{SPEC}|format-webp", "smartresize-200x200|format-webp"]
    made = fresh(image).get_renditions(*specs)
    assert [near(colour_of(each), BLUE) for each in made.values()] == [True, False, False]
    assert all(near(colour_of(each), GOLD) for each in list(made.values())[1:])


def test_a_page_lives_and_the_damage_is_mended(image, fail_for_recomposed, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(saving.SavedImage, "save_as_png", _broken, raising=False)
        html = Template("{% load wagtailimages_tags %}{% image photo " + SPEC + " %}").render(
            Context({"photo": fresh(image)})
        )
    assert 'width="400"' in html
    demand.write_noted_demand()
    assert ImageVersion.objects.get(pk=image.pk).damage_noted_at
    assert publication.publish(image.pk)
    assert near(colour_of(fresh(image).get_rendition(SPEC)), BLUE)


def _broken(self, *args, **kwargs):
    raise OSError("cannot write")


def test_what_fails_for_the_crop_too_fails_as_with_fill(image, monkeypatch):
    monkeypatch.setattr(PillowImage, "save_as_png", _broken)
    for spec in (SPEC, "fill-400x400"):
        with pytest.raises(OSError, match="cannot write"):
            fresh(image).get_rendition(spec)


def test_where_nothing_is_live_an_error_is_wagtails_own(monkeypatch, caplog):
    monkeypatch.setattr(PillowImage, "save_as_png", _broken)
    with pytest.raises(OSError, match="cannot write"):
        plain_image().get_rendition(SPEC)
    assert "can't be used" not in caplog.text


MODES = ["1", "L", "LA", "P", "RGBA", "CMYK", "I", "I;16", "F", "LAB", "HSV", "YCbCr"]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("mode", MODES)
def test_no_pixel_mode_of_a_candidate_breaks_a_page(image, monkeypatch, mode, format):
    """None but RGB is stored. A candidate may come from elsewhere: a backup, another release."""
    convert = provenance.bare

    def of_mode(willow):
        willow.image = Image.new(mode, willow.image.size)
        return convert(willow)

    monkeypatch.setattr(provenance, "bare", of_mode)
    for spec in (SPEC + format, f"{SPEC}|bgcolor-fff{format}"):
        assert fresh(image).get_rendition(spec).width == 400


@pytest.mark.parametrize("step", ["save_as_png"])
def test_what_cannot_be_made_is_not_flipped(step, monkeypatch):
    image = plain_image()
    fresh(image).get_rendition(SPEC)
    monkeypatch.setattr(saving.SavedImage, step, _broken, raising=False)
    with pytest.raises((preparation.CandidateUnusable, preparation.RenditionNotPrepared)):
        live(image)
    assert ImageVersion.objects.get(pk=image.pk).live == []
    assert near(colour_of(fresh(image).get_rendition(SPEC)), GOLD)
