"""The view that serves a candidate's picture to users with permission to see it.

The file itself may lie in public storage under a name that can't be guessed. The admin shows it
through this view, which checks permissions, so that the name stays secret.
"""

import io
from typing import Any

from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.template.response import SimpleTemplateResponse
from django.utils.cache import patch_cache_control
from PIL import Image

from wagtail_smart_resize.admin.base import ImageMixin
from wagtail_smart_resize.core import storage_errors
from wagtail_smart_resize.core.sizes import Size, cover
from wagtail_smart_resize.models import Candidate

#: The largest: no version has more pixels than the service draws at 4K.
FULL_PIXELS = 6400
#: Values allowed for `side`, the longer side in pixels: a fixed set, so that nobody can have
#: thousands of sizes rendered.
SIDES_PIXELS = (320, 800, 1600, FULL_PIXELS)
DEFAULT_SIDE_PIXELS = 1600
MAX_AGE_SECONDS = 60 * 60


class PictureResponse(SimpleTemplateResponse):
    """Response with a picture that the browser may cache privately.

    Wagtail marks every response of an admin view as uncacheable. Django renders template responses
    after that, so this one replaces the headers once rendered: a candidate's picture never changes.
    """

    def __init__(self, picture: bytes, content_type: str) -> None:
        super().__init__(template="", content_type=content_type)
        self._picture = picture
        self.add_post_render_callback(_allow_private_caching)

    @property
    def rendered_content(self) -> Any:
        return self._picture


def _allow_private_caching(response: Any) -> None:
    for header in ("Cache-Control", "Expires"):
        response.headers.pop(header, None)
    patch_cache_control(response, private=True, max_age=MAX_AGE_SECONDS)
    response.headers["X-Content-Type-Options"] = "nosniff"


class CandidateView(ImageMixin):
    """GET: the picture in its slot's shape, as WebP.

    `?side=` one of `SIDES_PIXELS` limits the longer side in pixels, by default to 1600.
    Nothing is enlarged.
    """

    http_method_names = ["get"]

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        candidates = Candidate.objects.filter(stored=True).select_related("recomposition")
        mine = {"pk": self.kwargs["pk"], "recomposition__image_id": self.image.pk}
        candidate = get_object_or_404(candidates, **mine)
        sides = {str(side): side for side in SIDES_PIXELS}
        side = sides.get(request.GET.get("side", ""), DEFAULT_SIDE_PIXELS)
        try:
            picture = _render(candidate, side)
        except (OSError, ValueError) as error:
            raise Http404("The picture can't be read.") from error
        return PictureResponse(picture, "image/webp")


def _render(candidate: Candidate, side: int) -> bytes:
    """Return the picture as WebP, cropped to its largest slot's shape.

    Its longer side has at most `side` pixels. Raises OSError if the file can't be read.
    """
    with storage_errors.translate_storage_errors(), candidate.file.open("rb") as file:
        stored = file.read()
    with Image.open(io.BytesIO(stored)) as opened:
        picture = opened.convert("RGB")
    box, size = cover(Size(*picture.size), _size_within(candidate, side))
    content = io.BytesIO()
    picture.resize(size, Image.Resampling.LANCZOS, box=box, reducing_gap=2).save(content, "WEBP")
    return content.getvalue()


def _size_within(candidate: Candidate, side: int) -> Size:
    slots = candidate.recomposition.parsed_slots
    shown = max((slot.size for slot in slots), default=Size(candidate.width, candidate.height))
    scale = side / max(shown)
    return Size(max(1, round(shown.width * scale)), max(1, round(shown.height * scale)))
