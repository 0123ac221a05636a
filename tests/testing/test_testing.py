"""What a site's own tests are given: a recomposed picture that is live, without any request."""

import subprocess
import sys

import pytest
from PIL import UnidentifiedImageError
from support.factories import colour_of, photo, picture, plain_image

from wagtail_smart_resize.models import BudgetPeriod, GatewayRequest, Recomposition
from wagtail_smart_resize.renditions.recomposed import is_recomposed
from wagtail_smart_resize.testing import recomposed

pytest_plugins = ["wagtail_smart_resize.testing.fixtures"]
pytestmark = pytest.mark.django_db

RED = (255, 0, 0)


def near(colour, other):
    return all(abs(one - two) < 12 for one, two in zip(colour, other, strict=True))


class TestRecomposed:
    def test_is_live_for_the_image_at_hand(self):
        image = photo()
        assert not is_recomposed(image.get_rendition("smartresize-300x300"))
        recomposed(image, "300x300", picture(300, 300, "red"))
        rendition = image.get_rendition("smartresize-300x300")
        assert is_recomposed(rendition)
        assert near(colour_of(rendition), RED)

    def test_draws_a_picture_of_the_size_where_it_is_given_none(self):
        candidate = recomposed(photo(), "300x200")
        assert (candidate.width, candidate.height) == (300, 200)

    def test_serves_a_preset_under_its_recipe(self, configure):
        configure(PRESETS={"hero": {"size": "400x200", "prompt": "More sky"}})
        image = photo()
        recomposed(image, "hero")
        assert is_recomposed(image.get_rendition("smartresize-hero"))
        assert not is_recomposed(image.get_rendition("smartresize-400x200"))

    def test_takes_the_place_of_the_one_before(self):
        image = photo()
        recomposed(image, "300x300", picture(300, 300, "blue"))
        recomposed(image, "300x300", picture(300, 300, "red"))
        assert near(colour_of(image.get_rendition("smartresize-300x300")), RED)

    def test_buys_nothing(self):
        recomposed(photo(), "300x300")
        assert not GatewayRequest.objects.exists()
        assert not BudgetPeriod.objects.exists()
        assert not Recomposition.objects.wanted().exists()

    def test_refuses_a_picture_of_another_shape(self):
        with pytest.raises(ValueError, match="300x300"):
            recomposed(photo(), "300x200", picture(300, 300))

    def test_refuses_what_is_no_picture(self):
        with pytest.raises(UnidentifiedImageError):
            recomposed(photo(), "300x200", b"no picture")

    def test_refuses_a_spec_that_names_nothing(self):
        with pytest.raises(ValueError, match="nowhere"):
            recomposed(plain_image(), "nowhere")


class TestFixture:
    @pytest.fixture
    def gone_at_the_end(self):
        """Files that are looked for once the fixtures that come after this one have ended."""
        files = []
        yield files
        assert files
        assert [file.name for file in files if file.storage.exists(file.name)] == []

    def test_gives_a_recomposed_picture(self, smart_resize):
        image = plain_image()
        smart_resize(image, "300x300")
        assert is_recomposed(image.get_rendition("smartresize-300x300"))

    def test_leaves_no_file(self, gone_at_the_end, smart_resize):
        file = smart_resize(plain_image(), "300x300").file
        assert file.storage.exists(file.name)
        gone_at_the_end.append(file)


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("wagtail_smart_resize.testing.fixtures", "django.conf"),
        ("wagtail_smart_resize.testing", "pytest"),
    ],
)
def test_what_is_loaded_early(module, absent):
    code = f"import sys\ntry:\n    import {module}\nfinally:\n    print({absent!r} in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr
