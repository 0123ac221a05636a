"""Cut pictures to sizes. Pure."""

from collections.abc import Iterable

from PIL import Image

from wagtail_smart_resize.core.sizes import Size, cover

#: Much smaller sizes are first averaged down to so many times their side, which no eye can tell.
REDUCING_GAP = 3.0


def half_or_less(cuts: Iterable[Image.Image], wanted: Size) -> Image.Image | None:
    """Return the smallest of these cuts that is at least twice as large as `wanted`, or None.

    Scaled down from that, a picture looks as if it were from the whole, and takes less work.
    """
    twice = (
        each for each in cuts if each.width >= 2 * wanted.width and each.height >= 2 * wanted.height
    )
    return min(twice, key=lambda each: each.width * each.height, default=None)


def cut(picture: Image.Image, wanted: Size) -> Image.Image:
    """Return the picture cropped to the shape of `wanted`, and scaled down to it.

    The crop is centred. Nothing is enlarged.
    """
    box, size = cover(Size(*picture.size), wanted)
    return picture.resize(size, Image.Resampling.LANCZOS, box, REDUCING_GAP)
