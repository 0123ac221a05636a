"""No other process waits for a lock of ours while a storage works, however long it takes."""

import pytest

from .backends import RemoteStorage

pytestmark = [
    pytest.mark.storages,
    pytest.mark.django_db(transaction=True),
    pytest.mark.parametrize("setup", ["slow", "without paths"]),
]


@pytest.fixture
def asked(storage_site):
    """Return a function that gives the storage's calls since its last call, in a transaction or
    not."""

    def since():
        calls = list(RemoteStorage.calls)
        RemoteStorage.calls.clear()
        return calls

    since()
    return since


def names(calls, operation):
    return [call.name for call in calls if call.operation == operation]


def in_transaction(calls):
    return [call for call in calls if call.in_transaction]


def test_no_transaction_is_open_while_a_storage_works_for_us(storage_site, asked):
    storage_site.want()
    asked()
    storage_site.run_to_end()
    bought = asked()
    assert [name for name in names(bought, "save") if name.startswith("smart_resize/")]
    assert [name for name in names(bought, "save") if name.startswith("images/")]
    assert names(bought, "open")
    storage_site.ask_again()
    storage_site.choose(1)
    storage_site.use_crop()
    storage_site.choose(0)
    storage_site.delete_retired()
    chosen = asked()
    assert names(chosen, "delete")
    storage_site.fresh_image().delete()
    deleted = asked()
    assert [name for name in names(deleted, "delete") if name.startswith("smart_resize/")]
    assert in_transaction(bought + chosen + deleted) == []


def test_pages_and_screens_hold_none_but_where_wagtail_stores_a_rendition(storage_site, asked):
    """Wagtail stores the file of a new rendition in the transaction in which it saves the row."""
    storage_site.want()
    storage_site.run_to_end()
    storage_site.page()
    asked()
    storage_site.fresh_image().renditions.all().delete()
    asked()
    storage_site.page()
    storage_site.screen()
    calls = asked()
    assert names(calls, "save")
    by_wagtail = {(call.operation, call.name) for call in in_transaction(calls)}
    assert {operation for operation, _name in by_wagtail} <= {"save", "exists"}
    assert all(name.startswith("images/") for _operation, name in by_wagtail)
