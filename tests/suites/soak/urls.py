from django.urls import include, path

from .inside import inside

urlpatterns = [path("inside/", inside), path("", include("testapp.urls"))]
