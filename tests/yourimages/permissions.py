"""A site's own policy: who may change an image is not what Wagtail would say."""

from typing import Any

from django.db.models import QuerySet
from wagtail.permission_policies.collections import CollectionOwnershipPermissionPolicy


class OwnImagesOnly(CollectionOwnershipPermissionPolicy):
    """Whatever rights a group has: nobody but a superuser changes what others have uploaded."""

    def user_has_any_permission_for_instance(self, user: Any, actions: Any, instance: Any) -> bool:
        if _is_looking(actions) or user.is_superuser or instance.uploaded_by_user == user:
            return super().user_has_any_permission_for_instance(user, actions, instance)
        return False

    def instances_user_has_any_permission_for(self, user: Any, actions: Any) -> QuerySet:
        images = super().instances_user_has_any_permission_for(user, actions)
        if _is_looking(actions) or user.is_superuser:
            return images
        return images.filter(uploaded_by_user=user)


def _is_looking(actions: Any) -> bool:
    return "choose" in actions
