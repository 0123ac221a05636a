"""Smart resize among the actions for the images that are selected in Wagtail's listing."""

from typing import Any

from django.http import HttpRequest, HttpResponseBase
from wagtail.images.views.bulk_actions.image_bulk_action import ImageBulkAction

from .base import SmartResizeAction


class SmartResizeBulkAction(SmartResizeAction, ImageBulkAction):
    """What the listing needs to know of it. All else is loaded by the first who opens it."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        from .views import BulkView

        return BulkView(request, self.model).dispatch(request, *args, **kwargs)
