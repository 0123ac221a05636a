"""What the screens share: the app must be migrated, and an image's screens load and guard it."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import NoReverseMatch, reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.views.generic import View
from wagtail.admin import messages
from wagtail.images import get_image_model

from wagtail_smart_resize.core import database
from wagtail_smart_resize.core.keys import parse_key
from wagtail_smart_resize.core.schema import remedy_of, schema
from wagtail_smart_resize.core.site_image import SiteImage
from wagtail_smart_resize.editorial import permissions


def only_if_migrated(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Return the view, or one that tells why it can't be shown while tables are missing."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if schema.is_current():
            return view(request, *args, **kwargs)
        messages.error(
            request,
            _(
                "Smart resize is not set up yet: the people who run the site have to run "
                "“%(command)s”. Nothing was done."
            )
            % {"command": remedy_of(database.alias())},
        )
        return redirect("wagtailadmin_home")

    return guarded


def images_by_key(text: str) -> Any:
    """Return the image with this key, as a URL holds it, as a query set of one or none."""
    images = get_image_model()._default_manager.select_related("collection")
    return images.filter(pk=parse_key(images.model, text))


def edit_url(image: SiteImage) -> str:
    """Return the address of Wagtail's screen for the image; "" if it has none.

    Wagtail's addresses are for whole numbers, and an image model may have other keys.
    """
    try:
        return reverse("wagtailimages:edit", args=[image.pk])
    except NoReverseMatch:
        return ""


def may_see(user: Any, image: SiteImage) -> bool:
    """Return whether the user may open the image's screen: any right that it needs is enough."""
    return permissions.may_smart_resize(user, image) or permissions.may_approve(user, image)


class ImageMixin(View):
    """Provide `self.image` from the URL's `image_id`.

    Raises PermissionDenied if the user may not see its recompositions, and Http404 if the image
    doesn't exist. A POST for a deleted image is redirected to the image listing instead.
    """

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
        return images_by_key(self.kwargs["image_id"])

    @property
    def is_deleted(self) -> bool:
        """Return whether the image has been deleted, which may happen while its screen is open."""
        return not self._images().exists()

    def gone(self) -> HttpResponseBase:
        """Redirect to the image listing with a message: the image's own screen is gone."""
        messages.error(self.request, _("The image has been deleted: nothing was done."))
        return redirect("wagtailimages:index")

    @property
    def may_smart_resize(self) -> bool:
        return permissions.may_smart_resize(self.request.user, self.image)

    def require(self, allowed: bool) -> None:
        """Raise PermissionDenied unless `allowed`."""
        if not allowed:
            raise PermissionDenied
