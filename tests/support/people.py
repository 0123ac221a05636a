"""The four users of the admin's tests, and the collections they differ in."""

from typing import Any, NamedTuple

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from wagtail.models import Collection, GroupCollectionPermission

OURS = ("smart_resize_recomposition", "approve_recomposition")


class People(NamedTuple):
    """Users and collections.

    `editor` has our permissions in `here`, `elsewhere` in `there`, `outsider` in neither; all three
    may change images everywhere.
    """

    here: Any
    there: Any
    superuser: Any
    editor: Any
    elsewhere: Any
    outsider: Any


def make_people(rights: tuple[str, ...] = OURS) -> People:
    here, there = collection("Here"), collection("There")
    return People(
        here,
        there,
        superuser=get_user_model().objects.create_superuser("root", "root@example.org", "secret"),
        editor=editor("editor", here, rights),
        elsewhere=editor("elsewhere", there, rights),
        outsider=editor("outsider", here, ()),
    )


def collection(name: str) -> Any:
    root = Collection.get_first_root_node()
    return root.add_child(instance=Collection(name=name))


def editor(name: str, place: Any, rights: tuple[str, ...]) -> Any:
    """Create a user who may change all images, and has these permissions of ours in one
    collection."""
    user = get_user_model().objects.create_user(name, f"{name}@example.org", "secret")
    group = Group.objects.create(name=name)
    group.permissions.add(Permission.objects.get(codename="access_admin"))
    user.groups.add(group)
    grant(group, Collection.get_first_root_node(), "change_image")
    for right in rights:
        grant(group, place, right)
    return user


def grant(group: Any, place: Any, codename: str) -> None:
    """Grant a permission on a collection.

    Wagtail's permissions for images are those of its own image model, whatever the site's image
    model is.
    """
    permission = Permission.objects.get(codename=codename)
    GroupCollectionPermission.objects.create(group=group, collection=place, permission=permission)
