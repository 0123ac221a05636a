"""How much is decoded at once."""

import threading

import pytest

from wagtail_smart_resize.pixels import Budget

pytestmark = pytest.mark.any_version

SECONDS = 10


class Decoding(threading.Thread):
    """Holds so many pixels until it is let go."""

    def __init__(self, budget, count):
        super().__init__(daemon=True)
        self.holds, self.may_end = threading.Event(), threading.Event()
        self._budget, self._count = budget, count
        self.start()

    def run(self):
        with self._budget.hold(self._count):
            self.holds.set()
            self.may_end.wait(SECONDS)

    def end(self):
        self.may_end.set()
        self.join(SECONDS)


def test_pictures_that_fit_are_decoded_side_by_side():
    budget = Budget(20)
    first, second = Decoding(budget, 10), Decoding(budget, 10)
    assert first.holds.wait(SECONDS)
    assert second.holds.wait(SECONDS)
    first.end()
    second.end()


@pytest.mark.parametrize("count", [11, 100], ids=["too much together", "too much by itself"])
def test_what_does_not_fit_waits_for_the_others(count):
    budget = Budget(20)
    first = Decoding(budget, 10)
    assert first.holds.wait(SECONDS)
    second = Decoding(budget, count)
    assert not second.holds.wait(0.1)
    first.end()
    assert second.holds.wait(SECONDS)
    second.end()


def test_a_decoder_that_fails_holds_nothing_back():
    budget = Budget(20)
    with pytest.raises(ValueError, match="damaged"), budget.hold(20):
        raise ValueError("damaged")
    with budget.hold(20):
        pass
