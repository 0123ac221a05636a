"""The site's pages: galleries, each of which exists three times, and the latest photographs."""

from typing import Any

from django.db import models
from modelcluster.fields import ParentalKey
from wagtail.images import get_image_model, get_image_model_string
from wagtail.models import Orderable, Page

#: The collection whose photographs the front page shows.
NEWS = "News"


class Gallery(Page):
    """Some photographs; galleries of the same ones differ in the filter alone."""

    filter_name = models.CharField(max_length=20)

    def get_template(self, request: Any, *args: Any, **kwargs: Any) -> str:
        return f"soak/{self.filter_name}.html"

    def get_context(self, request: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        pictures = self.pictures.select_related("photo")
        return {**super().get_context(request, *args, **kwargs), "pictures": pictures}


class GalleryPicture(Orderable):
    page = ParentalKey(Gallery, on_delete=models.CASCADE, related_name="pictures")
    photo = models.ForeignKey(get_image_model_string(), on_delete=models.CASCADE, related_name="+")


class FrontPage(Page):
    """The latest photographs of the collection `NEWS`."""

    template = "soak/front.html"

    def get_context(self, request: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        images = get_image_model().objects.filter(collection__name=NEWS)
        latest = images.order_by("-pk")[:4]
        return {**super().get_context(request, *args, **kwargs), "photos": latest}
