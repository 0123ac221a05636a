"""Admin URLs, which Wagtail includes through the `register_admin_urls` hook."""

from django.db.transaction import non_atomic_requests
from django.urls import path
from wagtail.utils.urlpatterns import decorate_urlpatterns

from .base import only_if_migrated
from .image import candidate, decide, history, may_see, progress
from .image import views as image
from .report import buying
from .report import views as report
from .review import views as review

app_name = "smart_resize_admin"
urlpatterns = [
    path("images/<str:image_id>/smart-resize/", image.ImageView.as_view(), name="image"),
    path(
        "images/<str:image_id>/smart-resize/progress/",
        progress.ProgressView.as_view(),
        name="progress",
    ),
    path(
        "images/<str:image_id>/smart-resize/candidates/<int:pk>/",
        candidate.CandidateView.as_view(),
        name="candidate",
    ),
    path(
        "images/<str:image_id>/smart-resize/may-see/", may_see.MaySeeView.as_view(), name="may_see"
    ),
    path("images/<str:image_id>/smart-resize/ask/", image.AskView.as_view(), name="ask"),
    path("images/<str:image_id>/smart-resize/choose/", decide.ChooseView.as_view(), name="choose"),
    path("images/<str:image_id>/smart-resize/failed/", decide.FailedView.as_view(), name="failed"),
    path(
        "images/<str:image_id>/smart-resize/call-off/",
        decide.CallOffView.as_view(),
        name="call_off",
    ),
    path(
        "images/<str:image_id>/smart-resize/opt-out/", decide.OptOutView.as_view(), name="opt_out"
    ),
    path(
        "images/<str:image_id>/smart-resize/history/",
        history.HistoryView.as_view(),
        name="history",
    ),
    path(
        "images/<str:image_id>/smart-resize/history/results/",
        history.HistoryView.as_view(results_only=True),
        name="history_results",
    ),
    path("reports/smart-resize/", report.ReportView.as_view(), name="report"),
    path(
        "reports/smart-resize/results/",
        report.ReportView.as_view(results_only=True),
        name="report_results",
    ),
    path("reports/smart-resize/buying/", buying.BuyingView.as_view(), name="buying"),
    path("reports/smart-resize/review/", review.ReviewView.as_view(), name="review"),
    path(
        "reports/smart-resize/review/<int:pk>/decide/",
        review.DecideView.as_view(),
        name="review_decide",
    ),
    path(
        "reports/smart-resize/review/selected/",
        review.ApproveSelectedView.as_view(),
        name="review_selected",
    ),
]
urlpatterns = decorate_urlpatterns(urlpatterns, only_if_migrated)
# An action is a transaction of its own, which is repeated if it loses to another one: with
# ATOMIC_REQUESTS, the whole request would be lost.
urlpatterns = decorate_urlpatterns(urlpatterns, non_atomic_requests)
