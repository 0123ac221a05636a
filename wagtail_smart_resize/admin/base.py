"""What all views of one image share: the image, and who may see it."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.views.generic import View
from wagtail.admin import messages
from wagtail.images import get_image_model

from wagtail_smart_resize.editorial import permissions


def may_see(user: Any, image: Any) -> bool:
    """May open the image's screen: whoever may do any of what it offers."""
    return permissions.may_smart_resize(user, image) or permissions.may_approve(user, image)


class ImageMixin(View):
    """`self.image`, for whoever may see its recompositions. Everybody else is turned away."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not permissions.may_smart_resize_any(request.user):
            raise PermissionDenied
        if request.method == "POST" and self.is_deleted:
            return self.gone()
        if not may_see(request.user, self.image):
            raise PermissionDenied
        return super().dispatch(request, *args, **kwargs)

    @cached_property
    def image(self) -> Any:
        return get_object_or_404(self._images())

    def _images(self) -> Any:
        images = get_image_model()._default_manager.select_related("collection")
        return images.filter(pk=self.kwargs["image_id"])

    @property
    def is_deleted(self) -> bool:
        """Whether it is by now, although its screen may be open."""
        return not self._images().exists()

    def gone(self) -> HttpResponseBase:
        """Says so where images are: the screen isn't there to lead back to."""
        messages.error(self.request, _("The image has been deleted: nothing was done."))
        return redirect("wagtailimages:index")

    @property
    def may_smart_resize(self) -> bool:
        return permissions.may_smart_resize(self.request.user, self.image)

    def require(self, allowed: bool) -> None:
        if not allowed:
            raise PermissionDenied
