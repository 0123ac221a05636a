"""The servers' pages and pictures, and views that act in this process as an editor or the
repair."""

from django.conf import settings
from django.core.cache import caches
from django.http import HttpResponse
from django.urls import include, path
from django.views.static import serve

from wagtail_smart_resize import actions
from wagtail_smart_resize.models import Recomposition
from wagtail_smart_resize.repair import repairs


def choose():
    for row in Recomposition.objects.all():
        actions.choose(row.candidates.get())


def crop():
    for row in Recomposition.objects.all():
        actions.use_crop(row)


def repair():
    """Repair twice: to note what is retired, and to delete it."""
    assert repairs.run().failed == 0
    assert repairs.run().failed == 0


def act(request, what):
    {"choose": choose, "crop": crop, "repair": repair}[what]()
    return HttpResponse("done")


def remembered(request):
    """Return the number of renditions that this process's own cache holds."""
    return HttpResponse(len(caches["renditions"]._cache))


urlpatterns = [
    path("act/<str:what>/", act),
    path("remembered/", remembered),
    path("media/<path:path>", serve, {"document_root": settings.MEDIA_ROOT}),
    path("", include("suites.servers.urls")),
]
