"""Saving the focal area from an image's screen: Wagtail's own focal point, which crops keep to."""

from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _
from wagtail.log_actions import log

from wagtail_smart_resize.compat import get_image_permission_policy
from wagtail_smart_resize.core.site_image import SiteImage
from wagtail_smart_resize.editorial.deciding import UNDO_TIME

from .answers import ActionMixin
from .forms import FocalAreaForm
from .screen import Screen

FIELDS = ("focal_point_x", "focal_point_y", "focal_point_width", "focal_point_height")


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
        _save(self.image, form.area, request.user)
        return self.answer(
            _("The focal area is saved, and the crops follow it."),
            undo={
                "url": reverse("smart_resize_admin:focal_area", args=[self.image.pk]),
                "fields": dict(zip(("left", "top", "width", "height"), before, strict=True)),
                "seconds": round(UNDO_TIME.total_seconds()),
            },
        )


def _area_of(image: Any) -> tuple[int, int, int, int] | None:
    focal = image.get_focal_point()
    if focal is None:
        return None
    return round(focal.left), round(focal.top), round(focal.width), round(focal.height)


def _save(image: Any, area: tuple[int, int, int, int] | None, user: Any) -> None:
    """Save the area as Wagtail's form does, with an entry in the image's history."""
    if area is None:
        values: list[int | None] = [None] * 4
    else:
        left, top, width, height = area
        values = [left + width // 2, top + height // 2, width, height]
    for name, value in zip(FIELDS, values, strict=True):
        setattr(image, name, value)
    image.save(update_fields=list(FIELDS))
    log(image, "wagtail.edit", user=user)
