"""The pictures that a page shows, and how their pixels are recognised."""

from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image, ImageChops, ImageOps, ImageStat

from wagtail_smart_resize.models import Candidate

#: The colour of all images; the sandbox draws in others.
CROP = "gold"
#: The largest difference, of 255, of two pictures cut out of the same one by different arithmetic.
ALIKE = 5


class Shown(NamedTuple):
    spec: str
    shape: Decimal
    recipe: str


#: In the order of the template.
SHOWN = (
    Shown("smartresize-120x120", Decimal("1.000"), ""),
    Shown("smartresize-123x120", Decimal("1.025"), ""),
    Shown("smartresize-120x60", Decimal("2.000"), ""),
    Shown("smartresize-portrait", Decimal("0.800"), "portrait"),
)


def wrong(image: Any, shown: Shown) -> str:
    """Return what is wrong with the rendition that a page would get now, or "".

    Its key depends on what the instance knows is live, so its pixels must match that.
    """
    file = Path(image.get_rendition(shown.spec).file.path)
    entry = image.smart_resize.entry(shown.shape, shown.recipe)
    says = entry.file if entry else ""
    if not file.is_file():
        return f"{file} is not there"
    seen = shows(file, image.pk)
    return "" if seen == says else f"{file} shows {seen or 'the crop'}, not {says or 'the crop'}"


def shows(file: Path, image_id: Any) -> str:
    """Return the candidate that the rendition was cut from, or "" where it is the crop."""
    with Image.open(file) as opened:
        shown = opened.convert("RGB")
    if _difference(shown, Image.new("RGB", shown.size, CROP)) < ALIKE:
        return ""
    candidates = Candidate.objects.filter(recomposition__image_id=image_id, stored=True)
    found = {_unlike(shown, each.file): each.file.name for each in candidates}
    nearest = min(found, default=ALIKE)
    return found[nearest] if nearest < ALIKE else f"something else: {file}"


def _unlike(shown: Image.Image, file: Any) -> float:
    """Return the difference of the rendition from one cut from this candidate."""
    with Image.open(file.path) as opened:
        return _difference(shown, ImageOps.fit(opened.convert("RGB"), shown.size))


def _difference(one: Image.Image, other: Image.Image) -> float:
    return max(ImageStat.Stat(ImageChops.difference(one, other)).mean)
