"""The focal area on an image's screen: Wagtail's own focal point, which crops keep to."""

from typing import Any

from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from wagtail_smart_resize.compat import get_image_permission_policy
from wagtail_smart_resize.core.site_image import SiteImage
from wagtail_smart_resize.editorial.deciding import UNDO_TIME
from wagtail_smart_resize.editorial.focal_areas import save, suggested_area

from .answers import ActionMixin, is_fetched
from .forms import FocalAreaForm
from .screen import Screen


def may_move(user: Any, image: SiteImage) -> bool:
    """Return whether the user may change the image, and so its focal area."""
    policy = get_image_permission_policy()
    return bool(policy.user_has_permission_for_instance(user, "change", image))


class FocalAreaView(ActionMixin):
    """POST: save the focal area, in pixels of the picture as displayed."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.require(may_move(request.user, self.image))
        size = Screen(self.image, request.user).preview.size
        form = FocalAreaForm(request.POST, within=size)
        if not form.is_valid():
            return self.refuse(_("This is not a focal area of the image: nothing was changed."))
        before = _area_of(self.image) or ("", "", "", "")
        save(self.image, form.area, request.user)
        return self.answer(
            _("The focal area is saved, and the crops follow it."),
            undo={
                "url": reverse("smart_resize_admin:focal_area", args=[self.image.pk]),
                "fields": dict(zip(("left", "top", "width", "height"), before, strict=True)),
                "seconds": round(UNDO_TIME.total_seconds()),
            },
        )


class SuggestionView(ActionMixin):
    """GET: JSON with the focal area that the faces in the image suggest; nothing is saved.

    `area` is left, top, width and height, in pixels of the picture as displayed, as text.
    """

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.require(may_move(request.user, self.image))
        if not is_fetched(request):
            return self.back()
        area = suggested_area(self.image)
        if area is None:
            return self.refuse(_("No face was found that could be a focal area."))
        return JsonResponse({"area": " ".join(map(str, area))})


def _area_of(image: Any) -> tuple[int, int, int, int] | None:
    focal = image.get_focal_point()
    if focal is None:
        return None
    return round(focal.left), round(focal.top), round(focal.width), round(focal.height)
