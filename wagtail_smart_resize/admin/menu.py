"""Menu items and home page summary, with the number of recompositions that await review."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from wagtail.admin.menu import MenuItem
from wagtail.admin.site_summary import SummaryItem
from wagtail.admin.staticfiles import versioned_static

from wagtail_smart_resize.core.schema import schema
from wagtail_smart_resize.editorial import permissions
from wagtail_smart_resize.settings import settings

#: Highest number that the menu counts to, since it is rendered on every admin page.
MAX_COUNTED = 99


def is_reviewer(user: Any) -> bool:
    """Return whether the user may choose what is live for any image."""
    return schema.is_current() and permissions.may_choose_any(user)


def reviews_waiting(request: HttpRequest) -> int:
    """Return how many recompositions await the user's review, at most `MAX_COUNTED` + 1.

    The count is cached on the request.
    """
    known = getattr(request, "_smart_resize_waiting", None)
    if known is None:
        from wagtail_smart_resize.editorial import listings

        known = listings.waiting_for(request.user, MAX_COUNTED + 1).count()
        request._smart_resize_waiting = known  # type: ignore[attr-defined]
    return known


class ReportMenuItem(MenuItem):
    def is_shown(self, request: HttpRequest) -> bool:
        return schema.is_current() and permissions.may_smart_resize_any(request.user)


class ReviewMenuItem(MenuItem):
    """Menu item with the number that waits, repeated in `aria-label` for screen readers."""

    def is_shown(self, request: HttpRequest) -> bool:
        # Where versions go live by themselves there is mostly nothing to decide.
        return is_reviewer(request.user) and (settings.REVIEW or reviews_waiting(request) > 0)

    def render_component(self, request: HttpRequest) -> Any:
        component = super().render_component(request)
        count = reviews_waiting(request)
        if count:
            shown = f"{MAX_COUNTED}+" if count > MAX_COUNTED else str(count)
            text = ngettext("%(label)s: %(count)s waits", "%(label)s: %(count)s wait", count)
            component.attrs = {
                **component.attrs,
                "data-smart-resize-count": shown,
                "aria-label": text % {"label": self.label, "count": shown},
            }
        return component


class ReviewSummaryItem(SummaryItem):
    order = 250
    template_name = "wagtail_smart_resize/review/summary.html"

    def is_shown(self) -> bool:
        user = self.request.user
        return is_reviewer(user) and (settings.REVIEW or reviews_waiting(self.request) > 0)

    def get_context_data(self, parent_context: Any) -> dict[str, Any]:
        count = reviews_waiting(self.request)
        return {"count": count, "shown": f"{MAX_COUNTED}+" if count > MAX_COUNTED else str(count)}


def report_menu_item() -> MenuItem:
    return ReportMenuItem(
        _("Smart resize"),
        reverse("smart_resize_admin:report"),
        name="smart-resize",
        icon_name="smart-resize",
        order=1300,
    )


def review_menu_item() -> MenuItem:
    return ReviewMenuItem(
        _("Review versions"),
        reverse("smart_resize_admin:review"),
        name="smart-resize-review",
        icon_name="glasses",
        order=350,
    )


def menu_css() -> str:
    """Return the stylesheet link for the menu's number, which every admin page needs."""
    url = versioned_static("wagtail_smart_resize/css/menu.css")
    return format_html('<link rel="stylesheet" href="{}">', url)
