"""Tests each set-up from the first view to the deletion, over real sockets."""

import pytest

from .setups import SETUPS
from .storage_site import answers, get

pytestmark = [pytest.mark.storages, pytest.mark.django_db(transaction=True)]

every_setup = pytest.mark.parametrize("setup", SETUPS)


@every_setup
def test_a_picture_is_bought_once_and_shown_by_its_address(storage_site):
    assert storage_site.shows_crops()
    crops = storage_site.addresses()
    before = [get(address) for address in crops]
    storage_site.go_live()
    assert storage_site.shows(0)
    assert len(storage_site.gateway.requests) == 1
    assert not set(crops) & set(storage_site.addresses())
    assert [get(address) for address in crops] == before
    assert storage_site.s3.overwritten == []
    assert storage_site.stored() == storage_site.named()


@every_setup
def test_every_choice_is_shown_and_breaks_no_earlier_address(storage_site):
    storage_site.want()
    earlier = [(address, get(address)) for address in storage_site.addresses()]
    storage_site.run_to_end()
    storage_site.ask_again()
    assert len(storage_site.gateway.requests) == 2
    for choice in (1, None, 0, None, 1):
        if choice is None:
            storage_site.use_crop()
            assert storage_site.shows_crops()
        else:
            storage_site.choose(choice)
            assert storage_site.shows(choice)
        earlier += [(address, get(address)) for address in storage_site.addresses()]
        assert all(get(address) == content for address, content in earlier)
    assert len(storage_site.gateway.requests) == 2
    assert storage_site.s3.overwritten == []
    assert storage_site.stored() == storage_site.named()


@every_setup
def test_what_is_over_goes_and_nothing_else_does(storage_site):
    storage_site.want()
    crops = storage_site.addresses()
    storage_site.run_to_end()
    storage_site.ask_again()
    storage_site.choose(1)
    first = storage_site.addresses()
    storage_site.delete_retired()
    assert not any(answers(address) for address in crops)
    assert storage_site.shows(1)
    assert storage_site.stored() == storage_site.named()
    # Deleted files are made again under new names.
    storage_site.use_crop()
    assert storage_site.shows_crops()
    storage_site.delete_retired()
    assert not any(answers(address) for address in first)
    storage_site.choose(1)
    assert storage_site.shows(1)
    assert not {_unsigned(each) for each in storage_site.addresses()} & {
        _unsigned(each) for each in first
    }
    assert storage_site.stored() == storage_site.named()
    storage_site.fresh_image().delete()
    assert storage_site.stored() == []


def _unsigned(address):
    return address.partition("?")[0]


@every_setup
def test_a_warm_page_asks_nothing_of_any_storage(storage_site):
    storage_site.go_live()
    storage_site.page()
    before = len(storage_site.asked_of_storages())
    storage_site.page()
    assert len(storage_site.asked_of_storages()) == before
