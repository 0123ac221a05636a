"""A preset's size is changed: what still fits is cut anew, and only what doesn't is wanted."""

import pytest
from support.factories import colour_of, live, plain_image
from wagtail.images import get_image_model

from wagtail_smart_resize.models import GatewayRequest, Recomposition
from wagtail_smart_resize.renditions import demand_notes
from wagtail_smart_resize.renditions.published_cache import process_cache
from wagtail_smart_resize.repair import repairs

pytestmark = pytest.mark.django_db

SPEC = "smartresize-hero"
BLUE = (70, 130, 180)


@pytest.fixture
def resize(settings):
    def resize(size):
        ours = {**settings.WAGTAIL_SMART_RESIZE, "PRESETS": {"hero": {"size": size}}}
        settings.WAGTAIL_SMART_RESIZE = ours

    return resize


@pytest.fixture
def image(resize):
    """An image whose hero, 200x200, is live in blue, and shown by a page."""
    resize("200x200")
    image = plain_image(1200, 800)
    live(image, "200x200")
    shown(image)
    return image


def shown(image):
    """Return the rendition that a process shows which has started with the present settings."""
    process_cache.reset()
    rendition = get_image_model().objects.get(pk=image.pk).get_rendition(SPEC)
    demand_notes.notes.reset()
    return rendition


def is_blue(rendition):
    return all(abs(a - b) < 12 for a, b in zip(colour_of(rendition), BLUE, strict=True))


def test_a_size_of_about_the_same_shape_is_cut_from_what_was_bought(image, resize):
    resize("300x297")
    repairs.run()
    rendition = shown(image)
    assert (rendition.width, rendition.height) == (300, 297)
    assert is_blue(rendition)
    assert [row.purchase for row in Recomposition.objects.all()] == ["idle"]
    assert not GatewayRequest.objects.exists()


def test_another_shape_is_wanted_and_shows_the_crop(image, resize):
    resize("400x200")
    repairs.run()
    rendition = shown(image)
    assert (rendition.width, rendition.height) == (400, 200)
    assert not is_blue(rendition)
    repairs.run()
    wants = Recomposition.objects.filter(purchase="wanted")
    assert [row.slots for row in wants] == [["400x200"]]


def test_back_again_everything_is_there(image, resize):
    resize("400x200")
    repairs.run()
    shown(image)
    resize("200x200")
    repairs.run()
    rendition = shown(image)
    assert (rendition.width, rendition.height) == (200, 200)
    assert is_blue(rendition)
