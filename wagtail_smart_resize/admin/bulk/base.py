"""Attributes of the bulk actions that Wagtail's listing and the actions' own pages share."""

from django.utils.translation import gettext_lazy as _


class SmartResizeAction:
    """Mixin for Wagtail's `ImageBulkAction`."""

    display_name = _("Smart resize")
    action_type = "smart_resize"
    aria_label = _("Make AI versions of the selected images")
    action_priority = 40


class FocalAction:
    """Mixin for Wagtail's `ImageBulkAction`."""

    display_name = _("Suggest focal areas")
    action_type = "smart_resize_focal"
    aria_label = _("Suggest focal areas from the faces in the selected images")
    action_priority = 50
