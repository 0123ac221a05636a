"""S3 in trouble: botocore's errors, which are no OSErrors."""

import datetime as dt

import pytest

from suites.faults.stage import circuit, held
from wagtail_smart_resize.models import GatewayRequest, ImageVersion

pytestmark = [pytest.mark.storages, pytest.mark.django_db(transaction=True)]

#: A source that can't be read is tried each minute; a pass every hour will do.
STEP = dt.timedelta(hours=1)

SOURCES, RENDITIONS, CANDIDATES = "original_images/", "images/", "smart_resize/"

#: What S3 refuses for a day, in which state the purchase is at its end, and the POSTs by then.
TROUBLES = {
    "the source can't be read": ({"HEAD", "GET"}, SOURCES, "wanted", 0),
    "candidates can't be stored": ({"PUT"}, CANDIDATES, "requested", 1),
    "nothing can be stored": ({"PUT", "DELETE"}, "", "requested", 1),
    "candidates can't be read": ({"GET"}, CANDIDATES, "idle", 1),
    "renditions can't be stored": ({"PUT"}, RENDITIONS, "idle", 1),
    "renditions can't be stored or deleted": ({"PUT", "DELETE"}, RENDITIONS, "idle", 1),
}


def is_live():
    versions = ImageVersion.objects.filter(publish_due_at=None)
    return any(version.live for version in versions)


def come_back(stage):
    """All is well again: nobody does anything, and time passes."""
    stage.live_through(3)
    assert stage.shows(0)
    assert len(stage.gateway.requests) == 1
    assert held() == 2
    assert list(GatewayRequest.objects.values_list("status", "charged")) == [("done", "yes")]
    # Rows of renditions that could neither be stored nor deleted go with those that are retired.
    stage.let_retire()
    assert stage.shows(0)
    assert stage.stored() == stage.named()


@pytest.mark.parametrize("setup", ["S3, overwriting", "S3, not overwriting"])
@pytest.mark.parametrize("trouble", TROUBLES)
def test_the_crop_is_shown_and_all_comes_right_by_itself(stage, trouble):
    methods, folder, purchase, posts = TROUBLES[trouble]
    stage.want()
    crops = stage.page()
    refused = []

    def is_refused(call):
        hit = call.by_site and call.method in methods and call.path.startswith(f"/site/{folder}")
        refused.extend([call] if hit else [])
        return hit

    with stage.s3.refusing(is_refused):
        stage.live_through(24, step=STEP)
        assert len(refused) > 1
        assert {row.purchase for row in stage.rows()} == {purchase}
        assert len(stage.gateway.requests) == posts
        assert circuit() == ""
        assert not is_live()
        assert stage.page() == crops
        assert stage.shows_crops()
        stage.screen()
    come_back(stage)


@pytest.mark.parametrize("setup", ["S3, overwriting"])
@pytest.mark.parametrize("begins", ["before the purchase", "before the flip"])
def test_nobody_answering_at_its_address_is_no_other_trouble(stage, begins):
    stage.want()
    if begins == "before the flip":
        stage.go_on_until(
            lambda: ImageVersion.objects.exclude(publish_due_at=None).exists(), jobs=1
        )
    posts = len(stage.gateway.requests)
    crops = stage.page()
    with stage.s3.away():
        stage.live_through(24, step=STEP)
        assert len(stage.gateway.requests) == posts
        assert circuit() == ""
        assert not is_live()
        assert stage.page() == crops
        stage.screen()
    come_back(stage)


@pytest.mark.parametrize("setup", ["S3, overwriting"])
def test_retired_renditions_that_cannot_be_deleted_are_deleted_later(stage):
    from wagtail_smart_resize.repair import repairs

    stage.go_live()
    repairs.run()
    stage.clock.skip(days=8)
    with stage.s3.refusing(lambda call: call.method == "DELETE"):
        assert repairs.run().failed == 1
        assert stage.shows(0)
    assert repairs.run().failed == 0
    assert stage.stored() == stage.named()
    specs = stage.fresh_image().renditions.filter(filter_spec__startswith="smartresize-")
    assert specs.count() == 2
