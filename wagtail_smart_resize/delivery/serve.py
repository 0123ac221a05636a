"""Variants of Wagtail's dynamic serve view that let caches pick up recomposed pictures.

In that view a picture keeps its URL when it is recomposed. While another picture may come, caches
must therefore revalidate soon, and get a 304 response if none has come. Specs without `smartresize`
are left to Wagtail.
"""

import hashlib
from typing import Any

from django.http import HttpResponseBase
from django.utils.cache import get_conditional_response, patch_cache_control
from wagtail.images.views import serve

from wagtail_smart_resize.editorial.reasons import reason_of
from wagtail_smart_resize.renditions.recomposed import our_operations

__all__ = ["SendFileView", "ServeView", "SmartServeMixin"]


class SmartServeMixin:
    """Mixin for views derived from Wagtail's `ServeView` or `SendFileView`.

    `pending_max_age` is the maximum age, in seconds, of a response that may still change. Other
    responses keep Wagtail's, which is an hour; the shorter of the two applies.
    """

    pending_max_age = 60

    def serve(self, rendition: Any) -> HttpResponseBase:
        if not our_operations(rendition.filter_spec):
            return super().serve(rendition)  # type: ignore[misc]
        etag = _etag(rendition)
        known = get_conditional_response(self.request, etag=etag)  # type: ignore[attr-defined]
        response = known or super().serve(rendition)  # type: ignore[misc]
        response.headers["ETag"] = etag
        return self._limit_max_age(response, rendition)

    def redirect(self, rendition: Any) -> HttpResponseBase:
        return self._limit_max_age(super().redirect(rendition), rendition)  # type: ignore[misc]

    def _limit_max_age(self, response: HttpResponseBase, rendition: Any) -> HttpResponseBase:
        if reason_of(rendition).may_change:
            patch_cache_control(response, max_age=self.pending_max_age)
        return response


def _etag(rendition: Any) -> str:
    """Return the ETag of a rendition.

    It is derived from the row, and so differs once another picture is shown or the rendition is
    created again.
    """
    text = f"{rendition.pk} {rendition.focal_point_key} {rendition.file.name}"
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


class ServeView(SmartServeMixin, serve.ServeView):
    """Replacement for `wagtail.images.views.serve.ServeView`."""


class SendFileView(SmartServeMixin, serve.SendFileView):
    """Replacement for `wagtail.images.views.serve.SendFileView`."""
