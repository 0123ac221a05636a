"""Draws crop-beside-recomposition.jpg: Wagtail's crop beside what the sandbox makes of the photo.

`python docs/images/make_comparison.py`, in an environment that has wagtail-smart-resize. The photo
is the demo site's, in the public domain; see testproject/demo/photos/ATTRIBUTION.md.
"""

import io
import os
import sys
from pathlib import Path

import django
from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).resolve().parents[2]
PHOTO = ROOT / "testproject" / "demo" / "photos" / "man.jpg"
#: From the cap to the beard: no strip of this shape holds it.
FACE = {
    "focal_point_x": 318,
    "focal_point_y": 275,
    "focal_point_width": 350,
    "focal_point_height": 480,
}
SIZE = (611, 321)
GAP, LABEL = 16, 40
PAPER, INK = "#ffffff", "#1b1a22"


def crop(spec: str) -> Image.Image:
    """What Wagtail's own filter gives for the photo with a focal area from cap to beard."""
    from django.core.files.images import ImageFile
    from wagtail.images import get_image_model
    from wagtail.images.models import Filter

    with PHOTO.open("rb") as file:
        photo = get_image_model()(file=ImageFile(file, name=PHOTO.name), **FACE)
        output = io.BytesIO()
        Filter(spec).run(photo, output, source=file)
    return Image.open(output)


def recomposition() -> Image.Image:
    from wagtail_smart_resize.sandbox.recompose import open_picture, recompose

    large = recompose(open_picture(PHOTO.read_bytes()), (2048, 1076), seed=3, index=0)
    return large.resize(SIZE, Image.Resampling.LANCZOS)


def main() -> None:
    sys.path.insert(0, str(ROOT / "testproject"))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "demo.settings")
    django.setup()
    panels = (
        (
            crop("fill-611x321").convert("RGB"),
            "fill-1200x630: the crop, with a focal area on the face",
        ),
        (recomposition(), "smartresize-1200x630: the whole picture, drawn by the sandbox"),
    )
    width, height = SIZE
    sheet = Image.new("RGB", (2 * width + GAP, height + LABEL), PAPER)
    draw = ImageDraw.Draw(sheet)
    for number, (picture, label) in enumerate(panels):
        left = number * (width + GAP)
        sheet.paste(picture, (left, 0))
        draw.text((left, height + 12), label, fill=INK, font=ImageFont.load_default(16))
    sheet.save(Path(__file__).with_name("crop-beside-recomposition.jpg"), quality=88)


if __name__ == "__main__":
    main()
