"""The endpoint by which the image chooser's menu decides whether to link to an image's screen."""

from django.http import HttpRequest, JsonResponse
from django.views.generic import View
from wagtail.images import get_image_model

from wagtail_smart_resize.admin.base import may_see
from wagtail_smart_resize.core.keys import parse_key


class MaySeeView(View):
    """Return as JSON whether the image exists and the user may see its screen."""

    http_method_names = ["get"]

    def get(self, request: HttpRequest, image_id: str) -> JsonResponse:
        images = get_image_model()._default_manager.select_related("collection")
        image = images.filter(pk=parse_key(images.model, image_id)).first()
        return JsonResponse({"may_see": image is not None and may_see(request.user, image)})
