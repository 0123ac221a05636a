"""The source picture for the gateway: the URL at which it is found, and what is served there.

A Wagtail rendition would stay public for good. This picture is drawn on request for whoever has the
signed URL, as long as the gateway request that it was made for is in flight.
"""

import base64
import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import requests
from django.core import signing
from django.urls import NoReverseMatch, reverse
from PIL import Image

from wagtail_smart_resize.core import storage_errors
from wagtail_smart_resize.core.keys import parse_key
from wagtail_smart_resize.core.site_image import SiteImage
from wagtail_smart_resize.core.sizes import MAX_SENT_SIDE_PIXELS, Size
from wagtail_smart_resize.core.storage_errors import StorageError
from wagtail_smart_resize.exceptions import SourceUnavailable
from wagtail_smart_resize.gateway.deadlines import Deadline
from wagtail_smart_resize.imaging import pixel_budget
from wagtail_smart_resize.imaging.orientation import displayed_size
from wagtail_smart_resize.imaging.srgb import upright_on_white
from wagtail_smart_resize.models import GatewayRequest
from wagtail_smart_resize.rules.facts import SourceFacts
from wagtail_smart_resize.settings import settings

JPEG_QUALITY = 90
#: Number of pixels below which a lossless picture stays lossless.
SMALL_PIXELS = 1_000_000

# The formats that Wagtail accepts. Pillow reads more, and some of its plug-ins run programs.
SOURCE_FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "AVIF", "HEIF", "TIFF", "BMP")
LOSSLESS = ("PNG", "GIF", "TIFF", "BMP")
# In a JPEG or HEIC, further frames are other shots, previews or depth maps, not an animation.
ANIMATED = ("PNG", "GIF", "WEBP", "AVIF")

SALT = "wagtail_smart_resize.source"
URL_MAX_AGE_SECONDS = 24 * 60 * 60
REACH_TIMEOUT_SECONDS = (3, 10)
#: Codes of what is wrong with the image's own file.
FILE_CODES = ("file_missing", "storage", "unreadable")
#: What a `test_url` shows: a PNG of one pixel.
TEST_PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABc3UBGAAAAABJRU5ErkJggg=="
)
TEST_VALUE = "test"
TEST_MAX_AGE_SECONDS = 10 * 60
#: By which `check_reachable` is told from the service.
OWN_USER_AGENT = "wagtail-smart-resize"


@dataclass(frozen=True)
class SourcePicture:
    """An encoded picture with nothing but its pixels; sizes in pixels."""

    content: bytes
    content_type: str
    width: int
    height: int


# Its URL


def base_url() -> str:
    """Return the site's address for the gateway, without a trailing slash.

    Raise SourceUnavailable ("no_address") if there is none.
    """
    base = settings.site_address
    if not urlsplit(base).hostname:
        raise SourceUnavailable(
            "no_address",
            "The site has no address for the service: set WAGTAILADMIN_BASE_URL or "
            'WAGTAIL_SMART_RESIZE["SOURCE_BASE_URL"].',
        )
    return base.rstrip("/")


def source_url(request: GatewayRequest) -> str:
    """Return the URL where the gateway finds the picture while the request is in flight.

    Raise SourceUnavailable: "no_address", or "no_urls" if the site does not include the app's URLs.
    """
    return _url_of(signing.dumps([request.pk, request.source_token], salt=SALT))


def _url_of(token: str) -> str:
    try:
        return base_url() + reverse("smart_resize:source", kwargs={"token": token})
    except NoReverseMatch as error:
        raise SourceUnavailable(
            "no_urls", "The site's URLs lack those of this app: include wagtail_smart_resize.urls."
        ) from error


def test_url() -> str:
    """Return a URL that shows `TEST_PICTURE` for some minutes, whatever is in flight.

    By it a site's people learn whether the gateway will find pictures. Raise SourceUnavailable, as
    `source_url` does.
    """
    return _url_of(signing.dumps(TEST_VALUE, salt=SALT))


def is_test(token: str) -> bool:
    """Return whether the token is that of a `test_url`."""
    try:
        return signing.loads(token, salt=SALT, max_age=TEST_MAX_AGE_SECONDS) == TEST_VALUE
    except signing.BadSignature:
        return False


