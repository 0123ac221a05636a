"""Versions with the photograph's own pixels: what they are made of, and when they go live."""

import io

import pytest
from PIL import Image
from support.factories import photo, recomposition
from support.purchases import again, candidates, only, spent, want

from wagtail_smart_resize.models import Candidate, GatewayRequest, Recomposition
from wagtail_smart_resize.purchasing import own_pixels
from wagtail_smart_resize.purchasing.comparing import focus_of
from wagtail_smart_resize.purchasing.own_pixels import CantKeepPixels, keep_pixels
from wagtail_smart_resize.sandbox.faults.pictures import untrue
from wagtail_smart_resize.sandbox.recompose import open_picture, recompose

checking = pytest.importorskip("wagtail_smart_resize.integrity.checking")

pytestmark = pytest.mark.django_db

SLOT = "1200x630"
#: The astronaut, and all that the sandbox garbles.
FOCUS = {
    "focal_point_x": 256,
    "focal_point_y": 256,
    "focal_point_width": 370,
    "focal_point_height": 370,
}


def pixels_of(image):
    with image.file.open() as file:
        return open_picture(file.read())


def version_of(image, *words, format="webp", size=(1200, 630)):
    """Store what the sandbox makes of an image, compared with it as the pipeline does."""
    original = pixels_of(image)
    drawn = recompose(untrue(original, frozenset(words), 1), size, seed=1, index=0)
    content = io.BytesIO()
    drawn.save(content, format, quality=90)
    report = checking.check(original, drawn, focus_of(image, original_size(image)))
    row = recomposition(image, SLOT, purchase=Recomposition.Purchase.IDLE)
    stored = Candidate.objects.create(
        recomposition=row,
        file=Candidate.new_name(image.pk, format),
        width=size[0],
        height=size[1],
        digest="0" * 64,
        report=report.to_json(),
        passed=report.passed,
        score=report.score,
    )
    stored.write(content.getvalue())
    return stored


def original_size(image):
    from wagtail_smart_resize.core.sizes import Size

    return Size(image.width, image.height)


@pytest.fixture
def image():
    return photo("astronaut.png", **FOCUS)


# What is made


@pytest.mark.parametrize("format", ["webp", "jpeg", "png"])
def test_a_version_beside_the_bought_one(image, format):
    bought = version_of(image, "garbled", format=format)
    assert bought.passed is False
    derived = keep_pixels(bought, image)
    assert (derived.derived_from, derived.request) == (bought, None)
    assert (derived.recomposition, derived.stored) == (bought.recomposition, True)
    assert derived.size == bought.size
    with derived.file.open() as file, Image.open(file) as opened:
        assert opened.format == format.upper()
        assert opened.size == derived.size
    assert derived.passed
    assert derived.own_pixels["passed"]
    assert 0.1 < derived.own_pixels["share"] < 0.9
    assert derived.score > bought.score
    assert again(bought.recomposition).live is None


def test_nothing_is_bought_for_it(image):
    keep_pixels(version_of(image, "garbled"), image)
    assert not GatewayRequest.objects.exists()
    assert spent() == 0


def test_for_the_same_focal_area_it_is_made_once(image):
    bought = version_of(image, "garbled")
    derived = keep_pixels(bought, image)
    assert keep_pixels(bought, image) == derived
    image.focal_point_width = 350
    image.save()
    assert keep_pixels(bought, image) != derived
    assert Candidate.objects.filter(derived_from=bought).count() == 2


def test_what_is_there_already_is_found_without_reading_a_picture(image):
    bought = version_of(image, "garbled")
    derived = keep_pixels(bought, image)
    bought.file.storage.delete(bought.file.name)
    assert keep_pixels(bought, image) == derived


def test_without_a_focal_area_all_of_it_is_laid():
    image = photo("astronaut.png")
    derived = keep_pixels(version_of(image), image)
    assert derived.own_pixels["focus"] is None
    assert derived.own_pixels["share"] > 0.4


