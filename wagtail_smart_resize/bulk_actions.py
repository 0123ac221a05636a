"""Smart resize among the actions for the images that are selected in Wagtail's listing."""

from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.utils.translation import gettext_lazy as _
from wagtail.images.views.bulk_actions.image_bulk_action import ImageBulkAction


class SmartResizeBulkAction(ImageBulkAction):
    """What the listing needs to know of it. All else is loaded by the first who opens it."""

    display_name = _("Smart resize")
    action_type = "smart_resize"
    aria_label = _("Have the selected images recomposed for other shapes")
    action_priority = 40

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        from .views.bulk import BulkView

        return BulkView(request, self.model).dispatch(request, *args, **kwargs)
