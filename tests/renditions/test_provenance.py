"""What the files of renditions say of their pictures, read by file_metadata.py, not by Pillow."""

import io
import json
import shutil
import subprocess

import pytest
from django.core.files.base import ContentFile
from django.core.files.images import ImageFile
from django.test import override_settings
from PIL import Image as PillowImage
from PIL import ImageCms, ImageOps, PngImagePlugin
from support.factories import (
    candidate,
    live,
    photograph,
    pixels,
    plain_image,
    recomposition,
    uploaded,
)
from support.file_metadata import digital_source_types, kind_of, metadata
from wagtail import hooks
from wagtail.images import get_image_model
from wagtail.images.image_operations import FilterOperation
from wagtail.images.models import Filter, SourceImageIOError
from willow.plugins.pillow import PillowImage as WillowImage

from wagtail_smart_resize.imaging import origin
from wagtail_smart_resize.models import ImageVersion, Recomposition
from wagtail_smart_resize.publishing import publication
from wagtail_smart_resize.renditions import provenance, saving

pytestmark = pytest.mark.django_db

COMPOSITE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
SPEC = "smartresize-400x400"
FORMATS = ["jpeg", "png", "webp", "avif"]
#: Where a secret could be: anything that holds this word leaks.
SECRET = b"SECRET"
OURS = {"API_KEY": "test-key", "RUNNER": "off", "REVIEW": False}


def fresh(image):
    return get_image_model().objects.get(pk=image.pk)


def secrets():
    """EXIF with a position, and whatever else can be written into a JPEG."""
    exif = PillowImage.Exif()
    exif[0x010E] = "SECRET description"
    position = exif.get_ifd(0x8825)
    position[1], position[2] = "N", (52.0, 31.0, 12.0)
    position[29] = "SECRET date"
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>SECRET</x:xmpmeta>"
    return {"exif": exif, "xmp": xmp, "comment": b"SECRET comment"}


def told_about(picture, format="JPEG", **params):
    data = io.BytesIO()
    picture.save(data, format, **params)
    assert SECRET in data.getvalue()
    return data.getvalue()


def source(format="JPEG"):
    """An uploaded photograph that says where it was taken."""
    with PillowImage.open(io.BytesIO(photograph(800, 600))) as opened:
        content = told_about(opened, format, **secrets())
    return uploaded(title="Photograph", file=ImageFile(io.BytesIO(content), name="source.jpg"))


def recomposed_by(content):
    """Publishes a candidate of these bytes for an image."""

    def publish(image):
        row = recomposition(image, purchase=Recomposition.Purchase.IDLE)
        chosen = candidate(row)
        chosen.write(content)
        row.update_if(where={}, live=chosen)
        ImageVersion.mark_publish_due(image.pk)
        publication.publish(image.pk)

    return publish


def photographed():
    with PillowImage.open(io.BytesIO(photograph(800, 800, "chelsea.png"))) as opened:
        return told_about(opened, **secrets())


def before_the_flip(image, spec):
    """Made with the others when the candidate goes live."""
    fresh(image).get_rendition(spec)
    recomposed_by(photographed())(image)
    count = image.renditions.count()
    assert count == 2
    made = fresh(image).get_rendition(spec)
    assert image.renditions.count() == count
    return made


def at_first_view(image, spec):
    recomposed_by(photographed())(image)
    assert not image.renditions.exists()
    return fresh(image).get_rendition(spec)


MOMENTS = [before_the_flip, at_first_view]

WHOLE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
#: What the candidate's file says, whether own pixels were laid over it, and what is written.
TRUTHS = [
    ("", False, COMPOSITE, "it says nothing"),
    ("trainedAlgorithmicMedia", False, WHOLE, "all of it is AI's"),
    ("trainedAlgorithmicMedia", True, COMPOSITE, "the subject is the photograph's again"),
    ("digitalCapture", False, COMPOSITE, "that would be untrue"),
    ("<script>", False, COMPOSITE, "no code at all"),
]


