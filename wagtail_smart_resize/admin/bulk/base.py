"""What Wagtail's listing and the action's own page both need to know of it."""

from django.utils.translation import gettext_lazy as _


class SmartResizeAction:
    """Mix into Wagtail's bulk action for images."""

    display_name = _("Smart resize")
    action_type = "smart_resize"
    aria_label = _("Have the selected images recomposed for other shapes")
    action_priority = 40
