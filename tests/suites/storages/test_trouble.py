"""S3 that fails: botocore's errors, which are no OSErrors."""

import datetime as dt

import pytest

from suites.faults.fault_site import open_circuit_code, reserved_outputs
from wagtail_smart_resize.models import GatewayRequest, ImageVersion
from wagtail_smart_resize.publishing import material

pytestmark = [pytest.mark.storages, pytest.mark.django_db(transaction=True)]

#: The least time between passes: an unreadable source is tried each minute, every hour is enough.
STEP = dt.timedelta(hours=1)

SOURCES, RENDITIONS, CANDIDATES = "original_images/", "images/", "smart_resize/"

#: What S3 refuses for a day, the state of the purchase after it, and the POSTs until then.
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


def expect_recovery(storage_site):
    """Let time pass once S3 works again, and expect all to be well without any action."""
    storage_site.run_for(3)
    assert storage_site.shows(0)
    assert len(storage_site.gateway.requests) == 1
    assert reserved_outputs() == 2
    assert list(GatewayRequest.objects.values_list("status", "charged")) == [("done", "yes")]
    # Renditions that could neither be stored nor deleted have rows, which go with the retired ones.
    storage_site.delete_retired()
    assert storage_site.shows(0)
    assert storage_site.stored() == storage_site.named()


@pytest.mark.parametrize("setup", ["S3, overwriting", "S3, not overwriting"])
@pytest.mark.parametrize("trouble", TROUBLES)
def test_the_crop_is_shown_and_all_comes_right_by_itself(storage_site, trouble, monkeypatch):
    methods, folder, purchase, posts = TROUBLES[trouble]
    # Nothing is cut out of candidates when they come: so they are read when they are published.
    monkeypatch.setattr(material, "MAX_PIXELS", 0)
    storage_site.want()
    crops = storage_site.page()
    refused = []

    def is_refused(call):
        hit = call.by_site and call.method in methods and call.path.startswith(f"/site/{folder}")
        refused.extend([call] if hit else [])
        return hit

    with storage_site.s3.refusing(is_refused):
        storage_site.run_for(24, step=STEP)
        assert len(refused) > 1
        assert {row.purchase for row in storage_site.rows()} == {purchase}
        assert len(storage_site.gateway.requests) == posts
        assert open_circuit_code() == ""
        assert not is_live()
        assert storage_site.page() == crops
        assert storage_site.shows_crops()
        storage_site.screen()
    expect_recovery(storage_site)


@pytest.mark.parametrize("setup", ["S3, overwriting"])
@pytest.mark.parametrize("begins", ["before the purchase", "before the flip"])
def test_nobody_answering_at_its_address_is_no_other_trouble(storage_site, begins):
    storage_site.want()
    if begins == "before the flip":
        # Two jobs of a pass: the leases of all polls, and a poll with all but the flip.
        storage_site.run_until(
            lambda: ImageVersion.objects.exclude(publish_due_at=None).exists(), jobs=2
        )
    posts = len(storage_site.gateway.requests)
    crops = storage_site.page()
    with storage_site.s3.away():
        storage_site.run_for(24, step=STEP)
        assert len(storage_site.gateway.requests) == posts
        assert open_circuit_code() == ""
        assert not is_live()
        assert storage_site.page() == crops
        storage_site.screen()
    expect_recovery(storage_site)


@pytest.mark.parametrize("setup", ["S3, overwriting"])
def test_retired_renditions_that_cannot_be_deleted_are_deleted_later(storage_site):
    from wagtail_smart_resize.repair import repairs

    storage_site.go_live()
    repairs.run()
    storage_site.moving_clock.skip(days=8)
    with storage_site.s3.refusing(lambda call: call.method == "DELETE"):
        assert repairs.run().failed == 1
        assert storage_site.shows(0)
    assert repairs.run().failed == 0
    assert storage_site.stored() == storage_site.named()
    specs = storage_site.fresh_image().renditions.filter(filter_spec__startswith="smartresize-")
    assert specs.count() == 2
