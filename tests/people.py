"""The four people of the admin's tests, and collections to tell them apart."""

from typing import Any, NamedTuple

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from wagtail.images import get_image_model
from wagtail.models import Collection, GroupCollectionPermission

OURS = ("smart_resize_recomposition", "approve_recomposition")


class People(NamedTuple):
    """`editor` has our rights in `here`, `elsewhere` in `there`, `outsider` in neither: all three
    may change images everywhere."""

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
    """Somebody who may change all images, and has these rights of ours in one collection."""
    user = get_user_model().objects.create_user(name, f"{name}@example.org", "secret")
    group = Group.objects.create(name=name)
    group.permissions.add(Permission.objects.get(codename="access_admin"))
    user.groups.add(group)
    model = get_image_model()._meta.model_name
    grant(group, Collection.get_first_root_node(), f"change_{model}")
    for right in rights:
        grant(group, place, right)
    return user


def grant(group: Any, place: Any, codename: str) -> None:
    kind = {"content_type": ContentType.objects.get_for_model(get_image_model())}
    found = Permission.objects.filter(codename=codename)
    permission = found.filter(**kind).first() or found.get()
    GroupCollectionPermission.objects.create(group=group, collection=place, permission=permission)