def check_answers(url: str) -> bool:
    """Return whether `TEST_PICTURE` comes from its URL; False if no connection can be made.

    Raise SourceUnavailable, as `check_reachable` does, if something else comes.
    """
    with _session() as session:
        try:
            with session.get(url, timeout=REACH_TIMEOUT_SECONDS) as response:
                _check_answer(response)
                if response.content != TEST_PICTURE:
                    raise SourceUnavailable(
                        "source_other",
                        f"{_host(url)} gave something else than this site: does the address lead "
                        "to another one?",
                    )
        except requests.TooManyRedirects as error:
            raise _endless(url) from error
        except requests.RequestException:
            return False
    return True


def request_of(token: str) -> GatewayRequest | None:
    """Return the request in flight that a token was made for, or None."""
    try:
        pk, source_token = signing.loads(token, salt=SALT, max_age=URL_MAX_AGE_SECONDS)
    except (signing.BadSignature, ValueError, TypeError):
        # What else may be signed with this salt: another release's tokens, or another's.
        return None
    in_flight = GatewayRequest.objects.in_flight().select_related("image")
    key = parse_key(GatewayRequest, str(pk))
    return in_flight.filter(pk=key, source_token=str(source_token)).first()


def check_reachable(url: str) -> None:
    """Check that the gateway will find the picture at `url`.

    Raise SourceUnavailable if the answer is not a picture: "source_redirects", "source_html" or
    "source_" with the HTTP status. No answer at all proves nothing: a site may be unable to reach
    itself under its public name.

    HEAD spares the site from drawing a picture that nobody reads. A proxy in front of the site may
    not support HEAD, so only a refused GET, which is what the gateway sends, is believed.
    """
    with _session() as session:
        try:
            with session.head(url, allow_redirects=True, timeout=REACH_TIMEOUT_SECONDS) as response:
                if response.ok and _content_type(response).startswith("image/"):
                    return
            with session.get(url, stream=True, timeout=REACH_TIMEOUT_SECONDS) as response:
                _check_answer(response)
        except requests.TooManyRedirects as error:
            raise _endless(url) from error
        except requests.RequestException:
            return


def _session() -> requests.Session:
    """Return a session that fetches as the gateway does, within `REACH_TIMEOUT_SECONDS`."""
    session = requests.Session()
    # A server that sends a byte now and then never exceeds the `timeout` of requests.
    Deadline(sum(REACH_TIMEOUT_SECONDS)).limit(session)
    # The gateway has none of the passwords in this machine's .netrc.
    session.trust_env = False
    session.max_redirects = 3
    session.headers["User-Agent"] = OWN_USER_AGENT
    return session


def _endless(url: str) -> SourceUnavailable:
    return SourceUnavailable(
        "source_redirects",
        f"{_host(url)} redirects endlessly instead of giving the picture. Let the paths of "
        "wagtail_smart_resize.urls through without a redirect.",
    )


def _check_answer(response: requests.Response) -> None:
    if response.ok and _content_type(response) != "text/html":
        return
    got = "a web page" if response.ok else f"the status {response.status_code}"
    remedy = _OPEN_STORAGE if settings.SOURCE_STORAGE else _OPEN_SITE
    raise SourceUnavailable(
        "source_html" if response.ok else f"source_{response.status_code}",
        f"{_host(response.url)} gave {got} instead of the picture. {remedy}",
    )


_OPEN_SITE = (
    "The service must reach the paths of wagtail_smart_resize.urls without a login: exempt them "
    'from password protection, or set WAGTAIL_SMART_RESIZE["SOURCE_BASE_URL"] to an address that '
    "is open."
)
_OPEN_STORAGE = (
    "The service must be able to read the addresses that SOURCE_STORAGE gives its files: have the "
    "storage sign them, or open it to readers."
)


def _content_type(response: requests.Response) -> str:
    return response.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def _host(url: str) -> str:
    return urlsplit(url).netloc


# Its pixels


def read_facts(image: SiteImage) -> SourceFacts:
    """Decode the image's file and return its upright size in pixels, animation and transparency.

    Raise SourceUnavailable ("file_missing", "storage" or "unreadable") if the file can't be decoded
    to its end: that must show before anything is bought.
    """
    with _open_image(image) as picture:
        frames = getattr(picture, "n_frames", 1)
        animated = frames > 1 and picture.format in ANIMATED
        with pixel_budget.budget.hold(picture.width * picture.height):
            picture.load()
            width, height = displayed_size(picture)
            is_transparent = _is_transparent(picture)
        return SourceFacts(width, height, animated, is_transparent, picture.format or "")


