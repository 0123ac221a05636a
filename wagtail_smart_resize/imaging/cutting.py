"""Cut pictures to sizes. Pure."""

from PIL import Image

from wagtail_smart_resize.core.sizes import Size, cover

#: Much smaller sizes are first averaged down to so many times their side, which no eye can tell.
REDUCING_GAP = 3.0


def cut(picture: Image.Image, wanted: Size) -> Image.Image:
    """Return the picture cropped to the shape of `wanted`, and scaled down to it.

    The crop is centred. Nothing is enlarged.
    """
    box, size = cover(Size(*picture.size), wanted)
    return picture.resize(size, Image.Resampling.LANCZOS, box, REDUCING_GAP)
