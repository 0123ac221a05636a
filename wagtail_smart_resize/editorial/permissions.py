"""Who may do what. Rights are given per collection, on top of the right to change the image."""

from typing import Any

from django.db.models import QuerySet
from wagtail.images import get_image_model
from wagtail.permission_policies.collections import CollectionPermissionPolicy

from wagtail_smart_resize.compat import get_image_permission_policy
from wagtail_smart_resize.models import Recomposition
from wagtail_smart_resize.settings import settings

SMART_RESIZE = "smart_resize"
APPROVE = "approve"


def get_policy() -> CollectionPermissionPolicy:
    """Our own rights, of the collections that hold images."""
    return CollectionPermissionPolicy(get_image_model(), auth_model=Recomposition)


def may_smart_resize(user: Any, image: Any) -> bool:
    """May see the image's recompositions, ask for more, decline and opt out."""
    return _may(user, SMART_RESIZE, image)


def may_approve(user: Any, image: Any) -> bool:
    """May let a recomposed picture go public in review mode."""
    return _may(user, APPROVE, image)


def may_choose(user: Any, image: Any) -> bool:
    """May choose which picture is live."""
    return may_approve(user, image) if settings.REVIEW else may_smart_resize(user, image)


def _may(user: Any, action: str, image: Any) -> bool:
    images = get_image_permission_policy()
    return images.user_has_permission_for_instance(
        user, "change", image
    ) and get_policy().user_has_permission_for_instance(user, action, image)


def may_smart_resize_any(user: Any) -> bool:
    """Whether there may be anything of ours for the user to see."""
    return get_image_permission_policy().user_has_permission(
        user, "change"
    ) and get_policy().user_has_any_permission(user, [SMART_RESIZE, APPROVE])


def may_approve_any(user: Any) -> bool:
    return get_image_permission_policy().user_has_permission(
        user, "change"
    ) and get_policy().user_has_permission(user, APPROVE)


def images_for(user: Any, actions: tuple[str, ...] = (SMART_RESIZE,)) -> QuerySet:
    """The images with which the user may do one of these things."""
    changeable = get_image_permission_policy().instances_user_has_permission_for(user, "change")
    ours = get_policy().instances_user_has_any_permission_for(user, list(actions))
    return changeable if are_all(ours) else changeable.filter(pk__in=ours.values("pk"))


def are_all(images: QuerySet) -> bool:
    """Whether the images are all that there are, as a superuser's are: a condition that excludes
    none of them would still be looked up for each."""
    query = images.query
    return not (query.has_filters() or query.is_sliced or query.combinator)
