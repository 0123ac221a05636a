"""The bulk action that offers focal areas from faces, for images that have none."""

from typing import Any

from django.utils.translation import ngettext
from wagtail.images.shortcuts import get_rendition_or_not_found
from wagtail.images.views.bulk_actions.image_bulk_action import ImageBulkAction

from wagtail_smart_resize.admin.image import focal
from wagtail_smart_resize.admin.image.crop_frame import upright_box
from wagtail_smart_resize.admin.image.forms import FocalAreaForm
from wagtail_smart_resize.core.sizes import Size
from wagtail_smart_resize.editorial.focal_areas import save, suggested_area

from .base import FocalAction

#: Number of images in which faces are looked for at once: it takes a tenth of a second for each.
MAX_IMAGES = 50
PREVIEW = "max-400x400"


class FocalView(FocalAction, ImageBulkAction):
    """Show what faces suggest, and save what is left ticked."""

    template_name = "wagtail_smart_resize/bulk/focal.html"

    def check_perm(self, image: Any) -> bool:
        return focal.may_move(self.request.user, image)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        images = [each["item"] for each in context["items"]]
        without = [image for image in images if not image.has_focal_point()]
        looked_at = without[:MAX_IMAGES]
        offers = [_offer(image) for image in looked_at]
        return {
            **context,
            "offers": [offer for offer in offers if offer["area"]],
            "faceless": [offer["image"] for offer in offers if not offer["area"]],
            "has_one": len(images) - len(without),
            "left": len(without) - len(looked_at),
        }

    def get_execution_context(self) -> dict[str, Any]:
        return {"areas": self.request.POST.getlist("area"), "user": self.request.user}

    @classmethod
    def execute_action(
        cls, objects: list[Any], areas: Any = (), user: Any = None, **kwargs: Any
    ) -> tuple[int, int]:
        """Save the areas, each "KEY LEFT TOP WIDTH HEIGHT", of images that still have none."""
        images = {str(image.pk): image for image in objects if not image.has_focal_point()}
        saved = 0
        for text in areas:
            key, _space, sides = text.partition(" ")
            image = images.pop(key, None)
            area = _area(image, sides.split()) if image else None
            if area is not None:
                save(image, area, user)
                saved += 1
        return saved, 0

    def get_success_message(self, num_parent_objects: int, num_child_objects: int) -> str:
        text = ngettext(
            "%(count)d focal area is saved, and the crops follow it.",
            "%(count)d focal areas are saved, and the crops follow them.",
            num_parent_objects,
        )
        return text % {"count": num_parent_objects}


def _offer(image: Any) -> dict[str, Any]:
    rendition = get_rendition_or_not_found(image, PREVIEW)
    return {
        "image": image,
        "rendition": rendition,
        "size": upright_box(image, rendition),
        "area": suggested_area(image),
    }


def _area(image: Any, sides: list[str]) -> tuple[int, int, int, int] | None:
    """Return the area that a form holds, if it lies within the image, whichever way up it is."""
    data = dict(zip(("left", "top", "width", "height"), sides, strict=False))
    for size in (Size(image.width, image.height), Size(image.height, image.width)):
        form = FocalAreaForm(data, within=size)
        if form.is_valid():
            return form.area
    return None
