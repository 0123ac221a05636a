"""Bring a picture of any pixel mode to 8-bit sRGB. Pure."""

from io import BytesIO

from PIL import Image, ImageCms

from .orientation import upright


def is_plain(picture: Image.Image) -> bool:
    """Return whether the picture is opaque 8-bit sRGB, by its header."""
    return (
        picture.mode == "RGB"
        and not picture.has_transparency_data
        and "icc_profile" not in picture.info
    )


def upright_on_white(picture: Image.Image, max_side: int | None = None) -> Image.Image:
    """Return a new upright picture of mode RGB, in sRGB, without what else the file held.

    Its colour profile is applied, and white is put behind transparent pixels. It is scaled down to
    `max_side` pixels a side if that is given, `picture` too. Raises what Pillow's decoders raise.
    """
    profile = picture.info.get("icc_profile")
    picture = _convert_to_eight_bits(picture)
    if max_side is not None:
        picture.thumbnail((max_side, max_side))
    picture = upright(picture)
    alpha = picture.getchannel("A") if "A" in picture.getbands() else None
    canvas = Image.new("RGB", picture.size, "white")
    canvas.paste(_convert_to_srgb(_without_alpha(picture), profile), mask=alpha)
    return canvas


def _convert_to_eight_bits(picture: Image.Image) -> Image.Image:
    """Return the picture without palette or transparent colour, and with 8 bits per channel."""
    if picture.mode.startswith("I"):
        # Pillow would clip these values: a 16-bit grey comes out white.
        return picture.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    if picture.has_transparency_data:
        return picture.convert("LA" if picture.mode == "LA" else "RGBA")
    return picture.convert("RGB") if picture.mode in {"P", "1"} else picture


def _without_alpha(picture: Image.Image) -> Image.Image:
    """Return the picture without its alpha channel, which profiles are not made for."""
    return picture.convert({"LA": "L", "RGBA": "RGB"}.get(picture.mode, picture.mode))


def _convert_to_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    if not profile:
        return picture.convert("RGB")
    try:
        embedded = ImageCms.ImageCmsProfile(BytesIO(profile))
        srgb = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(picture, embedded, srgb, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        # The profile is damaged, or made for another colour space.
        return picture.convert("RGB")
    return converted or picture.convert("RGB")
