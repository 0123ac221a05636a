from django.urls import include, path

from .memory_view import memory

urlpatterns = [path("memory/", memory), path("", include("testapp.urls"))]