def live_candidate(image, said, has_own_pixels):
    row = recomposition(image, purchase=Recomposition.Purchase.IDLE)
    chosen = candidate(row, source_type=said)
    if has_own_pixels:
        chosen = candidate(row, source_type=said, derived_from=chosen)
    row.update_if(where={}, live=chosen)
    ImageVersion.mark_publish_due(image.pk)
    publication.publish(image.pk)


@pytest.mark.parametrize("is_stored", [False, True])
@pytest.mark.parametrize(("said", "has_own_pixels", "written", "why"), TRUTHS)
def test_of_two_truths_the_one_that_tells_of_more_ai_is_written(
    said, has_own_pixels, written, why, is_stored
):
    image = source()
    if is_stored:
        fresh(image).get_rendition(SPEC)
    live_candidate(image, said, has_own_pixels)
    content = pixels(fresh(image).get_rendition(SPEC))
    assert digital_source_types(content) == [written], why


def test_a_conversion_before_saving_keeps_what_is_written(monkeypatch):
    picture = PillowImage.new("RGBA", (8, 8), (1, 2, 3, 128))
    ours = saving.saved_our_way(WillowImage(picture), "trainedAlgorithmicMedia")
    content = io.BytesIO()
    ours.set_background_color_rgb((255, 255, 255)).image.convert("RGB").save(content, "JPEG")
    assert digital_source_types(content.getvalue()) == [WHOLE]


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("name", FORMATS)
def test_a_recomposed_rendition_says_so_and_nothing_else(name, moment):
    content = pixels(moment(source(), f"{SPEC}|format-{name}"))
    assert kind_of(content) == name
    assert digital_source_types(content) == [COMPOSITE]
    assert set(metadata(content)) == {"xmp"}
    assert SECRET not in content


@pytest.mark.parametrize("spec", ["format-webp-lossless", "format-avif-lossless"])
def test_a_lossless_rendition_says_so(spec):
    content = pixels(at_first_view(source(), f"{SPEC}|{spec}"))
    assert digital_source_types(content) == [COMPOSITE]


@override_settings(WAGTAILIMAGES_FORMAT_CONVERSIONS={"jpeg": "webp"})
def test_a_format_that_the_site_converts_to_says_so():
    content = pixels(at_first_view(source(), SPEC))
    assert kind_of(content) == "webp"
    assert digital_source_types(content) == [COMPOSITE]


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("name", FORMATS)
@override_settings(WAGTAIL_SMART_RESIZE={**OURS, "LABEL_RENDITIONS": False})
def test_switched_off_nothing_is_said_at_all(name, moment):
    content = pixels(moment(source(), f"{SPEC}|format-{name}"))
    assert metadata(content) == {}
    assert SECRET not in content


@pytest.mark.parametrize("name", FORMATS)
def test_the_label_changes_no_pixel(name):
    image = source()
    recomposed_by(photographed())(image)
    pictures = []
    for is_on in (True, False):
        with override_settings(WAGTAIL_SMART_RESIZE={**OURS, "LABEL_RENDITIONS": is_on}):
            made = fresh(image).generate_rendition_file(Filter(f"{SPEC}|format-{name}"))
        made.seek(0)
        content = made.read()
        assert bool(digital_source_types(content)) == is_on
        with PillowImage.open(io.BytesIO(content)) as opened:
            pictures.append((opened.mode, opened.size, opened.tobytes()))
    assert pictures[0] == pictures[1]
    assert len(set(pictures[0][2])) > 100, "a photograph"


def encodings(monkeypatch):
    """Count Pillow's encodings from now on."""
    counted = []
    save = PillowImage.Image.save

    def counting(self, fp, format=None, **params):
        counted.append(format)
        save(self, fp, format, **params)

    monkeypatch.setattr(PillowImage.Image, "save", counting)
    return counted


