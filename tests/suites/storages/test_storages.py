"""Each set-up from the first view to the deletion, over real sockets."""

import pytest

from .setups import SETUPS
from .stage import answers, get

pytestmark = [pytest.mark.storages, pytest.mark.django_db(transaction=True)]

every_setup = pytest.mark.parametrize("setup", SETUPS)


@every_setup
def test_a_picture_is_bought_once_and_shown_by_its_address(stage):
    assert stage.shows_crops()
    crops = stage.addresses()
    before = [get(address) for address in crops]
    stage.go_live()
    assert stage.shows(0)
    assert len(stage.gateway.requests) == 1
    assert not set(crops) & set(stage.addresses())
    assert [get(address) for address in crops] == before
    assert stage.s3.overwritten == []
    assert stage.stored() == stage.named()


@every_setup
def test_every_choice_is_shown_and_breaks_no_earlier_address(stage):
    stage.want()
    earlier = [(address, get(address)) for address in stage.addresses()]
    stage.go_on()
    stage.ask_again()
    assert len(stage.gateway.requests) == 2
    for choice in (1, None, 0, None, 1):
        if choice is None:
            stage.use_crop()
            assert stage.shows_crops()
        else:
            stage.choose(choice)
            assert stage.shows(choice)
        earlier += [(address, get(address)) for address in stage.addresses()]
        assert all(get(address) == content for address, content in earlier)
    assert len(stage.gateway.requests) == 2
    assert stage.s3.overwritten == []
    assert stage.stored() == stage.named()


@every_setup
def test_what_is_over_goes_and_nothing_else_does(stage):
    stage.want()
    crops = stage.addresses()
    stage.go_on()
    stage.ask_again()
    stage.choose(1)
    first = stage.addresses()
    stage.let_retire()
    assert not any(answers(address) for address in crops)
    assert stage.shows(1)
    assert stage.stored() == stage.named()
    # What was deleted comes back under new names.
    stage.use_crop()
    assert stage.shows_crops()
    stage.let_retire()
    assert not any(answers(address) for address in first)
    stage.choose(1)
    assert stage.shows(1)
    assert not {_unsigned(each) for each in stage.addresses()} & {_unsigned(each) for each in first}
    assert stage.stored() == stage.named()
    stage.fresh_image().delete()
    assert stage.stored() == []


def _unsigned(address):
    return address.partition("?")[0]


@every_setup
def test_a_warm_page_asks_nothing_of_any_storage(stage):
    stage.go_live()
    stage.page()
    before = len(stage.asked_of_storages())
    stage.page()
    assert len(stage.asked_of_storages()) == before
