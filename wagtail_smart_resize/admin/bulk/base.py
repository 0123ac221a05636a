"""Attributes of the bulk action that Wagtail's listing and the action's own page share."""

from django.utils.translation import gettext_lazy as _


class SmartResizeAction:
    """Mixin for Wagtail's `ImageBulkAction`."""

    display_name = _("Smart resize")
    action_type = "smart_resize"
    aria_label = _("Make AI versions of the selected images")
    action_priority = 40
