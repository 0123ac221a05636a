"""A candidate's picture, for those who may see it.

The file itself may lie in public storage under a name that can't be guessed; the admin shows it by
this view, which asks for rights, so that the name stays with those who have them.
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
from wagtail_smart_resize.core.sizes import Size, Slot, cut
from wagtail_smart_resize.models import Candidate

#: The longer sides that can be asked for: no others, so that nobody has us make thousands.
SIDES = (800, 1600)
MAX_AGE = 60 * 60


class PictureResponse(SimpleTemplateResponse):
    """A picture that the browser may keep for itself.

    Wagtail marks whatever an admin view returns as not to be stored. Django renders responses
    after that, which is when this one says otherwise: a candidate's picture never changes.
    """

    def __init__(self, picture: bytes, content_type: str) -> None:
        super().__init__(template="", content_type=content_type)
        self._picture = picture
        self.add_post_render_callback(_let_be_kept)

    @property
    def rendered_content(self) -> Any:
        return self._picture


def _let_be_kept(response: Any) -> None:
    for header in ("Cache-Control", "Expires"):
        response.headers.pop(header, None)
    patch_cache_control(response, private=True, max_age=MAX_AGE)
    response.headers["X-Content-Type-Options"] = "nosniff"


class CandidateView(ImageMixin):
    """GET: the picture in its slot's shape. `?side=800` or 1600: no larger than that."""

    http_method_names = ["get"]

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        candidates = Candidate.objects.filter(stored=True).select_related("recomposition")
        mine = {"pk": self.kwargs["pk"], "recomposition__image_id": self.image.pk}
        candidate = get_object_or_404(candidates, **mine)
        try:
            picture = _drawn(candidate, self._side(request))
        except (OSError, ValueError) as error:
            raise Http404("The picture can't be read.") from error
        return PictureResponse(picture, "image/webp")

    @staticmethod
    def _side(request: HttpRequest) -> int:
        side = request.GET.get("side", "")
        return int(side) if side in {str(each) for each in SIDES} else max(SIDES)


def _drawn(candidate: Candidate, side: int) -> bytes:
    """The picture cut to its largest slot's shape, at most so large. Raises OSError."""
    with storage_errors.calls(), candidate.file.open("rb") as file:
        stored = file.read()
    with Image.open(io.BytesIO(stored)) as opened:
        picture = opened.convert("RGB")
    box, size = cut(Size(*picture.size), _at_most(candidate, side))
    content = io.BytesIO()
    picture.resize(size, Image.Resampling.LANCZOS, box=box, reducing_gap=2).save(content, "WEBP")
    return content.getvalue()


def _at_most(candidate: Candidate, side: int) -> Size:
    slots = [Slot.parse(text) for text in candidate.recomposition.slots]
    shown = max((slot.size for slot in slots), default=Size(candidate.width, candidate.height))
    scale = side / max(shown)
    return Size(max(1, round(shown.width * scale)), max(1, round(shown.height * scale)))
