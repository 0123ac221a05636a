"""URLs that the site includes. The admin's own URLs are registered by a hook."""

from django.urls import path

from wagtail_smart_resize.delivery.health import HealthView
from wagtail_smart_resize.delivery.source_view import SourceView

app_name = "smart_resize"
urlpatterns = [
    path("health/", HealthView.as_view(), name="health"),
    path("source/<str:token>/", SourceView.as_view(), name="source"),
]
