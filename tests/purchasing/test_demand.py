"""Wants: noted in memory, written after the response, and only ever added to."""

import io
import threading

import pytest
from django.core.files.images import ImageFile
from django.db import DatabaseError, IntegrityError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from support.factories import live, plain_image, uploaded
from support.purchases import Purchase, again, only
from support.waiting import join

from wagtail_smart_resize.core.sizes import Slot
from wagtail_smart_resize.models import ImageVersion, Recomposition
from wagtail_smart_resize.previews import as_preview
from wagtail_smart_resize.purchasing import demand
from wagtail_smart_resize.renditions import demand_notes
from wagtail_smart_resize.renditions.demand_notes import DemandNote, DemandNotes, NotedAs
from wagtail_smart_resize.signals import recomposition_wanted

pytestmark = pytest.mark.django_db


@pytest.fixture
def image():
    return plain_image()


def note(image, *slots, recipe="", preview=False):
    for slot in slots:
        demand_notes.note_demand(image.pk, slot, recipe, preview)


def written(image, *slots, **kwargs):
    note(image, *slots, **kwargs)
    demand.write_noted_demand()
    return only(Recomposition)


def test_what_was_noted_becomes_a_row_for_the_image_s_file(image):
    row = written(image, "200x200-c50", "100x100")
    assert (row.image, row.source_hash, row.recipe) == (image, image.file_hash, "")
    assert (row.purchase, row.wanted_by, row.rules_overridden) == (
        Purchase.WANTED,
        "template",
        False,
    )
    assert sorted(row.slots) == ["100x100", "200x200-c50"]


def test_a_row_is_due_when_the_page_s_other_shapes_have_had_time_to_come(image, frozen_time):
    row = written(image, "200x200")
    assert 0 < (row.next_attempt_at - timezone.now()).total_seconds() <= 2


def test_shapes_and_recipes_have_rows_of_their_own(image):
    note(image, "200x200", "200x100")
    note(image, "200x200", recipe="portrait")
    demand.write_noted_demand()
    assert Recomposition.objects.count() == 3


def test_what_is_written_is_noted_no_longer(image):
    note(image, "200x200")
    assert demand.write_noted_demand() is True
    assert not demand_notes.notes
    assert demand.write_noted_demand() is False


@pytest.mark.parametrize("setting", [{"API_KEY": ""}, {"AUTO_GENERATE": False}])
def test_nothing_is_noted_where_nothing_would_be_bought(image, settings, setting):
    settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, **setting}
    note(image, "200x200")
    assert not demand_notes.notes


STATES = [Purchase.IDLE, Purchase.REQUESTED, Purchase.FAILED, Purchase.WANTED]


@pytest.mark.parametrize("state", STATES)
def test_wanting_again_resets_nothing(image, state):
    row = written(image, "200x200")
    row.update_if(
        where={}, purchase=state, attempts=3, next_attempt_at=None, failure_code="http_400"
    )
    row = written(image, "200x200", "100x100")
    assert (row.purchase, row.attempts, row.next_attempt_at) == (state, 3, None)
    assert (row.failure_code, row.slots) == ("http_400", ["200x200", "100x100"])


def test_a_larger_slot_makes_what_waits_due(image):
    row = written(image, "20x20")
    row.wait("small_slot", None)
    row = written(image, "200x200")
    assert row.next_attempt_at is not None


def test_the_same_slot_makes_nothing_due(image):
    row = written(image, "200x200")
    row.wait("private", None)
    assert written(image, "200x200").next_attempt_at is None


def test_a_preview_s_want_says_so(image):
    assert written(image, "200x200", preview=True).wanted_by == "preview"


@pytest.mark.parametrize("order", [(True, False), (False, True)])
def test_what_a_template_and_a_preview_want_is_the_template_s(image, order):
    for preview in order:
        row = written(image, "200x200", preview=preview)
    assert row.wanted_by == "template"


@pytest.mark.parametrize("order", [(True, False), (False, True)])
def test_a_want_noted_by_both_before_it_is_written_is_the_template_s(image, order):
    for preview in order:
        note(image, "200x200", preview=preview)
    demand.write_noted_demand()
    assert only(Recomposition).wanted_by == "template"


def test_a_preview_does_not_take_a_want_from_a_person(image):
    demand.record_demand(image, [Slot.parse("200x200")], "", by="person")
    assert written(image, "100x100", preview=True).wanted_by == "person"


# Images that are not there (yet)


def test_a_want_of_an_image_that_is_not_visible_yet_stays_noted(image):
    note(image, "200x200")
    demand_notes.note_demand(987654, "200x200", "")
    demand.write_noted_demand()
    assert Recomposition.objects.count() == 1
    assert [want.image_id for want in demand_notes.notes.take()[0]] == [987654]


def test_it_is_written_once_the_image_is_visible(image):
    pk = image.pk + 1000
    demand_notes.note_demand(pk, "200x200", "")
    demand.write_noted_demand()
    assert Recomposition.objects.count() == 0
    plain_image(pk=pk)
    demand.write_noted_demand()
    assert only(Recomposition).image_id == pk


def test_it_is_forgotten_when_the_image_does_not_come(monkeypatch):
    demand_notes.note_demand(987654, "200x200", "")
    monkeypatch.setattr(DemandNotes, "MAX_WAIT_SECONDS", -1.0)
    demand.write_noted_demand()
    assert not demand_notes.notes


# The set


