"""The picture as the gateway may see it: where it finds it, and what it is given there.

A Wagtail rendition would stay public for good. Ours is made on the fly for whoever has the signed
URL, as long as the request that it was made for is in flight.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import requests
from django.conf import settings as django_settings
from django.core import signing
from django.urls import NoReverseMatch, reverse
from PIL import Image, ImageCms, ImageOps

from wagtail_smart_resize.core import storage_errors
from wagtail_smart_resize.core.storage_errors import StorageTrouble
from wagtail_smart_resize.exceptions import SourceUnavailable
from wagtail_smart_resize.gateway.deadlines import Deadline
from wagtail_smart_resize.imaging import pixel_budget
from wagtail_smart_resize.imaging.decoding import displayed_size
from wagtail_smart_resize.models import GatewayRequest
from wagtail_smart_resize.rules.facts import SourceFacts
from wagtail_smart_resize.settings import settings

MAX_SIDE = 2048
QUALITY = 90
SMALL = 1_000_000
"""Pixels below which a lossless picture stays lossless."""

# Those that Wagtail takes. Pillow knows more, and some of them run programs.
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "AVIF", "HEIF", "TIFF", "BMP")
LOSSLESS = ("PNG", "GIF", "TIFF", "BMP")
# Several frames of a JPEG or HEIC are other shots, previews or depth maps, not an animation.
ANIMATED = ("PNG", "GIF", "WEBP", "AVIF")

SALT = "wagtail_smart_resize.source"
MAX_AGE = 24 * 60 * 60
REACH_TIMEOUT = (3, 10)


@dataclass(frozen=True)
class SourcePicture:
    """An image without anything that is not in its pixels."""

    content: bytes
    content_type: str
    width: int
    height: int


# Its URL


def base_url() -> str:
    """The site's address as the gateway knows it. Raises SourceUnavailable where there is none."""
    base = settings.SOURCE_BASE_URL or getattr(django_settings, "WAGTAILADMIN_BASE_URL", None) or ""
    if not urlsplit(base).hostname:
        raise SourceUnavailable(
            "no_address",
            "The site has no address for the service: set WAGTAILADMIN_BASE_URL or "
            'WAGTAIL_SMART_RESIZE["SOURCE_BASE_URL"].',
        )
    return base.rstrip("/")


def source_url(request: GatewayRequest) -> str:
    """Where the gateway finds the picture while that request is in flight."""
    token = signing.dumps([request.pk, request.source_token], salt=SALT)
    try:
        return base_url() + reverse("smart_resize:source", kwargs={"token": token})
    except NoReverseMatch as error:
        raise SourceUnavailable(
            "no_urls", "The site's URLs lack those of this app: include wagtail_smart_resize.urls."
        ) from error


def request_of(token: str) -> GatewayRequest | None:
    """The request in flight that a token was made for."""
    try:
        pk, source_token = signing.loads(token, salt=SALT, max_age=MAX_AGE)
    except signing.BadSignature:
        return None
    in_flight = GatewayRequest.objects.in_flight().select_related("image")
    return in_flight.filter(pk=pk, source_token=source_token).first()


def check_reachable(url: str) -> None:
    """Ask whether the gateway will find the picture.

    Raises SourceUnavailable if the answer is no picture. No answer at all says nothing: a site may
    not reach itself under its public name.

    HEAD spares the site to draw a picture that nobody reads. What stands before a site may not know
    HEAD, so that only a GET, as the gateway's, is believed when it says no.
    """
    with requests.Session() as session:
        # A far end that sends a byte now and then is never late for `timeout`.
        Deadline(sum(REACH_TIMEOUT)).limit(session)
        # The gateway has none of the passwords that this machine's .netrc has.
        session.trust_env = False
        session.max_redirects = 3
        try:
            with session.head(url, allow_redirects=True, timeout=REACH_TIMEOUT) as response:
                if response.ok and _content_type(response).startswith("image/"):
                    return
            with session.get(url, stream=True, timeout=REACH_TIMEOUT) as response:
                _check_answer(response)
        except requests.TooManyRedirects as error:
            raise SourceUnavailable(
                "source_redirects",
                f"{_host(url)} redirects endlessly instead of giving the picture. Let the paths "
                "of wagtail_smart_resize.urls through without a redirect.",
            ) from error
        except requests.RequestException:
            return


