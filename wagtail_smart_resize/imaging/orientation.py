"""The way up of a picture, by its EXIF data. Pure."""

from PIL import ExifTags, Image

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDES_EXCHANGED = {5, 6, 7, 8}


def displayed_size(picture: Image.Image) -> tuple[int, int]:
    """Return width and height in pixels as the picture is displayed."""
    width, height = picture.size
    return (height, width) if _orientation(picture) in _SIDES_EXCHANGED else (width, height)


def upright(picture: Image.Image) -> Image.Image:
    """Return the picture as displayed: itself, unless it has to be turned."""
    turn = _TURNS.get(_orientation(picture))
    return picture.transpose(turn) if turn is not None else picture


def _orientation(picture: Image.Image) -> int:
    """Return the EXIF orientation; 1, upright, where the EXIF data is missing or damaged.

    Pillow's `exif_transpose` fails on damaged data, though nothing is wrong with the pixels.
    """
    try:
        found = picture.getexif().get(ExifTags.Base.Orientation)
    except Exception:
        # Pillow's parsers raise exceptions of any class.
        return 1
    return found if isinstance(found, int) else 1