@pytest.mark.parametrize("name", FORMATS)
def test_pixels_are_encoded_once(name, monkeypatch):
    image = source()
    recomposed_by(photographed())(image)
    counted = encodings(monkeypatch)
    fresh(image).get_rendition(f"{SPEC}|format-{name}")
    assert counted == [name.upper()]


def test_nothing_is_done_where_the_rendition_exists(monkeypatch):
    image = source()
    at_first_view(image, SPEC)

    def never(*_args):
        raise AssertionError

    monkeypatch.setattr(saving.Save, "run", never)
    monkeypatch.setattr(provenance, "bare", never)
    assert fresh(image).get_rendition(SPEC).width == 400


# Crops


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("spec", ["fill-400x400", "smartresize-300x200", "original"])
def test_a_crop_never_says_so(spec, name):
    image = source()
    recomposed_by(photographed())(image)  # of another shape, or for another filter
    content = pixels(fresh(image).get_rendition(f"{spec}|format-{name}"))
    assert "xmp" not in metadata(content)
    assert COMPOSITE.encode() not in content


def test_a_crop_that_was_decided_never_says_so():
    image = plain_image()
    row = live(image).recomposition
    row.update_if(where={}, live=None, decision=Recomposition.Decision.CROP)
    ImageVersion.mark_publish_due(image.pk)
    publication.publish(image.pk)
    content = pixels(fresh(image).get_rendition(f"{SPEC}|format-jpeg"))
    assert digital_source_types(content) == []


def test_the_crop_in_place_of_an_unreadable_candidate_never_says_so():
    image = plain_image()
    chosen = live(image)
    chosen.file.storage.delete(chosen.file.name)
    chosen.file.storage.save(chosen.file.name, ContentFile(b"no picture"))
    content = pixels(fresh(image).get_rendition(f"{SPEC}|format-jpeg"))
    assert digital_source_types(content) == []


@pytest.mark.parametrize("slots", ["{0}|smartresize-300x200", "smartresize-300x200|{0}"])
def test_one_recomposed_operation_among_several_is_enough(slots):
    content = pixels(at_first_view(source(), slots.format(SPEC) + "|format-jpeg"))
    assert digital_source_types(content) == [COMPOSITE]


# Pictures that are changed on their way to the file


def alpha():
    data = io.BytesIO()
    PillowImage.new("RGBA", (800, 800), (70, 130, 180, 100)).save(data, "PNG")
    return data.getvalue()


def print_colours():
    data = io.BytesIO()
    PillowImage.new("CMYK", (800, 800), (200, 90, 10, 30)).save(data, "JPEG")
    return data.getvalue()


def palette():
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Comment", "SECRET")
    picture = PillowImage.new("RGB", (800, 800), "steelblue").quantize(4)
    return told_about(picture, "PNG", pnginfo=texts)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("kind", [alpha, palette, print_colours])
def test_what_is_converted_on_its_way_says_so(kind, name):
    image = plain_image()
    recomposed_by(kind())(image)
    content = pixels(fresh(image).get_rendition(f"{SPEC}|format-{name}"))
    assert digital_source_types(content) == [COMPOSITE]
    assert set(metadata(content)) == {"xmp"}


def test_a_picture_whose_colours_are_transformed_stays_labelled():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = PillowImage.new("RGB", (40, 40), "gold")
    picture.info["icc_profile"] = profile
    transformed = saving.saved_our_way(WillowImage(picture)).transform_colorspace_to_srgb()
    data = io.BytesIO()
    transformed.save_as_webp(data)
    assert digital_source_types(data.getvalue()) == [COMPOSITE]


def test_a_candidates_colour_profile_stays():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = io.BytesIO()
    PillowImage.new("RGB", (800, 800), "gold").save(data, "JPEG", icc_profile=profile)
    image = plain_image()
    recomposed_by(data.getvalue())(image)
    with fresh(image).get_rendition(f"{SPEC}|format-jpeg").file.open() as file:
        assert PillowImage.open(file).info["icc_profile"] == profile


