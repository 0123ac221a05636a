"""The endpoint by which the image chooser's menu decides whether to link to an image's screen."""

from django.http import HttpRequest, JsonResponse
from django.views.generic import View

from wagtail_smart_resize.admin.base import images_by_key, may_see


class MaySeeView(View):
    """Return as JSON whether the image exists and the user may see its screen."""

    http_method_names = ["get"]

    def get(self, request: HttpRequest, image_id: str) -> JsonResponse:
        image = images_by_key(image_id).first()
        return JsonResponse({"may_see": image is not None and may_see(request.user, image)})
