"""Pictures of each format that Wagtail takes: the crop of `fill`, and what becomes of it."""

import io

import pillow_heif
import pytest
from django.core.cache import cache
from django.core.files.images import ImageFile
from django.template import Context, Template
from PIL import Image as PillowImage
from PIL import ImageOps
from support.factories import PHOTOS, pixels, uploaded
from wagtail.images import get_image_model

from wagtail_smart_resize.editorial.reasons import ShownBecause, reason_of
from wagtail_smart_resize.models import Recomposition
from wagtail_smart_resize.purchasing import demand

pytestmark = pytest.mark.django_db

SPECS = ["{}-200x200", "{}-200x200-c60", "format-webp|{}-200x200", "{}-90x60|jpegquality-50"]


def rocket(mode="RGB"):
    with PillowImage.open(PHOTOS / "rocket.jpg") as opened:
        return opened.convert(mode).resize((400, 267))


def see_through():
    picture = rocket("RGBA")
    picture.putalpha(PillowImage.linear_gradient("L").resize(picture.size))
    return picture


def saved(picture, format, **params):
    data = io.BytesIO()
    picture.save(data, format, **params)
    return data.getvalue()


def moving(format):
    first = rocket()
    return saved(first, format, save_all=True, append_images=[ImageOps.mirror(first)], duration=90)


def heic():
    data = io.BytesIO()
    pillow_heif.from_pillow(rocket()).save(data)
    return data.getvalue()


def lying():
    """Upright only by what its EXIF says: stored 267 px wide and 400 px high."""
    exif = PillowImage.Exif()
    exif[0x0112] = 6
    return saved(rocket().transpose(PillowImage.Transpose.ROTATE_90), "JPEG", exif=exif)


def drawing():
    return (
        b'<svg xmlns="http://www.w3.org/2000/svg" width="400" height="267" viewBox="0 0 400 267">'
        b'<circle cx="200" cy="133" r="90"/></svg>'
    )


SOURCES = {
    "jpeg.jpg": lambda: saved(rocket(), "JPEG"),
    "avif.avif": lambda: saved(rocket(), "AVIF"),
    "webp.webp": lambda: saved(rocket(), "WEBP"),
    "heic.heic": heic,
    "opaque.png": lambda: saved(rocket("RGBA"), "PNG"),
    "cmyk.jpg": lambda: saved(rocket("CMYK"), "JPEG"),
    "lying.jpg": lying,
    "still.gif": lambda: saved(rocket("P"), "GIF"),
    "alpha.png": lambda: saved(see_through(), "PNG"),
    "alpha.webp": lambda: saved(see_through(), "WEBP"),
    "moving.gif": lambda: moving("GIF"),
    "moving.webp": lambda: moving("WEBP"),
    "drawing.svg": drawing,
}

#: Why nothing is bought; the others are recomposed.
REFUSED = {
    "alpha.png": ShownBecause.TRANSPARENT,
    "alpha.webp": ShownBecause.TRANSPARENT,
    "moving.gif": ShownBecause.ANIMATED,
    "moving.webp": ShownBecause.ANIMATED,
    "drawing.svg": ShownBecause.SVG,
}


@pytest.fixture(params=SOURCES)
def name(request):
    return request.param


@pytest.fixture
def image(name):
    # The same bytes under the same key in each test: Wagtail would find the renditions of another.
    cache.clear()
    return uploaded(title=name, file=ImageFile(io.BytesIO(SOURCES[name]()), name=name))


def fresh(image):
    return get_image_model().objects.get(pk=image.pk)


def shown(image, spec):
    with fresh(image).get_rendition(spec).file.open() as file, PillowImage.open(file) as opened:
        opened.load()
        return opened


def test_what_the_crop_gives_is_what_fill_gives(image, name):
    for spec in SPECS:
        if name.endswith(".svg") and "format" in spec:
            continue  # No bitmap is made of a drawing.
        ours = fresh(image).get_rendition(spec.format("smartresize"))
        assert pixels(ours) == pixels(fresh(image).get_rendition(spec.format("fill")))
        assert (
            ours.file.name.rpartition(".")[2]
            == (fresh(image).get_rendition(spec.format("fill")).file.name.rpartition(".")[2])
        )


def test_it_is_recomposed_or_it_stays_what_fill_gives(image, name, gateway, run):
    spec = "smartresize-200x200"
    crop = pixels(fresh(image).get_rendition(spec))
    demand.write_noted_demand()
    run()
    rendition = fresh(image).get_rendition(spec)
    if name in REFUSED:
        assert len(gateway.requests) == 0
        assert reason_of(rendition) is REFUSED[name]
        assert pixels(rendition) == crop == pixels(fresh(image).get_rendition("fill-200x200"))
        return
    assert len(gateway.requests) == 1
    assert reason_of(rendition) is ShownBecause.RECOMPOSED
    assert pixels(rendition) != crop
    assert (rendition.width, rendition.height) == shown(image, spec).size == (200, 200)
    wide = fresh(image).get_rendition("smartresize-100x100|max-50x80")
    assert (wide.width, wide.height) == (50, 50)


@pytest.mark.parametrize("name", ["lying.jpg"], indirect=True)
def test_what_lies_is_bought_as_it_is_displayed(image, name, gateway, run):
    assert shown(image, "original").size == (400, 267)
    # As displayed, 3:2 is all of the picture: no crop loses anything.
    fresh(image).get_rendition("smartresize-300x200")
    demand.write_noted_demand()
    run()
    row = Recomposition.objects.get()
    assert (row.waiting_reason, len(gateway.requests)) == ("enough_kept", 0)


@pytest.mark.parametrize("name", ["drawing.svg", "jpeg.jpg"], indirect=True)
def test_preserve_svg_keeps_the_filter_as_it_keeps_fill(image, name):
    tag = "{% load wagtailimages_tags %}{% image image smartresize-200x200 preserve-svg as shown %}"
    context = Context({"image": fresh(image)})
    Template(tag).render(context)
    shown = context["shown"]
    assert shown.filter_spec.replace("|preserve-svg", "") == "smartresize-200x200"
    assert pixels(shown) == pixels(fresh(image).get_rendition("fill-200x200"))


@pytest.mark.parametrize("name", ["drawing.svg"], indirect=True)
@pytest.mark.parametrize(
    ("spec", "kept"),
    [
        ("smartresize-200x100|format-webp|preserve-svg", "smartresize-200x100"),
        (
            "smartresize-200x100-c50|bgcolor-000|max-50x50|preserve-svg",
            "smartresize-200x100-c50|max-50x50",
        ),
        ("format-webp|preserve-svg", "original"),
    ],
)
def test_preserve_svg_drops_what_needs_pixels(image, name, spec, kept):
    tag = "{% load wagtailimages_tags %}{% image image " + spec.replace("|", " ") + " as shown %}"
    context = Context({"image": fresh(image)})
    Template(tag).render(context)
    assert context["shown"].filter_spec == kept
