"""Both forms of a repair, for the tests of what it finds."""

from functools import partial

import pytest

from wagtail_smart_resize.repair import looks, repairs


@pytest.fixture(params=["whole", "short"])
def form(request, monkeypatch, db):
    """Make each run read all there is, or only what may have changed.

    The short form reads no part of the rest here, which would be all that a test has. A test that
    is marked `whole_reading_alone` must fail in it.
    """
    if request.param == "whole":
        monkeypatch.setattr(repairs, "run", partial(repairs.run, whole=True))
        return request.param
    repairs.run()
    monkeypatch.setattr(looks, "PART", 0)
    if alone := request.node.get_closest_marker("whole_reading_alone"):
        request.applymarker(pytest.mark.xfail(strict=True, reason=alone.args[0]))
    return request.param