@pytest.mark.parametrize("spec", ["bgcolor-ff0000|{}", "{}|bgcolor-ff0000", "{}|max-90x90"])
def test_operations_beside_ours_keep_the_label(spec):
    image = plain_image()
    recomposed_by(alpha())(image)
    made = fresh(image).get_rendition(spec.format(SPEC) + "|format-png")
    assert digital_source_types(pixels(made)) == [COMPOSITE]


@pytest.mark.parametrize("spec", ["testgrey|{}", "{}|testgrey"])
def test_a_sites_own_operation_keeps_the_label(spec):
    made = at_first_view(source(), spec.format(SPEC) + "|format-jpeg")
    assert digital_source_types(pixels(made)) == [COMPOSITE]
    with made.file.open() as file, PillowImage.open(file) as opened:
        red, green, blue = (opened.getchannel(name).tobytes() for name in "RGB")
    assert red == green == blue


class Mirrored(FilterOperation):
    """A site's own operation that gives a new picture."""

    def construct(self):
        pass

    def run(self, willow, image, env):
        return WillowImage(ImageOps.mirror(willow.get_pillow_image()))


def test_a_new_picture_of_a_sites_own_operation_is_labelled():
    operations = [("testmirror", Mirrored)]
    with hooks.register_temporarily("register_image_operations", lambda: operations):
        made = at_first_view(source(), f"{SPEC}|testmirror|format-jpeg")
    assert digital_source_types(pixels(made)) == [COMPOSITE]


# Formats without a place for it, and what goes wrong


def test_a_gif_says_nothing():
    content = pixels(at_first_view(source(), f"{SPEC}|format-gif"))
    assert content.startswith(b"GIF8")
    assert SECRET not in content
    assert COMPOSITE.encode() not in content


def test_a_heic_says_so():
    content = pixels(at_first_view(source(), f"{SPEC}|format-heic"))
    assert digital_source_types(content) == [COMPOSITE]
    assert SECRET not in content


def test_an_svg_stays_as_it_is():
    drawing = (
        b'<svg xmlns="http://www.w3.org/2000/svg" width="800" height="600">'
        b'<circle cx="300" cy="300" r="9"/></svg>'
    )
    file = ImageFile(io.BytesIO(drawing), name="drawing.svg")
    image = uploaded(title="Drawing", file=file)
    recomposed_by(photographed())(image)
    content = pixels(fresh(image).get_rendition(SPEC))
    assert b"<svg" in content
    assert COMPOSITE.encode() not in content


def test_a_setting_that_cant_be_read_breaks_no_page_and_the_label_stays():
    image = source()
    recomposed_by(photographed())(image)
    with override_settings(WAGTAIL_SMART_RESIZE={**OURS, "LABEL_RENDITIONS": "yes"}):
        content = pixels(fresh(image).get_rendition(f"{SPEC}|format-jpeg"))
    assert digital_source_types(content) == [COMPOSITE]


def test_a_label_that_cant_be_written_breaks_no_page(monkeypatch, caplog):
    def broken(_willow):
        raise ValueError("no such library")

    monkeypatch.setattr(saving, "saved_our_way", broken)
    content = pixels(at_first_view(source(), f"{SPEC}|format-jpeg"))
    assert metadata(content) == {}
    assert "Can't label a rendition" in caplog.text


def test_a_missing_source_is_wagtails_matter():
    image = source()
    recomposed_by(photographed())(image)
    image.file.storage.delete(image.file.name)
    with pytest.raises(SourceImageIOError):
        fresh(image).get_rendition(SPEC)


def test_what_exists_stays_as_it_is_when_the_setting_changes():
    image = source()
    made = pixels(at_first_view(image, f"{SPEC}|format-jpeg"))
    with override_settings(WAGTAIL_SMART_RESIZE={**OURS, "LABEL_RENDITIONS": False}):
        assert pixels(fresh(image).get_rendition(f"{SPEC}|format-jpeg")) == made
        later = pixels(fresh(image).get_rendition(f"{SPEC}|format-png"))
    assert digital_source_types(made) == [COMPOSITE]
    assert digital_source_types(later) == []


