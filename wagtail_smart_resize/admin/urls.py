"""Admin URLs, which Wagtail includes through the `register_admin_urls` hook."""

from django.db.transaction import non_atomic_requests
from django.urls import path
from wagtail.utils.urlpatterns import decorate_urlpatterns

from .base import only_if_migrated
from .image import candidate, decide, focal, history, make, may_see, progress, room
from .image import views as image
from .pages import views as pages
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
    path("images/<str:image_id>/smart-resize/make/", make.MakeView.as_view(), name="make"),
    path(
        "images/<str:image_id>/smart-resize/places/<str:key>/",
        room.RoomView.as_view(),
        name="room",
    ),
    path(
        "images/<str:image_id>/smart-resize/candidates/<int:pk>/match/",
        room.MatchView.as_view(),
        name="match",
    ),
    path(
        "images/<str:image_id>/smart-resize/focal-area/",
        focal.FocalAreaView.as_view(),
        name="focal_area",
    ),
    path(
        "images/<str:image_id>/smart-resize/focal-area/suggestion/",
        focal.SuggestionView.as_view(),
        name="focal_suggestion",
    ),
    *(
        path(f"images/<str:image_id>/smart-resize/{name.replace('_', '-')}/", view, name=name)
        for name, view in {
            "choose": decide.ChooseView.as_view(),
            "own_pixels": decide.OwnPixelsView.as_view(),
            "undo": decide.UndoView.as_view(),
            "failed": decide.FailedView.as_view(),
            "call_off": decide.CallOffView.as_view(),
            "try_now": decide.TryNowView.as_view(),
            "crop_everywhere": decide.CropEverywhereView.as_view(),
            "opt_out": decide.OptOutView.as_view(),
        }.items()
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
    path("pages/<int:page_id>/smart-resize/", pages.PagePlacesView.as_view(), name="page_places"),
    path(
        "pages/<int:page_id>/smart-resize/preview/",
        pages.PreviewView.as_view(),
        name="page_preview",
    ),
    path("reports/smart-resize/", report.ReportView.as_view(), name="report"),
    path(
        "reports/smart-resize/results/",
        report.ReportView.as_view(results_only=True),
        name="report_results",
    ),
    path("reports/smart-resize/buying/", buying.BuyingView.as_view(), name="buying"),
    path("reports/smart-resize/review/", review.ReviewView.as_view(), name="review"),
    path("reports/smart-resize/review/undo/", review.UndoView.as_view(), name="review_undo"),
    path(
        "reports/smart-resize/review/<int:pk>/",
        review.EntryView.as_view(),
        name="review_entry",
    ),
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
