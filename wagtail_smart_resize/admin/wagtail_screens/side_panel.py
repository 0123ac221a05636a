"""The image edit page's side panel with the contact sheet of the image."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from wagtail.admin.ui.side_panels import BaseSidePanel

from wagtail_smart_resize.admin.image.screen import Screen
from wagtail_smart_resize.editorial.states import StateName
from wagtail_smart_resize.models import OptOut

#: States that don't change until a person acts.
NEED_SOMEBODY = {StateName.REVIEW, StateName.FAILED, StateName.UNKNOWN}


class SmartResizeSidePanel(BaseSidePanel):
    """Side panel that runs all its queries when it is created, and none when rendered."""

    class SidePanelToggle(BaseSidePanel.SidePanelToggle):
        icon_name = "smart-resize"
        counter_classname = "w-bg-critical-200"

        @property
        def aria_label(self) -> str:
            """Return a label that includes the count, since it replaces the button's content."""
            count = self.panel.count
            if not count:
                return str(_("Toggle smart resize"))
            text = ngettext(
                "Toggle smart resize: %(count)d place to decide",
                "Toggle smart resize: %(count)d places to decide",
                count,
            )
            return text % {"count": count}

        def get_context_data(self, parent_context: Any) -> dict[str, Any]:
            return {**super().get_context_data(parent_context), "count": self.panel.count}

    name = "smart-resize"
    title = _("Smart resize")
    template_name = "wagtail_smart_resize/wagtail_screens/side_panel.html"
    order = 500

    def __init__(self, object: Any, request: HttpRequest) -> None:
        super().__init__(object, request)
        self.screen = Screen(object, request.user)
        self.groups = self.screen.groups
        self.count = sum(place.state.name in NEED_SOMEBODY for place in self.screen.places)
        self.opted_out = OptOut.objects.filter(image_id=object.pk).exists()

    def get_context_data(self, parent_context: Any) -> dict[str, Any]:
        return {
            **super().get_context_data(parent_context),
            "screen": self.screen,
            "groups": self.groups,
            "image": self.object,
            "opted_out": self.opted_out,
            "url": reverse("smart_resize_admin:image", args=[self.object.pk]),
        }
