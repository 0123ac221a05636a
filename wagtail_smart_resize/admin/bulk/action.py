"""The bulk actions as registered with Wagtail's image listing."""

from typing import Any

from django.http import HttpRequest, HttpResponseBase
from wagtail.images.views.bulk_actions.image_bulk_action import ImageBulkAction

from wagtail_smart_resize.admin.base import only_if_migrated

from .base import FocalAction, SmartResizeAction


class SmartResizeBulkAction(SmartResizeAction, ImageBulkAction):
    """The attributes that the listing needs. The view itself is imported on first use."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        from .views import BulkView

        view = only_if_migrated(BulkView(request, self.model).dispatch)
        return view(request, *args, **kwargs)


class FocalBulkAction(FocalAction, ImageBulkAction):
    """The attributes that the listing needs. The view itself is imported on first use."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        from .focal import FocalView

        view = only_if_migrated(FocalView(request, self.model).dispatch)
        return view(request, *args, **kwargs)
