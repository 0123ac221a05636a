"""The group editor's panel: who is given which of our rights, in which collections."""

import re

import pytest
from django.contrib.auth.models import Group, Permission
from django.urls import reverse
from support.people import OURS
from wagtail.models import GroupCollectionPermission

from wagtail_smart_resize.admin.group_permissions import permission_panel
from wagtail_smart_resize.editorial import permissions

pytestmark = pytest.mark.django_db

PREFIX = "smart_resize_permissions"


@pytest.fixture
def outsiders():
    return Group.objects.get(name="outsider")


def address(group):
    return reverse("wagtailusers_groups:edit", args=[group.pk])


def panel_html(html):
    """The part of the group editor that is ours."""
    start = html.index('id="smart-resize-permissions-section"')
    return html[start : html.index(f"id_{PREFIX}-ADD", start)]


def filled_in(response, *rows):
    """Return the group editor's form data with only these rows of ours: (collection, rights)."""
    data = {"name": response.context["group"].name}
    for formset in response.context["permission_panels"]:
        data |= {f"{formset.prefix}-{name}_FORMS": 0 for name in ("TOTAL", "INITIAL")}
    data[f"{PREFIX}-TOTAL_FORMS"] = len(rows)
    for number, (place, rights) in enumerate(rows):
        data[f"{PREFIX}-{number}-collection"] = place.pk
        data[f"{PREFIX}-{number}-permissions"] = [
            Permission.objects.get(codename=right).pk for right in rights
        ]
    return data


def ours_of(group):
    """The collections' names and the codenames of our rights that a group has there."""
    rows = GroupCollectionPermission.objects.filter(group=group, permission__codename__in=OURS)
    return set(rows.values_list("collection__name", "permission__codename"))


def test_both_rights_are_offered_by_collection(admin, outsiders):
    html = panel_html(admin.get(address(outsiders)).content.decode())
    assert "Smart resize images" in html
    assert "Approve AI versions in review" in html
    labels = re.findall(r"<option[^>]*>(.*?)</option>", html, re.DOTALL)
    assert {"Here", "There"} <= {label.rpartition(";")[2].strip("↳ \n") for label in labels}


def test_the_panel_comes_after_that_of_images(admin, outsiders):
    html = admin.get(address(outsiders)).content.decode()
    assert html.index("Image permissions") < html.index("Smart resize permissions")


def test_what_a_group_has_is_ticked(admin, people):
    group = Group.objects.get(name="editor")
    html = panel_html(admin.get(address(group)).content.decode())
    rows = html[: html.index("<template")]
    assert rows.count("checked") == 2
    assert re.search(rf'<option value="{people.here.pk}" selected>', rows)


def test_a_right_that_is_given_is_given_there_and_nowhere_else(admin, people, outsiders):
    page = admin.get(address(outsiders))
    data = filled_in(page, (people.here, [OURS[0]]))
    assert admin.post(address(outsiders), data).status_code == 302
    assert ours_of(outsiders) == {("Here", OURS[0])}
    policy = permissions.get_policy()
    found = policy.collections_user_has_permission_for(people.outsider, permissions.SMART_RESIZE)
    assert [each.name for each in found] == ["Here"]
    assert not policy.user_has_permission(people.outsider, permissions.APPROVE)


def test_a_right_that_is_not_sent_again_is_taken_away(admin, people):
    group = Group.objects.get(name="editor")
    data = filled_in(admin.get(address(group)), (people.here, [OURS[1]]))
    assert admin.post(address(group), data).status_code == 302
    assert ours_of(group) == {("Here", OURS[1])}


def test_rights_of_others_cannot_be_slipped_in(admin, people, outsiders):
    data = filled_in(admin.get(address(outsiders)), (people.here, ["delete_collection"]))
    assert admin.post(address(outsiders), data).status_code == 200
    assert not GroupCollectionPermission.objects.filter(
        group=outsiders, permission__codename="delete_collection"
    ).exists()


@pytest.mark.parametrize("name", ["editor", "elsewhere", "outsider"])
def test_editors_give_themselves_nothing(client, people, outsiders, admin, name):
    data = filled_in(admin.get(address(outsiders)), (people.here, OURS))
    client.force_login(getattr(people, name))
    assert client.post(address(outsiders), data).status_code == 302
    assert ours_of(outsiders) == set()


def test_the_panel_is_one_class_for_all_requests():
    assert permission_panel() is permission_panel()


def test_a_form_that_leaves_ours_out_changes_nothing_and_is_accepted(admin, people):
    """A site's own group form, or a script's, that knows only Wagtail's panels."""
    group = Group.objects.get(name="editor")
    data = filled_in(admin.get(address(group)))
    data = {name: value for name, value in data.items() if not name.startswith(PREFIX)}
    assert admin.post(address(group), data | {"name": "Renamed"}).status_code == 302
    assert ours_of(group) == {("Here", OURS[0]), ("Here", OURS[1])}
    assert Group.objects.filter(name="Renamed").exists()


def test_so_does_one_that_is_refused_for_another_reason(admin, people):
    group = Group.objects.get(name="editor")
    data = filled_in(admin.get(address(group)))
    data = {name: value for name, value in data.items() if not name.startswith(PREFIX)}
    response = admin.post(address(group), data | {"name": ""})
    assert response.status_code == 200
    assert ours_of(group) == {("Here", OURS[0]), ("Here", OURS[1])}