def as_fields(facts: SourceFacts | None) -> dict[str, Any]:
    """Return the fields of a request that say what the opened file said; empty for an SVG."""
    if facts is None:
        return {}
    return {
        "source_width": facts.width,
        "source_height": facts.height,
        "source_format": facts.format,
    }


def source_picture(image: SiteImage) -> SourcePicture:
    """Draw an upright sRGB picture, `MAX_SENT_SIDE_PIXELS` a side at most, white where transparent.

    Raise SourceUnavailable, as `read_facts` does, if the file can't be read.
    """
    with _open_image(image) as picture:
        format = _encoding_format(picture.format, *picture.size)
        canvas = upright_on_white(picture, MAX_SENT_SIDE_PIXELS)
    content = BytesIO()
    if format == "JPEG":
        canvas.save(content, format, quality=JPEG_QUALITY)
    else:
        canvas.save(content, format)
    return SourcePicture(content.getvalue(), CONTENT_TYPES[format], *canvas.size)


def reduced_original(
    image: SiteImage, side: int | None = None, *, scale: float = 1.0
) -> tuple[Image.Image, Size]:
    """Return the image as displayed, RGB, and its whole size.

    It has `side` pixels a side at most; without it, `scale` times as many as the whole, and no more
    than that. Raise SourceUnavailable, as `read_facts` does, if the file can't be read.
    """
    with _open_image(image) as picture:
        whole = Size(*displayed_size(picture))
        if side is None:
            side = math.ceil(max(whole) * min(1.0, scale))
        picture.draft("RGB", (side, side))
        with pixel_budget.budget.hold(picture.width * picture.height):
            return upright_on_white(picture, side), whole


def displayed_size_of(image: SiteImage) -> Size:
    """Return the image's size as displayed, by the head of its file.

    Raise SourceUnavailable, as `read_facts` does, if the file can't be read.
    """
    with _open_image(image) as picture:
        return Size(*displayed_size(picture))


def source_content_type(request: GatewayRequest) -> str:
    """Return the content type of the image's `source_picture` without drawing it.

    Raise SourceUnavailable, as `read_facts` does, if the file was not opened for the request
    before and can't be read.
    """
    size = request.source_size
    if size is None:
        assert request.image is not None
        with _open_image(request.image) as picture:
            return CONTENT_TYPES[_encoding_format(picture.format, *picture.size)]
    return CONTENT_TYPES[_encoding_format(request.source_format, *size)]


#: Pillow's own list is empty in a process that has opened no picture yet.
CONTENT_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png"}


def _encoding_format(format: str | None, width: int, height: int) -> str:
    return "PNG" if format in LOSSLESS and width * height < SMALL_PIXELS else "JPEG"


@contextlib.contextmanager
def _open_image(image: SiteImage) -> Iterator[Image.Image]:
    content = BytesIO(_read(image))
    # Without this, Pillow does not know yet which of the formats it can open.
    Image.init()
    try:
        with Image.open(
            content, formats=[name for name in SOURCE_FORMATS if name in Image.OPEN]
        ) as opened:
            yield opened
    except Exception as error:
        # Pillow's decoders raise exceptions of any class on a damaged file.
        raise SourceUnavailable(
            "unreadable", f"The image's file can't be read as a picture ({type(error).__name__})."
        ) from error


def _read(image: SiteImage) -> bytes:
    try:
        with storage_errors.translate_storage_errors(), image.open_file() as file:
            return file.read()
    except StorageError as error:
        if error.is_missing_file:
            raise SourceUnavailable("file_missing", "The image's file is missing.") from error
        name = type(error.__cause__).__name__
        raise SourceUnavailable(
            "storage", f"The storage failed to give the file ({name})."
        ) from error


def _is_transparent(picture: Image.Image) -> bool:
    """Return whether any pixel is transparent: many files have an alpha channel that is unused."""
    if not picture.has_transparency_data:
        return False
    alpha = picture.convert("RGBA").getchannel("A")
    return any(alpha.histogram()[:255])