# Which code it is


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("trainedAlgorithmicMedia", "trainedAlgorithmicMedia"),
        ("compositeWithTrainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia"),
        ("compositeSynthetic", "compositeWithTrainedAlgorithmicMedia"),
        ("algorithmicMedia", "compositeWithTrainedAlgorithmicMedia"),
        ("algorithmicallyEnhanced", "compositeWithTrainedAlgorithmicMedia"),
        ("digitalCapture", "compositeWithTrainedAlgorithmicMedia"),
        ("humanEdits", "compositeWithTrainedAlgorithmicMedia"),
        ("madeUp", "compositeWithTrainedAlgorithmicMedia"),
        ("", "compositeWithTrainedAlgorithmicMedia"),
    ],
)
def test_what_tells_of_more_ai_wins(said, told):
    assert provenance.source_type(said) == told


@pytest.mark.parametrize("said", [*provenance.CODES, "madeUp", ""])
def test_a_picture_that_keeps_the_originals_pixels_is_a_composite(said):
    told = provenance.source_type(said, keeps_original=True)
    assert told == "compositeWithTrainedAlgorithmicMedia"


def labelled(name, *source_type):
    data = io.BytesIO()
    picture = PillowImage.new("RGB", (40, 40), "gold")
    picture.save(data, name, **provenance.params(name.upper(), *source_type))
    return data.getvalue()


@pytest.mark.parametrize("code", provenance.CODES)
@pytest.mark.parametrize("name", FORMATS)
def test_the_chosen_code_is_written(name, code):
    content = labelled(name, code)
    assert digital_source_types(content) == [COMPOSITE.rpartition("/")[0] + f"/{code}"]
    if name != "avif":
        assert origin.read(content) == origin.Origin(code)


@pytest.mark.parametrize("code", ["", "digitalCapture", "</rdf:Description>"])
def test_any_other_code_is_kept_out(code):
    assert digital_source_types(labelled("png", code)) == [COMPOSITE]


# Somebody else's reader


needs_exiftool = pytest.mark.skipif(
    shutil.which("exiftool") is None,
    reason="NOT CHECKED by exiftool: install it (Debian: libimage-exiftool-perl)",
)


def by_exiftool(path):
    """Return what exiftool reads, as it prints it."""
    command = ["exiftool", "-j", "-G1", "-n", "-validate", "-warning", "-all", path]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@needs_exiftool
@pytest.mark.parametrize("code", ["trainedAlgorithmicMedia", ""])
@pytest.mark.parametrize("name", FORMATS)
def test_exiftool_reads_the_chosen_code(name, code, tmp_path):
    path = tmp_path / f"rendition.{name}"
    path.write_bytes(labelled(name, code))
    (told,) = json.loads(by_exiftool(path))
    written = code or "compositeWithTrainedAlgorithmicMedia"
    assert told["XMP-iptcExt:DigitalSourceType"] == f"{COMPOSITE.rpartition('/')[0]}/{written}"
    assert "ExifTool:Warning" not in told


@needs_exiftool
@pytest.mark.parametrize("name", [*FORMATS, "heic"])
def test_exiftool_reads_the_same(name, tmp_path):
    path = tmp_path / f"rendition.{name}"
    path.write_bytes(pixels(at_first_view(source(), f"{SPEC}|format-{name}")))
    printed = by_exiftool(path)
    (told,) = json.loads(printed)
    assert told["XMP-iptcExt:DigitalSourceType"] == COMPOSITE
    groups = {key.partition(":")[0] for key in told}
    assert not {group for group in groups if group.startswith(("IFD", "EXIF", "GPS"))}
    assert "SECRET" not in printed
    assert {key for key in told if key.startswith("XMP")} <= {
        "XMP-iptcExt:DigitalSourceType",
        "XMP-x:XMPToolkit",
    }
