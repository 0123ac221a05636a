"""The view from which the gateway fetches source pictures, at URLs that can't be guessed."""

from collections.abc import AsyncIterator
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.core.handlers.asgi import ASGIRequest
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views import View

from wagtail_smart_resize.core import answering
from wagtail_smart_resize.core.logs import get_logger
from wagtail_smart_resize.exceptions import SourceUnavailable
from wagtail_smart_resize.models import GatewayRequest
from wagtail_smart_resize.models.savepoints import savepoint_if_atomic
from wagtail_smart_resize.purchasing.source_access import may_be_sent
from wagtail_smart_resize.purchasing.source_image import (
    OWN_USER_AGENT,
    TEST_PICTURE,
    is_test,
    request_of,
    source_content_type,
    source_picture,
)

logger = get_logger(__name__)

HEADERS = {
    "Cache-Control": "no-store, private",
    "X-Robots-Tag": "noindex, noimageindex",
}


@method_decorator(login_not_required, name="dispatch")
class SourceView(View):
    """Serve the source picture of a request in flight; anything else is a 404 without a reason.

    The 404 response is built here rather than raised: a site's 404 page might need a session.
    """

    http_method_names = ["get", "head"]

    def dispatch(self, *args: Any, **kwargs: Any) -> HttpResponseBase:
        # No person waits for it: it is a part of the work that gives way to requests.
        answering.under_way.end()
        return super().dispatch(*args, **kwargs)

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        if is_test(token):
            return HttpResponse(TEST_PICTURE, content_type="image/png", headers=HEADERS)
        by_us = request.headers.get("User-Agent") == OWN_USER_AGENT
        return _respond(token, with_content=True, by_service=not by_us)

    def head(self, request: HttpRequest, token: str) -> HttpResponseBase:
        """Respond without `Content-Length`, which is only known once the picture is rendered."""
        answer = _respond(token, with_content=False)
        # To any but a streaming response Django would add `Content-Length: 0`.
        nothing = _empty_body() if isinstance(request, ASGIRequest) else ()
        return StreamingHttpResponse(nothing, status=answer.status_code, headers=answer.headers)


async def _empty_body() -> AsyncIterator[bytes]:
    part: bytes
    for part in ():
        yield part


def _respond(token: str, *, with_content: bool, by_service: bool = False) -> HttpResponse:
    asked_for = request_of(token)
    image = asked_for.image if asked_for else None
    if asked_for is None or image is None or not may_be_sent(asked_for):
        return HttpResponse(status=404, headers=HEADERS)
    try:
        if not with_content:
            kind = source_content_type(asked_for)
            return HttpResponse(content_type=kind, headers=HEADERS)
        picture = source_picture(image)
    except SourceUnavailable as error:
        logger.warning("Gateway request %s: no source picture: %s", asked_for.pk, error)
        return HttpResponse(status=404, headers=HEADERS)
    if by_service:
        _note_fetched(asked_for)
    headers = HEADERS | {"Content-Length": str(len(picture.content))}
    return HttpResponse(picture.content, content_type=picture.content_type, headers=headers)


def _note_fetched(request: GatewayRequest) -> None:
    """Note that the service can fetch pictures from this site; only a diagnosis depends on it."""
    try:
        with savepoint_if_atomic():
            request.update_if(where={"source_fetched_at": None}, source_fetched_at=timezone.now())
    except DatabaseError:
        logger.exception("Can't note that the source of a request was fetched")