def _check_answer(response: requests.Response) -> None:
    if response.ok and _content_type(response) != "text/html":
        return
    got = "a web page" if response.ok else f"the status {response.status_code}"
    raise SourceUnavailable(
        "source_html" if response.ok else f"source_{response.status_code}",
        f"{_host(response.url)} gave {got} instead of the picture. The service must reach the "
        "paths of wagtail_smart_resize.urls without a login: exempt them from password "
        'protection, or set WAGTAIL_SMART_RESIZE["SOURCE_BASE_URL"] to an address that is open.',
    )


def _content_type(response: requests.Response) -> str:
    return response.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def _host(url: str) -> str:
    return urlsplit(url).netloc


# Its pixels


def inspect(image: Any) -> SourceFacts:
    """Look into an image's file.

    Raises SourceUnavailable if it can't be read to its end: that must show before anything is
    bought.
    """
    with _opened(image) as picture:
        frames = getattr(picture, "n_frames", 1)
        animated = frames > 1 and picture.format in ANIMATED
        with pixel_budget.budget.hold(picture.width * picture.height):
            picture.load()
            width, height = displayed_size(picture)
            is_transparent = _is_transparent(picture)
        return SourceFacts(width, height, animated, is_transparent)


def source_picture(image: Any) -> SourcePicture:
    """An upright sRGB picture of at most `MAX_SIDE`, on white where the image is transparent.

    Raises SourceUnavailable if the file can't be read.
    """
    with _opened(image) as picture:
        format = _sent_as(picture)
        canvas = _upright_on_white(picture)
    content = BytesIO()
    if format == "JPEG":
        canvas.save(content, format, quality=QUALITY)
    else:
        canvas.save(content, format)
    return SourcePicture(content.getvalue(), Image.MIME[format], *canvas.size)


def source_content_type(image: Any) -> str:
    """The content type that `source_picture` gives it, without drawing it.

    Raises SourceUnavailable if the file can't be read.
    """
    with _opened(image) as picture:
        return Image.MIME[_sent_as(picture)]


def _sent_as(picture: Image.Image) -> str:
    lossless = picture.format in LOSSLESS and picture.width * picture.height < SMALL
    return "PNG" if lossless else "JPEG"


@contextlib.contextmanager
def _opened(image: Any) -> Iterator[Image.Image]:
    content = BytesIO(_read(image))
    # Without this, Pillow does not know which of the formats it can open.
    Image.init()
    try:
        with Image.open(
            content, formats=[name for name in FORMATS if name in Image.OPEN]
        ) as opened:
            yield opened
    except Exception as error:
        # Pillow's decoders raise whatever a damaged file makes them stumble over.
        raise SourceUnavailable(
            "unreadable", f"The image's file can't be read as a picture ({type(error).__name__})."
        ) from error


def _read(image: Any) -> bytes:
    try:
        with storage_errors.calls(), image.open_file() as file:
            return file.read()
    except StorageTrouble as error:
        if error.is_missing_file:
            raise SourceUnavailable("file_missing", "The image's file is missing.") from error
        name = type(error.__cause__).__name__
        raise SourceUnavailable(
            "storage", f"The storage failed to give the file ({name})."
        ) from error


def _is_transparent(picture: Image.Image) -> bool:
    """Whether any pixel lets the background through; many files have an alpha channel unused."""
    if not picture.has_transparency_data:
        return False
    alpha = picture.convert("RGBA").getchannel("A")
    return any(alpha.histogram()[:255])


def _upright_on_white(picture: Image.Image) -> Image.Image:
    """A new picture in sRGB; what else the file held, such as EXIF, stays behind."""
    profile = picture.info.get("icc_profile")
    picture = _in_eight_bits(picture)
    picture.thumbnail((MAX_SIDE, MAX_SIDE))
    picture = ImageOps.exif_transpose(picture)
    alpha = picture.getchannel("A") if "A" in picture.getbands() else None
    if alpha:
        picture = picture.convert("RGB")
    canvas = Image.new("RGB", picture.size, "white")
    canvas.paste(_in_srgb(picture, profile), mask=alpha)
    return canvas


def _in_eight_bits(picture: Image.Image) -> Image.Image:
    """Resolve palettes and transparent colours, and bring 16 bits per channel down to 8."""
    if picture.mode.startswith("I"):
        return picture.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    if picture.has_transparency_data:
        return picture.convert("RGBA")
    return picture.convert("RGB") if picture.mode in {"P", "1"} else picture


def _in_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    if not profile:
        return picture.convert("RGB")
    try:
        embedded = ImageCms.ImageCmsProfile(BytesIO(profile))
        srgb = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(picture, embedded, srgb, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        # A profile that is damaged, or made for another colour space.
        return picture.convert("RGB")
    return converted or picture
