"""The report of every recomposition that the user may see."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet, Sum
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.functional import Promise, cached_property
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from wagtail.admin.ui.tables import BaseColumn, Column, DateColumn, UserColumn
from wagtail.admin.views.reports import ReportView as BaseReportView
from wagtail.admin.widgets.button import Button

from wagtail_smart_resize.admin.review.entries import entries_of
from wagtail_smart_resize.core import formatting
from wagtail_smart_resize.editorial import (
    listings,
    monthly_figures,
    permissions,
    pipeline_health,
    states,
)
from wagtail_smart_resize.models import Candidate, GatewayRequest, Recomposition
from wagtail_smart_resize.settings import settings

from . import export, filters

THUMBNAIL = "max-165x165"


class ImageColumn(BaseColumn):
    cell_template_name = "wagtail_smart_resize/report/image_cell.html"


class ShapeColumn(BaseColumn):
    cell_template_name = "wagtail_smart_resize/report/shape_cell.html"


class ReportStateColumn(BaseColumn):
    cell_template_name = "wagtail_smart_resize/report/state_cell.html"


class CheckColumn(BaseColumn):
    cell_template_name = "wagtail_smart_resize/report/check_cell.html"


#: Maximum number of places of a batch that are shown as pictures.
MAX_BATCH_TILES = 60


@dataclass(frozen=True)
class BatchProgress:
    """Progress of a batch, which is under way while any of its places will change by itself.

    `total` and `made` count AI versions, `words` the states of places that occur.
    """

    total: int
    made: int
    busy: int
    words: list[tuple[states.StateName, int]]

    @classmethod
    def of(cls, batch: str, rows: QuerySet[Recomposition]) -> "BatchProgress":
        found = states.states(states.with_state_relations(rows))
        counted = Counter(state.name for state in found)
        words = [(name, counted[name]) for name in states.StateName if counted[name]]
        changing = sum(state.is_busy or state.is_waiting for state in found)
        asked = GatewayRequest.objects.filter(batch=batch, image__in=rows.values("image"))
        # A request that is repeated stands in the ledger several times.
        sums = asked.exclude(status=GatewayRequest.Status.FAILED, charged="no").aggregate(
            total=Sum("outputs_asked")
        )
        stored = Candidate.objects.filter(stored=True, request__in=asked)
        return cls(sums["total"] or 0, stored.count(), changing, words)


class ReportView(BaseReportView):
    """The report; with `results_only`, the table alone, as Wagtail's search and filters need it."""

    model = Recomposition
    # Permissions are granted by collection, whereas Wagtail's own check is for the model's.
    permission_policy = None
    page_title = gettext_lazy("Smart resize")
    header_icon = "smart-resize"
    template_name = "wagtail_smart_resize/report/report.html"
    results_template_name = "wagtail_smart_resize/report/results.html"
    index_url_name = "smart_resize_admin:report"
    index_results_url_name = "smart_resize_admin:report_results"
    filterset_class = filters.RecompositionFilterSet
    is_searchable = True
    search_fields = ["image__title"]
    default_ordering = "-wanted_at"
    verbose_name_plural = gettext_lazy("AI versions")

    list_export = list(export.FIELDS)
    export_headings = {name: field.heading for name, field in export.FIELDS.items()}
    export_filename = "smart-resize"
    custom_value_preprocess = {
        (str, Promise): {"csv": export.csv_safe, "xlsx": export.xlsx_safe},
        **BaseReportView.custom_value_preprocess,
    }

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not permissions.may_smart_resize_any(request.user):
            raise PermissionDenied
        return super().dispatch(request, *args, **kwargs)

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not self.is_export:
            return super().get(request, *args, **kwargs)
        # Wagtail makes a page's context for an export, too, and loads all rows to count them.
        rows = export.stream(self.get_filtered_queryset(), request.user)
        return self.as_spreadsheet(rows, request.GET.get("export"))

    @cached_property
    def columns(self) -> list[BaseColumn]:
        columns = [
            ImageColumn("image", label=_("Image"), sort_key="image__title", width="20%"),
            ShapeColumn("shape", label=_("Place"), sort_key="shape"),
            ReportStateColumn("state", label=_("State"), sort_key="purchase"),
            CheckColumn("check", label=_("Check")),
            UserColumn("user", label=_("User"), accessor="state.by", width="12%"),
            DateColumn(
                "wanted_at", label=_("Asked since"), accessor="row.wanted_at", sort_key="wanted_at"
            ),
        ]
        if settings.PRICE_PER_OUTPUT:
            columns.insert(
                4, Column("cost", label=_("Cost"), accessor=_cost, classname="smart-resize-nowrap")
            )
        return columns

    @cached_property
    def header_more_buttons(self) -> list[Button]:
        buttons = list(super().header_more_buttons)
        if permissions.may_choose_any(self.request.user):
            url = reverse("smart_resize_admin:review")
            buttons.append(Button(_("Review versions"), url=url, icon_name="glasses", priority=10))
        return buttons

    # Rows

    def get_base_queryset(self) -> QuerySet[Recomposition]:
        return listings.visible_to(self.request.user)

    def paginate_queryset(self, queryset: QuerySet[Recomposition], page_size: int) -> Any:
        paginator, page, found, has_others = super().paginate_queryset(queryset, page_size)
        page.object_list = _report_rows(listings.load_page(found))
        return paginator, page, page.object_list, has_others

    def order_queryset(self, queryset: QuerySet[Recomposition]) -> QuerySet[Recomposition]:
        queryset = super().order_queryset(queryset)
        return queryset.order_by(*queryset.query.order_by, "-pk")

    def get_filtered_queryset(self) -> QuerySet[Recomposition]:
        # Wagtail filters the result of `get_queryset`, which is filtered already, a second time.
        return self.get_queryset()

    def to_row_dict(self, item: export.ExportedRecomposition) -> dict[str, Any]:
        return export.record(item)

    # Above the rows

    def get_context_data(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return {
            **super().get_context_data(*args, **kwargs),
            "figures": monthly_figures.figures_for(listings.visible_to(self.request.user)),
            "health": pipeline_health.check(),
            "may_decide": permissions.may_choose_any(self.request.user),
            "may_stop_buying": permissions.may_approve_any(self.request.user),
            **self._batch_context(),
        }

    def _batch_context(self) -> dict[str, Any]:
        """Return the batch's progress, with a URL to refresh the table from while it is busy."""
        batch = self._batch()
        if not batch:
            return {}
        mine = listings.visible_to(self.request.user)
        rows = mine.filter(pk__in=filters.in_batch(batch))
        progress = BatchProgress.of(batch, rows)
        seen = self.request.GET.get("seen")
        shown = listings.load_page(rows.order_by("image", "pk")[:MAX_BATCH_TILES])
        return {
            "batch": progress,
            "batch_entries": entries_of(shown, self.request.user) if shown else [],
            "batch_review_url": f"{reverse('smart_resize_admin:review')}?batch={batch}",
            "refresh_url": self._refresh_url(progress) if progress.busy else "",
            "is_refresh": seen is not None,
            "has_news": seen != str(progress.made),
        }

    def _batch(self) -> str:
        if not (self.filters and self.filters.is_valid()):
            return ""
        return self.filters.form.cleaned_data["batch"]

    def _refresh_url(self, progress: BatchProgress) -> str:
        query = self.request.GET.copy()
        query.pop("_w_filter_fragment", None)
        query["seen"] = str(progress.made)
        return f"{self.index_results_url}?{query.urlencode()}"


@dataclass(frozen=True)
class ReportRow(listings.ListedRecomposition):
    """A row of the table."""

    thumbnail: Any
    """A rendition; None for an image that was deleted meanwhile."""


def _report_rows(rows: list[Recomposition]) -> list[ReportRow]:
    thumbnails = listings.renditions((row.image_id, THUMBNAIL) for row in rows)
    return [
        ReportRow(each.row, each.state, thumbnails.get((each.row.image_id, THUMBNAIL)))
        for each in listings.listed(rows)
    ]


def _cost(row: ReportRow) -> str:
    cost = row.state.cost
    return format_html('<bdi dir="ltr">{}</bdi>', formatting.price_text(cost)) if cost else ""
