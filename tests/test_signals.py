"""What a site hears of, once each, and only of what was committed."""

import pytest
from django.db import transaction
from support.factories import candidate, plain_image, recomposition
from support.people import make_people

from wagtail_smart_resize import signals
from wagtail_smart_resize.core.sizes import Slot
from wagtail_smart_resize.purchasing import demand

pytestmark = pytest.mark.django_db(transaction=True)


class Ears:
    """Record what is heard, by the signal's name."""

    def __init__(self):
        self.heard = []
        self.receivers = {name: self._receiver(name) for name in NAMES}

    def _receiver(self, name):
        def receive(sender, **kwargs):
            self.heard.append((name, kwargs["recomposition"].pk))

        return receive


NAMES = ("recomposition_wanted", "recomposition_declined", "recomposition_failed")


@pytest.fixture
def ears():
    ears = Ears()
    for name, receive in ears.receivers.items():
        getattr(signals, name).connect(receive)
    yield ears
    for name, receive in ears.receivers.items():
        getattr(signals, name).disconnect(receive)


def want(image, *slots):
    return demand.record_demand(image, [Slot.parse(slot) for slot in slots], "", by="template")


def test_a_shape_is_wanted_once(ears):
    image = plain_image()
    square, wide = want(image, "200x200", "400x200")
    want(image, "300x300", "400x200")
    assert ears.heard == [("recomposition_wanted", square.pk), ("recomposition_wanted", wide.pk)]


def test_another_image_wants_it_anew(ears):
    for _ in range(2):
        want(plain_image(), "200x200")
    assert [name for name, _pk in ears.heard] == ["recomposition_wanted"] * 2


def test_a_decision_for_the_crop_is_heard_and_one_for_a_picture_is_not(ears):
    people = make_people()
    declined, chosen = recomposition(plain_image()), recomposition(plain_image())
    candidate(declined)
    chosen.choose(candidate(chosen), people.superuser)
    declined.choose(None, people.superuser)
    assert ears.heard == [("recomposition_declined", declined.pk)]


def test_a_purchase_fails_once(ears):
    row = recomposition(plain_image())
    assert row.fail("failed", "why")
    assert not row.fail("failed", "why")
    assert ears.heard == [("recomposition_failed", row.pk)]


def test_what_is_rolled_back_is_not_heard(ears):
    image, row = plain_image(), recomposition(plain_image())
    with transaction.atomic():
        want(image, "200x200")
        row.choose(None, None)
        assert ears.heard == []
        transaction.set_rollback(True)
    assert ears.heard == []


def test_a_listener_that_raises_stops_nothing(ears):
    def stumble(sender, **kwargs):
        raise RuntimeError("a site's mistake")

    for name in NAMES:
        getattr(signals, name).connect(stumble)
    try:
        (row,) = want(plain_image(), "200x200")
        row.choose(None, None)
    finally:
        for name in NAMES:
            getattr(signals, name).disconnect(stumble)
    assert [name for name, _pk in ears.heard] == ["recomposition_wanted", "recomposition_declined"]
    row.refresh_from_db()
    assert row.decision == "crop"
