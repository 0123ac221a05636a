"""Permission checks. Permissions are granted per collection, and require "change image" as well."""

from typing import Any

from django.db.models import QuerySet
from wagtail.images import get_image_model
from wagtail.permission_policies.collections import CollectionPermissionPolicy

from wagtail_smart_resize.compat import get_image_permission_policy
from wagtail_smart_resize.core.site_image import SiteImage
from wagtail_smart_resize.models import Recomposition
from wagtail_smart_resize.settings import settings

SMART_RESIZE = "smart_resize"
APPROVE = "approve"


def get_policy() -> CollectionPermissionPolicy:
    """Return the policy for the app's own permissions on collections of images."""
    return CollectionPermissionPolicy(get_image_model(), auth_model=Recomposition)


def may_smart_resize(user: Any, image: SiteImage) -> bool:
    """Return whether the user may see and request recompositions, decline them and opt out."""
    return _may(user, SMART_RESIZE, image)


def may_approve(user: Any, image: SiteImage) -> bool:
    """Return whether the user may approve recomposed pictures of the image in review mode."""
    return _may(user, APPROVE, image)


def right_to_choose() -> str:
    """Return the permission to choose what is live: in review mode, that of those who approve."""
    return APPROVE if settings.REVIEW else SMART_RESIZE


def may_choose(user: Any, image: SiteImage) -> bool:
    """Return whether the user may choose which picture is live."""
    return _may(user, right_to_choose(), image)


def _may(user: Any, action: str, image: SiteImage) -> bool:
    images = get_image_permission_policy()
    return images.user_has_permission_for_instance(
        user, "change", image
    ) and get_policy().user_has_permission_for_instance(user, action, image)


def may_smart_resize_any(user: Any) -> bool:
    """Return whether the user may smart resize or approve images of any collection."""
    return get_image_permission_policy().user_has_permission(
        user, "change"
    ) and get_policy().user_has_any_permission(user, [SMART_RESIZE, APPROVE])


def may_choose_any(user: Any) -> bool:
    """Return whether the user may choose what is live for images of any collection."""
    return get_image_permission_policy().user_has_permission(
        user, "change"
    ) and get_policy().user_has_permission(user, right_to_choose())


def may_approve_any(user: Any) -> bool:
    """Return whether the user may approve pictures of any collection."""
    return get_image_permission_policy().user_has_permission(
        user, "change"
    ) and get_policy().user_has_permission(user, APPROVE)


def images_for(user: Any, actions: tuple[str, ...] = (SMART_RESIZE,)) -> QuerySet[Any]:
    """Return the images for which the user has any of these permissions."""
    changeable = get_image_permission_policy().instances_user_has_permission_for(user, "change")
    ours = get_policy().instances_user_has_any_permission_for(user, list(actions))
    return changeable if are_all(ours) else changeable.filter(pk__in=ours.values("pk"))


def are_all(images: QuerySet[Any]) -> bool:
    """Return whether the queryset is unrestricted, as a superuser's is.

    Callers can then omit a condition that excludes nothing but that the database would still check
    for every row.
    """
    query = images.query
    return not (query.has_filters() or query.is_sliced or query.combinator)
