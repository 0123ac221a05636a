"""However long a storage takes: nobody else waits for a lock of ours meanwhile."""

import pytest

from .backends import Remote

pytestmark = [
    pytest.mark.storages,
    pytest.mark.django_db(transaction=True),
    pytest.mark.parametrize("setup", ["slow", "without paths"]),
]


@pytest.fixture
def asked(stage):
    """Gives what was asked of the storage since it was called last, in a transaction or not."""

    def since():
        notes = list(Remote.notes)
        Remote.notes.clear()
        return notes

    since()
    return since


def names(notes, operation):
    return [note.name for note in notes if note.operation == operation]


def in_transaction(notes):
    return [note for note in notes if note.in_transaction]


def test_no_transaction_is_open_while_a_storage_works_for_us(stage, asked):
    stage.want()
    asked()
    stage.go_on()
    bought = asked()
    assert [name for name in names(bought, "save") if name.startswith("smart_resize/")]
    assert [name for name in names(bought, "save") if name.startswith("images/")]
    assert names(bought, "open")
    stage.ask_again()
    stage.choose(1)
    stage.use_crop()
    stage.choose(0)
    stage.let_retire()
    chosen = asked()
    assert names(chosen, "delete")
    stage.fresh_image().delete()
    deleted = asked()
    assert [name for name in names(deleted, "delete") if name.startswith("smart_resize/")]
    assert in_transaction(bought + chosen + deleted) == []


def test_pages_and_screens_hold_none_but_where_wagtail_stores_a_rendition(stage, asked):
    """Wagtail saves the row of a rendition that nobody has asked for before, its file with it."""
    stage.want()
    stage.go_on()
    stage.page()
    asked()
    stage.fresh_image().renditions.all().delete()
    asked()
    stage.page()
    stage.screen()
    notes = asked()
    assert names(notes, "save")
    by_wagtail = {(note.operation, note.name) for note in in_transaction(notes)}
    assert {operation for operation, _name in by_wagtail} <= {"save", "exists"}
    assert all(name.startswith("images/") for _operation, name in by_wagtail)
