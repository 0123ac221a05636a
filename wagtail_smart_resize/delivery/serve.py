"""Wagtail's dynamic serve view, where a picture keeps its address when it is recomposed.

So caches must ask again soon while another picture may come, and get an answer without the
picture where none has come yet. Specs without `smartresize` are Wagtail's matter.
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
    """For a view derived from Wagtail's `ServeView` or `SendFileView`.

    `pending_max_age`: for so many seconds caches keep what may still change. All else they keep
    as long as Wagtail lets them, which is an hour; of two times the shorter counts.
    """

    pending_max_age = 60

    def serve(self, rendition: Any) -> HttpResponseBase:
        if not our_operations(rendition.filter_spec):
            return super().serve(rendition)  # type: ignore[misc]
        etag = _etag(rendition)
        known = get_conditional_response(self.request, etag=etag)  # type: ignore[attr-defined]
        response = known or super().serve(rendition)  # type: ignore[misc]
        response.headers["ETag"] = etag
        return self._limited(response, rendition)

    def redirect(self, rendition: Any) -> HttpResponseBase:
        return self._limited(super().redirect(rendition), rendition)  # type: ignore[misc]

    def _limited(self, response: HttpResponseBase, rendition: Any) -> HttpResponseBase:
        if reason_of(rendition).may_change:
            patch_cache_control(response, max_age=self.pending_max_age)
        return response


def _etag(rendition: Any) -> str:
    """Of a rendition's row: when something else is shown, or it is made anew, it is another."""
    text = f"{rendition.pk} {rendition.focal_point_key} {rendition.file.name}"
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


class ServeView(SmartServeMixin, serve.ServeView):
    """In the place of `wagtail.images.views.serve.ServeView`."""


class SendFileView(SmartServeMixin, serve.SendFileView):
    """In the place of `wagtail.images.views.serve.SendFileView`."""