def test_the_set_is_bounded(monkeypatch):
    monkeypatch.setattr(DemandNotes, "MAX_NOTES", 3)
    notes = DemandNotes()
    for number in range(5):
        notes.add(DemandNote(number, "200x200", ""), NotedAs(0.0, False))
        notes.add_damage(number)
    assert [len(part) for part in notes.take()] == [3, 3]


def test_what_is_known_is_still_updated_when_the_set_is_full(monkeypatch):
    monkeypatch.setattr(DemandNotes, "MAX_NOTES", 1)
    notes = DemandNotes()
    notes.add(DemandNote(1, "200x200", ""), NotedAs(5.0, True))
    notes.add(DemandNote(1, "200x200", ""), NotedAs(9.0, False))
    assert notes.take()[0] == {DemandNote(1, "200x200", ""): NotedAs(5.0, False)}


def test_no_note_is_lost_between_threads():
    notes, taken = DemandNotes(), []

    def work(number):
        for each in range(200):
            notes.add(DemandNote((number, each), "200x200", ""), NotedAs(0.0, False))
            if each % 50 == 0:
                taken.extend(notes.take()[0])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    join(*threads)
    assert len({*taken, *notes.take()[0]}) == 800


# The database


@pytest.mark.django_db(transaction=True)
def test_a_database_in_trouble_loses_no_want(image):
    def refuse(execute, sql, params, many, context):
        raise DatabaseError("gone for a while")

    note(image, "200x200")
    demand_notes.note_damage(image.pk)
    with connection.execute_wrapper(refuse):
        assert demand.write_noted_demand() is False
    assert demand.write_noted_demand() is True
    assert Recomposition.objects.count() == 1


def test_damage_makes_a_flip_due(image):
    live(image, "200x200")
    demand_notes.note_damage(image.pk)
    demand.write_noted_demand()
    version = ImageVersion.objects.get(pk=image.pk)
    assert version.damage_noted_at is not None
    assert version.publish_due_at is not None


def test_slots_that_are_known_cost_one_query_for_all(image, django_assert_num_queries):
    slots = [Slot.parse(f"{width}x100") for width in (100, 200, 300, 400)]
    demand.record_demand(image, slots, "", by="template")
    with django_assert_num_queries(1):
        rows = demand.record_demand(image, slots, "", by="template")
    assert len(rows) == 4


def test_a_slot_is_added_to_what_the_row_says_now(image):
    """Two processes that add a slot each lose none of them."""
    row = written(image, "200x200")
    stale = again(row)
    demand.record_demand(image, [Slot.parse("100x100")], "", by="template")
    demand._add_slots(stale, [Slot.parse("150x150")], "template", [])
    assert again(row).slots == ["200x200", "100x100", "150x150"]


def test_rows_are_returned_once_each_in_the_order_of_the_slots(image):
    slots = [Slot.parse(text) for text in ("200x100", "200x200", "100x100")]
    rows = demand.record_demand(image, slots, "", by="person")
    assert [str(row.shape) for row in rows] == ["2.000", "1.000"]


def test_many_shapes_cost_a_few_queries(image):
    slots = [f"{width}x100" for width in range(100, 400)]
    note(image, *slots)
    with CaptureQueriesContext(connection) as queries:
        demand.write_noted_demand()
    assert Recomposition.objects.count() == 300
    assert len(queries) < 20


def test_each_new_row_is_told_of_once(image, django_capture_on_commit_callbacks):
    told = []

    def hear(recomposition, **_kwargs):
        told.append((recomposition.pk, recomposition.shape))

    recomposition_wanted.connect(hear)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            note(image, "200x200", "100x100", "200x100")
            demand.write_noted_demand()
            demand.write_noted_demand()
    finally:
        recomposition_wanted.disconnect(hear)
    assert sorted(told) == sorted(Recomposition.objects.values_list("pk", "shape"))


def test_a_row_that_another_process_has_just_written_is_used(image, monkeypatch):
    ours = [Slot.parse(text) for text in ("200x200", "200x100")]
    theirs = demand._new_row(image, [Slot.parse("100x100")], "", "template", None, [])
    create = demand._create_rows

    def overtaken(image, rows):
        theirs.save()
        return create(image, rows)

    monkeypatch.setattr(demand, "_create_rows", overtaken)
    square, wide = demand.record_demand(image, ours, "", by="template")
    assert (square.pk, again(square).slots) == (theirs.pk, ["100x100", "200x200"])
    assert Recomposition.objects.count() == 2
    assert wide.slots == ["200x100"]


def test_what_the_database_refuses_stops_no_other(image, monkeypatch, caplog):
    other = plain_image()
    record = demand.record_demand

    def refuse_one(of, *args, **kwargs):
        if of.pk == image.pk:
            raise IntegrityError("no such image")
        return record(of, *args, **kwargs)

    monkeypatch.setattr(demand, "record_demand", refuse_one)
    note(image, "200x200")
    note(other, "200x200")
    assert demand.write_noted_demand()
    assert only(Recomposition).image == other
    assert not demand_notes.notes
    assert f"wanted of image {image.pk}" in caplog.text


def test_an_svg_in_a_preview_is_not_wanted_where_several_renditions_are_made():
    """By either way that Wagtail makes them."""
    content = b'<svg xmlns="http://www.w3.org/2000/svg" width="800" height="600"/>'
    drawing = uploaded(title="Drawing", file=ImageFile(io.BytesIO(content), name="drawing.svg"))
    with as_preview():
        drawing.get_renditions("smartresize-200x100", "smartresize-100x100")
        drawing.get_rendition("smartresize-100x200")
    demand.write_noted_demand()
    assert not Recomposition.objects.exists()
