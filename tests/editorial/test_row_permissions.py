"""Whose rows are in a list: what the rows note of their collection never shows too much."""

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from support.factories import candidate, plain_image, recomposition
from support.people import OURS, editor, grant
from wagtail.images import get_image_model
from wagtail.models import Collection, GroupCollectionPermission
from yourimages.permissions import OwnImagesOnly

from wagtail_smart_resize import compat
from wagtail_smart_resize.editorial import listings, monthly_figures, row_permissions
from wagtail_smart_resize.models import Recomposition

pytestmark = pytest.mark.django_db

REPORT = "/admin/reports/smart-resize/"


def move_unseen(row, place):
    """Move the row's image as code does that sends no signal."""
    get_image_model().objects.filter(pk=row.image_id).update(collection=place)


def again(user):
    """The user as the next request has them."""
    return get_user_model().objects.get(pk=user.pk)


def seen(user):
    return set(listings.visible_to(again(user)))


@pytest.fixture
def row(people):
    """One that failed and one that awaits review have to be in no figure and no queue either."""
    return recomposition(
        plain_image(collection=people.here), purchase="failed", failure_code="unknown"
    )


class TestAnImageThatWasMovedUnseen:
    def test_away_is_seen_no_more(self, people, row):
        assert seen(people.editor) == {row}
        move_unseen(row, people.there)
        assert seen(people.editor) == set()

    def test_here_is_not_seen_before_it_is_repaired(self, people, row):
        move_unseen(row, people.there)
        assert seen(people.elsewhere) == set()
        Recomposition.objects.update(collection_id=people.there.pk)
        assert seen(people.elsewhere) == {row}

    def test_between_two_of_ones_own_is_seen_all_along(self, people, row):
        grant(Group.objects.get(user=people.editor), people.there, OURS[0])
        move_unseen(row, people.there)
        assert seen(people.editor) == {row}

    def test_is_seen_by_a_superuser(self, people, row):
        move_unseen(row, people.there)
        assert seen(people.superuser) == {row}

    def test_is_in_no_table_no_figure_no_filter_and_no_export(self, client, people, row):
        recomposition(row.image, "200x400", asked_by=people.superuser)
        move_unseen(row, people.there)
        client.force_login(people.editor)
        context = client.get(REPORT).context
        assert list(context["object_list"]) == []
        assert context["items_count"] == 0
        figures = context["figures"]
        assert (figures.failed_count, figures.waiting_count, figures.oldest) == (0, 0, None)
        form = context["filters"].form
        assert form.fields["failure"].choices == []
        assert list(form.fields["user"].queryset) == []
        assert len(list(client.get(REPORT, {"export": "csv"}).streaming_content)) == 1

    def test_awaits_nobodys_review_and_is_approved_by_nobody(self, client, people, configure):
        configure(REVIEW=True)
        row = recomposition(plain_image(collection=people.here), purchase="idle")
        picture = candidate(row)
        assert list(listings.waiting_for(again(people.editor), 10)) == [row]
        move_unseen(row, people.there)
        for user in (people.editor, people.elsewhere):
            assert list(listings.waiting_for(again(user), 10)) == []
        client.force_login(people.editor)
        client.post(f"{REPORT}review/{row.pk}/decide/", {"approve": picture.pk})
        client.post(f"{REPORT}review/selected/", {"candidates": picture.pk, "confirm": "1"})
        row.refresh_from_db()
        assert row.live is None

    def test_makes_room_for_others_in_the_queue(self, people):
        rows = [
            recomposition(plain_image(collection=people.here), purchase="idle") for _ in range(4)
        ]
        for row in rows:
            candidate(row)
        for row in rows[:2]:
            move_unseen(row, people.there)
        assert list(listings.waiting_for(again(people.editor), 2)) == rows[2:]


class TestOnesOwnUploads:
    @pytest.fixture
    def uploader(self, people):
        """May change all images of one collection, and their own in another."""
        user = editor("uploader", people.here, OURS)
        group = Group.objects.get(user=user)
        GroupCollectionPermission.objects.filter(
            group=group, permission__codename="change_image"
        ).delete()
        grant(group, people.here, "change_image")
        grant(group, people.there, "add_image")
        for right in OURS:
            grant(group, people.there, right)
        return user

    def test_are_added_to_what_a_collection_allows(self, people, uploader):
        whole = recomposition(plain_image(collection=people.here))
        own = recomposition(plain_image(collection=people.there, uploaded_by_user=uploader))
        recomposition(plain_image(collection=people.there, uploaded_by_user=people.editor))
        recomposition(plain_image(uploaded_by_user=uploader))
        assert seen(uploader) == {whole, own}

    def test_of_another_are_not_seen_where_a_row_is_out_of_date(self, people, uploader):
        row = recomposition(plain_image(collection=people.here))
        move_unseen(row, people.there)
        assert seen(uploader) == set()

    def test_are_the_same_as_wagtail_would_say(self, people, uploader):
        for place in (people.here, people.there, Collection.get_first_root_node()):
            for owner in (uploader, people.editor, None):
                recomposition(plain_image(collection=place, uploaded_by_user=owner))
        for user in people[2:]:
            assert seen(user) == _slowly(user)
        assert seen(uploader) == _slowly(uploader)


def _slowly(user):
    """What the user may see, by the images alone."""
    from wagtail_smart_resize.editorial import permissions

    images = permissions.images_for(again(user), listings.EVERY_RIGHT)
    return set(Recomposition.objects.filter(image__in=images.values("pk")))


def test_a_policy_of_the_sites_own_decides_alone(people, row, monkeypatch):
    own = recomposition(plain_image(collection=people.here, uploaded_by_user=people.editor))
    assert seen(people.editor) == {row, own}
    monkeypatch.setattr(compat.get_image_permission_policy(), "__class__", OwnImagesOnly)
    Recomposition.objects.update(collection_id=None)
    assert seen(people.editor) == {own}


def test_a_user_who_was_shut_out_sees_nothing(people, row):
    get_user_model().objects.filter(pk=people.editor.pk).update(is_active=False)
    assert seen(people.editor) == set()


def test_without_any_right_nothing_is_seen(people, row):
    assert seen(people.outsider) == set()
    assert monthly_figures.figures_for(listings.visible_to(again(people.outsider))).oldest is None


def test_a_policy_by_collection_is_asked_by_collection(people, django_assert_num_queries):
    """Without the images' whole table: one condition on the row's own column, one on its image."""
    user = again(people.editor)
    conditions = row_permissions.conditions_for(user, listings.EVERY_RIGHT)
    assert conditions.narrow.children == [("collection_id__in", [people.here.pk])]
    assert "IN (SELECT" not in str(listings.visible_to(user).query)
    with django_assert_num_queries(1):
        row_permissions.conditions_for(user, listings.EVERY_RIGHT)
