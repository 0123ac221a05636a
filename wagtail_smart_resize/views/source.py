"""What the gateway fetches, and nobody else finds."""

import logging

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views import View

from ..exceptions import SourceUnavailable
from ..models import GatewayRequest, OptOut, Recomposition
from ..rules import Usage
from ..source import request_of, source_picture
from ..usage import is_private, usage_of

logger = logging.getLogger(__name__)

HEADERS = {
    "Cache-Control": "no-store, private",
    "X-Robots-Tag": "noindex, noimageindex",
}


@method_decorator(login_not_required, name="dispatch")
class SourceView(View):
    """The source picture of a request in flight; everything else is not found, without a reason.

    The answer is always our own: a site's page for 404 might ask for a session.
    """

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        asked_for = request_of(token)
        if asked_for is None or not may_be_sent(asked_for):
            return HttpResponse(status=404, headers=HEADERS)
        try:
            picture = source_picture(asked_for.image)
        except SourceUnavailable as error:
            logger.warning("Gateway request %s: no source picture: %s", asked_for.pk, error)
            return HttpResponse(status=404, headers=HEADERS)
        length = {"Content-Length": str(len(picture.content))}
        return HttpResponse(
            picture.content, content_type=picture.content_type, headers=HEADERS | length
        )


def may_be_sent(request: GatewayRequest) -> bool:
    """Whether what was true of the image when it was bought still is."""
    image = request.image
    if image is None or image.file_hash != request.source_hash:
        return False
    if is_private(image) or OptOut.objects.filter(image=image).exists():
        return False
    return request.by_person or _is_still_published(request)


def _is_still_published(request: GatewayRequest) -> bool:
    rows = Recomposition.objects.filter(pk__in=request.recomposition_ids())
    asked = list(rows.values_list("wanted_by", "overruled"))
    if any(overruled for _wanted_by, overruled in asked):
        return True
    uses = usage_of(request.image)
    preview = Recomposition.WantedBy.PREVIEW
    if all(wanted_by == preview for wanted_by, _overruled in asked):
        return uses is Usage.PUBLISHED
    return uses is not Usage.UNPUBLISHED
