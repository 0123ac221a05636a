"""Which recompositions a user may see or approve, as conditions that a large site can be asked.

Who may do what is a matter of the image. Where Wagtail's own policies decide that by the image's
collection, the rows are found by the collection that they note themselves, which an index serves,
and then compared with their images, since a note may be out of date.
"""

from typing import Any, NamedTuple

from django.db.models import Q, QuerySet
from wagtail.images import get_image_model
from wagtail.permission_policies.collections import (
    CollectionOwnershipPermissionPolicy,
    CollectionPermissionPolicy,
)

from wagtail_smart_resize.compat import get_image_permission_policy

from . import permissions


class RowConditions(NamedTuple):
    """Two conditions on recompositions that have to hold both, or either of them is empty.

    `narrow` can be left to an index. `exact` looks at the row's image: for a part of the rows it
    may be asked later, when they are joined with their images anyway.
    """

    narrow: Q
    exact: Q

    @property
    def both(self) -> Q:
        return self.narrow & self.exact


def conditions_for(user: Any, actions: tuple[str, ...]) -> RowConditions:
    """Return the conditions of the rows on whose images the user has any of these permissions."""
    if _is_decided_by_collection(user):
        return _by_collection(user, actions)
    images = permissions.images_for(user, actions)
    if permissions.are_all(images):
        return RowConditions(Q(), Q())
    return RowConditions(Q(image__in=images.values("pk")), Q())


def _is_decided_by_collection(user: Any) -> bool:
    """Return whether nothing but an image's collection, and who uploaded it, tells what they may.

    A site may have a policy of its own, a subclass of Wagtail's included, or a manager that hides
    images. A superuser may do all.
    """
    return (
        type(get_image_permission_policy())
        in (CollectionPermissionPolicy, CollectionOwnershipPermissionPolicy)
        and permissions.are_all(get_image_model()._default_manager.all())
        and user.is_active
        and not user.is_superuser
    )


def _by_collection(user: Any, actions: tuple[str, ...]) -> RowConditions:
    policy = get_image_permission_policy()
    # A policy of ownership counts a collection to which the user may add images to those in which
    # they may change some. This one tells what is granted.
    granted = CollectionPermissionPolicy(policy.model, auth_model=policy.auth_model)
    change = granted.collections_user_has_permission_for(user, "change").values("pk")
    ours = permissions.get_policy().collections_user_has_any_permission_for(user, list(actions))
    places = _keys(ours.filter(pk__in=change))
    exact = Q(image__collection__in=places)
    by_owner = isinstance(policy, CollectionOwnershipPermissionPolicy)
    if by_owner and granted.user_has_permission(user, "add"):
        # Who may add images to a collection may change those there that they have uploaded.
        add = granted.collections_user_has_permission_for(user, "add").values("pk")
        if own := _keys(ours.filter(pk__in=add).exclude(pk__in=places)):
            exact |= Q(image__collection__in=own, **{f"image__{policy.owner_field_name}": user})
            places = [*places, *own]
    return RowConditions(Q(collection_id__in=places), exact)


def _keys(collections: QuerySet[Any]) -> list[Any]:
    return list(collections.order_by("pk").values_list("pk", flat=True))
