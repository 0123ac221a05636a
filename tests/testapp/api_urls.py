"""The site's URLs, with those of Wagtail's APIs."""

from django.urls import path
from wagtail import VERSION
from wagtail.api.v2.router import WagtailAPIRouter
from wagtail.api.v2.views import PagesAPIViewSet
from wagtail.images.api.v2.views import ImagesAPIViewSet

from wagtail_smart_resize.editorial.reasons import prefetch_reasons

from .urls import urlpatterns as pages


class GalleryAPIViewSet(ImagesAPIViewSet):
    """A listing that asks the same number of queries however many images it has."""

    name = "gallery"

    def get_queryset(self):
        images = super().get_queryset().prefetch_renditions("smartresize-400x400")
        return images.prefetch_related(prefetch_reasons())


router = WagtailAPIRouter("wagtailapi")
router.register_endpoint("pages", PagesAPIViewSet)
router.register_endpoint("images", ImagesAPIViewSet)
router.register_endpoint("gallery", GalleryAPIViewSet)

urlpatterns = [path("api/v2/", router.urls)]

if VERSION >= (8, 0):
    from wagtail.api.v3.urls import api

    urlpatterns += [path("api/v3/", api.urls)]

urlpatterns += pages
