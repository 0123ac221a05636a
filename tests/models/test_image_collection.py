"""The collection that rows note: written with the row, and following the image."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from support.factories import plain_image, recomposition
from support.people import collection
from wagtail.images import get_image_model

from wagtail_smart_resize.core import database
from wagtail_smart_resize.core.sizes import Slot
from wagtail_smart_resize.models import Recomposition, image_collection
from wagtail_smart_resize.purchasing import demand
from wagtail_smart_resize.repair import repairs
from wagtail_smart_resize.repair.report import Repair

pytestmark = pytest.mark.django_db


def noted(image):
    """The collections that the image's rows note."""
    rows = Recomposition.objects.filter(image_id=image.pk)
    return set(rows.values_list("collection_id", flat=True))


def move_unseen(image, place):
    get_image_model().objects.filter(pk=image.pk).update(collection=place)


@pytest.fixture
def here():
    return collection("Here")


@pytest.fixture
def there():
    return collection("There")


@pytest.fixture
def image(here):
    return plain_image(collection=here)


def test_a_new_row_notes_it(image, here):
    demand.record_demand(image, [Slot.parse("400x400")], "", by="template")
    assert noted(image) == {here.pk}


def test_so_does_one_that_was_written_by_two_at_once(image, here):
    rows = [demand._new_row(image, [Slot.parse("400x400")], "", "template", None, [])]
    demand._create_or_get(image, rows[0])
    assert noted(image) == {here.pk}


def test_it_follows_an_image_that_is_saved(image, there, django_capture_on_commit_callbacks):
    recomposition(image)
    recomposition(image, "200x400")
    image.collection = there
    with django_capture_on_commit_callbacks(execute=True):
        image.save()
    assert noted(image) == {there.pk}


@pytest.mark.parametrize(
    ("fields", "looks"),
    [
        (["title"], 0),
        (["focal_point_x"], 0),
        (["collection"], 1),
        (["collection_id"], 1),
        (None, 1),
    ],
)
def test_only_what_may_have_moved_is_looked_at(
    image, django_capture_on_commit_callbacks, fields, looks
):
    recomposition(image)
    with (
        CaptureQueriesContext(connection) as made,
        django_capture_on_commit_callbacks(execute=True),
    ):
        image.save(update_fields=fields)
    rows = Recomposition._meta.db_table
    assert len([each for each in made if rows in each["sql"]]) == looks


def test_a_new_image_has_no_rows_to_look_for(here, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks() as callbacks:
        plain_image(collection=here)
    assert callbacks == []


def test_an_image_that_has_not_moved_costs_one_query(
    image, django_capture_on_commit_callbacks, django_assert_num_queries
):
    recomposition(image)
    with django_capture_on_commit_callbacks() as callbacks:
        image.save()
    with django_assert_num_queries(1):
        callbacks[0]()


def test_trouble_of_ours_does_not_reach_who_saves(
    image, there, django_capture_on_commit_callbacks, monkeypatch, caplog
):
    def fail(rows):
        raise RuntimeError("trouble")

    monkeypatch.setattr(image_collection, "follow", fail)
    image.collection = there
    with django_capture_on_commit_callbacks(execute=True):
        image.save()
    assert "trouble" in caplog.text


def test_it_follows_wagtails_bulk_action(
    admin, image, there, django_capture_on_commit_callbacks, monkeypatch
):
    monkeypatch.setattr(image_collection, "CHUNK_SIZE", 1)
    other = plain_image()
    recomposition(image)
    recomposition(other)
    meta = get_image_model()._meta
    address = reverse(
        "wagtail_bulk_action", args=(meta.app_label, meta.model_name, "add_to_collection")
    )
    with django_capture_on_commit_callbacks(execute=True):
        answer = admin.post(f"{address}?id={image.pk}&id={other.pk}", {"collection": there.pk})
    assert answer.status_code == 302
    assert noted(image) == noted(other) == {there.pk}


class TestRepair:
    def test_finds_what_nothing_has_signalled(self, image, there):
        recomposition(image)
        move_unseen(image, there)
        assert repairs.run(dry_run=True).counts[Repair.MOVED] == 1
        assert repairs.run().counts[Repair.MOVED] == 1
        assert noted(image) == {there.pk}
        assert repairs.run().counts[Repair.MOVED] == 0

    def test_fills_in_what_was_never_noted(self, image, here):
        recomposition(image)
        Recomposition.objects.update(collection_id=None)
        assert repairs.run().counts[Repair.MOVED] == 1
        assert noted(image) == {here.pk}

    def test_writes_each_rows_own(self, image, here, there):
        other = plain_image(collection=there)
        recomposition(image)
        recomposition(other)
        Recomposition.objects.update(collection_id=None)
        assert image_collection.follow(image_collection.outdated()) == 2
        assert (noted(image), noted(other)) == ({here.pk}, {there.pk})


def test_a_collection_is_deleted_whatever_rows_still_note_it(image, here, there):
    row = recomposition(image)
    move_unseen(image, there)
    here.delete()
    assert Recomposition.objects.get().pk == row.pk
    assert database.primary(get_image_model().objects).get().pk == image.pk
