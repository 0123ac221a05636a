"""The panel of Wagtail's home page that tells what became of what the user has asked for."""

import datetime as dt
from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from wagtail.admin.ui.components import Component

from wagtail_smart_resize.core.schema import schema
from wagtail_smart_resize.editorial import permissions

#: How long it tells of something, and of how many places at most.
TOLD_FOR = dt.timedelta(days=7)
MAX_TOLD = 5


class AskedPanel(Component):
    """What the user has asked for lately, the newest first; nothing where there is nothing."""

    name = "smart_resize_asked"
    template_name = "wagtail_smart_resize/home_panel.html"
    order = 210

    def __init__(self, request: HttpRequest) -> None:
        self.request = request

    def get_context_data(self, parent_context: Any) -> dict[str, Any]:
        # Wagtail renders a panel without the request's context processors.
        return {"entries": self._entries(), "user": self.request.user}

    def _entries(self) -> list[Any]:
        user: Any = self.request.user
        if not schema.is_current() or not permissions.may_smart_resize_any(user):
            return []
        # They need what no process imports before it has work.
        from wagtail_smart_resize.editorial import listings

        from .review.entries import entries_of

        asked = listings.visible_to(user).current().filter(asked_by=user)
        recent = asked.filter(wanted_at__gte=timezone.now() - TOLD_FOR).order_by(
            "-wanted_at", "-pk"
        )
        rows = listings.load_page(recent[:MAX_TOLD])
        return entries_of(rows, user) if rows else []
