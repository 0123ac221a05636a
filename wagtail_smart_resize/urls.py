"""Included by the site. The admin's own URLs come by a hook."""

from django.urls import path

from wagtail_smart_resize.delivery.source_view import SourceView

app_name = "smart_resize"
urlpatterns = [
    path("source/<str:token>/", SourceView.as_view(), name="source"),
]
