"""An image's audit log entries. Wagtail has no history view for images."""

from typing import Any

import django_filters
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from wagtail.admin.views.generic import history
from wagtail.images import get_image_model

from wagtail_smart_resize.admin.base import ImageMixin, edit_url
from wagtail_smart_resize.admin.report.filters import PlainDateRange


class HistoryFilterSet(history.HistoryFilterSet):
    timestamp = django_filters.DateFromToRangeFilter(
        label=gettext_lazy("Date"), widget=PlainDateRange
    )


class HistoryView(ImageMixin, history.HistoryView):
    """List an image's log entries; with `results_only`, the table alone.

    Wagtail's own permission check is off: `ImageMixin` checks permissions by collection.
    """

    pk_url_kwarg = "image_id"
    any_permission_required = None
    filterset_class = HistoryFilterSet
    index_url_name = "wagtailimages:index"
    history_url_name = "smart_resize_admin:history"
    history_results_url_name = "smart_resize_admin:history_results"

    def get_object(self) -> Any:
        return self.image

    def get_edit_url(self, image: Any) -> str:
        return edit_url(image)

    @property
    def header_buttons(self) -> list[Any]:
        return super().header_buttons if edit_url(self.image) else []

    @cached_property
    def model(self) -> Any:
        return get_image_model()

    def user_can_unschedule(self) -> bool:
        return False

    def get_breadcrumbs_items(self) -> list[dict[str, Any]]:
        *items, last = super().get_breadcrumbs_items()
        url = reverse("smart_resize_admin:image", args=[self.object.pk])
        return [*items, {"url": url, "label": _("Smart resize")}, last]