def test_an_upright_picture_of_a_file_that_lies(image):
    """The original is laid as it is displayed: by its EXIF orientation."""
    content = io.BytesIO()
    turned = pixels_of(image).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[274] = 6
    turned.save(content, "JPEG", quality=95, exif=exif)
    image.file.storage.delete(image.file.name)
    image.file.storage.save(image.file.name, content)
    derived = keep_pixels(version_of(image, "garbled"), image)
    assert derived.passed


# Where it must not be


def refusal_of(version, image):
    with pytest.raises(CantKeepPixels) as refusal:
        keep_pixels(version, image)
    assert not Candidate.objects.exclude(derived_from=None).exists()
    return refusal.value.code


def test_never_over_a_mirrored_version(image):
    assert refusal_of(version_of(image, "mirrored"), image) == "mirrored"


def test_never_over_another_picture(image):
    other = version_of(photo("chelsea.png"))
    other.report = checking.check(pixels_of(image), pixels_of(photo("chelsea.png"))).to_json()
    assert refusal_of(other, image) == "not_found"


def test_never_over_what_was_not_checked(image):
    version = version_of(image)
    version.report = None
    assert refusal_of(version, image) == "unchecked"


# By itself


@pytest.fixture
def subject(site, configure):
    """Have the site's pipeline keep the subject's own pixels."""
    configure(INTEGRITY="review", KEEP_PIXELS="subject", RESOLUTION="1K")
    return site.gateway


def buy(run, image):
    (row,) = want(image, SLOT)
    run()
    return again(row)


@pytest.mark.django_db(transaction=True)
class TestByItself:
    @pytest.mark.parametrize("integrity", ["review", "strict"])
    def test_the_derived_one_goes_live_if_it_passes(
        self, subject, run, configure, image, integrity
    ):
        configure(INTEGRITY=integrity)
        subject.misbehave("garbled")
        row = buy(run, image)
        bought, derived = candidates(row)
        assert (bought.passed, derived.derived_from, row.live) == (False, bought, derived)
        assert only(GatewayRequest).outputs_asked == spent() == 1

    def test_where_it_can_t_be_laid_the_gate_has_its_say(self, subject, run, image):
        subject.misbehave("mirrored")
        row = buy(run, image)
        (bought,) = candidates(row)
        assert (bought.passed, row.live) == (False, None)
        assert list(Recomposition.objects.awaiting_review()) == [row]

    def test_where_the_seam_does_not_pass_it_waits(self, subject, run, image, monkeypatch):
        from wagtail_smart_resize.integrity import own_pixels as pure

        monkeypatch.setattr(pure, "GOOD_SEAM", 1.01)
        subject.misbehave("garbled")
        row = buy(run, image)
        _bought, derived = candidates(row)
        assert (derived.passed, derived.own_pixels["passed"], row.live) == (False, False, None)
        assert list(Recomposition.objects.awaiting_review()) == [row]

    def test_one_that_passes_as_it_is_goes_live_with_own_pixels_all_the_same(
        self, subject, run, image
    ):
        row = buy(run, image)
        bought, derived = candidates(row)
        assert (bought.passed, row.live) == (True, derived)

    def test_trouble_with_it_leaves_the_bought_one_as_it_is(
        self, subject, run, image, monkeypatch, caplog
    ):
        monkeypatch.setattr(own_pixels, "keep_pixels", lambda *args: 1 / 0)
        row = buy(run, image)
        assert row.live == candidates(row)[0]
        assert "Can't lay own pixels" in caplog.text

    def test_with_review_both_wait(self, subject, run, configure, image):
        configure(REVIEW=True)
        row = buy(run, image)
        assert (len(candidates(row)), row.live) == (2, None)
        assert list(Recomposition.objects.awaiting_review()) == [row]

    def test_not_without_the_setting(self, subject, run, configure, image):
        configure(KEEP_PIXELS="no")
        row = buy(run, image)
        assert row.live == candidates(row)[0]
        assert len(candidates(row)) == 1

    def test_by_preset(self, subject, run, configure, image):
        configure(
            KEEP_PIXELS="no",
            PRESETS={"card": {"size": SLOT, "keep_pixels": "subject"}},
        )
        (row,) = want(image, SLOT, recipe="card")
        run()
        assert again(row).live.is_derived
