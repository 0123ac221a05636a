"""How much is decoded at once."""

import threading

import pytest
from support.waiting import TIMEOUT_SECONDS, RecordingCondition, join, until

from wagtail_smart_resize.imaging.pixel_budget import PixelBudget

pytestmark = pytest.mark.any_version


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
            self.may_end.wait()

    def end(self):
        self.may_end.set()
        join(self)


def test_pictures_that_fit_are_decoded_side_by_side():
    budget = PixelBudget(20)
    first, second = Decoding(budget, 10), Decoding(budget, 10)
    assert first.holds.wait(TIMEOUT_SECONDS)
    assert second.holds.wait(TIMEOUT_SECONDS)
    first.end()
    second.end()


@pytest.mark.parametrize("count", [11, 100], ids=["too much together", "too much by itself"])
def test_what_does_not_fit_waits_for_the_others(count):
    budget = PixelBudget(20)
    budget._changed = RecordingCondition()
    waiting = budget._changed.waited
    first = Decoding(budget, 10)
    assert first.holds.wait(TIMEOUT_SECONDS)
    second = Decoding(budget, count)
    until(lambda: waiting.is_set() or second.holds.is_set(), "the second waits or holds")
    assert not second.holds.is_set()
    first.end()
    assert second.holds.wait(TIMEOUT_SECONDS)
    second.end()


def test_a_decoder_that_fails_holds_nothing_back():
    budget = PixelBudget(20)
    with pytest.raises(ValueError, match="damaged"), budget.hold(20):
        raise ValueError("damaged")
    with budget.hold(20):
        pass
