"""`SOURCE_STORAGE` on S3: the gateway reads a signed address, and nothing is left in the bucket."""

import pytest

from wagtail_smart_resize.editorial import installation
from wagtail_smart_resize.models import GatewayRequest, PipelineState
from wagtail_smart_resize.repair import repairs

from .setups import s3 as on_s3
from .storage_site import answers
from .test_signed_addresses import SIGNED, everything_in_the_database

pytestmark = [
    pytest.mark.storages,
    pytest.mark.django_db(transaction=True),
]
#: The images on S3, too, and elsewhere.
BOTH = pytest.mark.parametrize("setup", ["S3, signed", "without paths"])


@pytest.fixture
def closed_site(storage_site, settings):
    """A site that the gateway can't reach."""
    settings.STORAGES = {**settings.STORAGES, "sources": on_s3("site", querystring_expire=300)}
    storage_site.change(SOURCE_STORAGE="sources", SOURCE_BASE_URL="http://127.0.0.1:9")
    return storage_site


def is_source(call):
    return "/smart_resize/source/" in call.path


def left(site):
    return [name for name in site.s3.names() if name.startswith("smart_resize/source/")]


@BOTH
def test_the_gateway_reads_a_signed_address_that_is_gone_afterwards(closed_site):
    closed_site.go_live()
    assert closed_site.shows(0)
    (body,) = closed_site.gateway.requests
    address = body["image_url"]
    assert address.startswith(f"{closed_site.s3.url}/site/smart_resize/source/")
    assert SIGNED in address
    assert not answers(address)
    assert left(closed_site) == []
    calls = [call.method for call in closed_site.s3.calls if is_source(call) and call.by_site]
    assert calls.count("PUT") == calls.count("DELETE") == 1


@BOTH
def test_the_address_is_kept_nowhere(closed_site):
    closed_site.go_live()
    kept = everything_in_the_database()
    assert "X-Amz" not in kept
    assert "smart_resize/source" not in kept


@BOTH
def test_without_its_signature_nobody_reads_it(closed_site):
    closed_site.gateway.misbehave("never")
    closed_site.want()
    closed_site.run_until(lambda: closed_site.gateway.requests)
    address = closed_site.gateway.requests[0]["image_url"]
    assert answers(address)
    assert not answers(address.partition("?")[0])


@pytest.mark.parametrize(
    ("setup", "how"),
    [("S3, signed", "refused"), ("without paths", "refused"), ("without paths", "away")],
)
def test_a_bucket_that_takes_nothing_sends_nothing_and_all_goes_on_later(closed_site, how):
    closed_site.want()
    trouble = (
        closed_site.s3.refusing(lambda call: call.method == "PUT" and is_source(call))
        if how == "refused"
        else closed_site.s3.away()
    )
    with trouble:
        closed_site.run_until(lambda: PipelineState.peek().circuit_open)
        assert closed_site.gateway.requests == []
        assert PipelineState.peek().circuit_code == "source_storage"
    closed_site.moving_clock.skip(minutes=10)
    closed_site.run_to_end()
    assert closed_site.shows(0)
    assert left(closed_site) == []


@BOTH
def test_what_could_not_be_deleted_the_repair_deletes(closed_site):
    with closed_site.s3.refusing(lambda call: call.method == "DELETE" and is_source(call)):
        closed_site.go_live()
    assert len(left(closed_site)) == 1
    assert repairs.run().failed == 0
    assert left(closed_site) == []
    assert not GatewayRequest.objects.with_source_file().exists()


@BOTH
def test_the_check_of_an_installation_leaves_nothing(closed_site):
    name = "The storage of source pictures"
    (found,) = [each for each in installation.findings() if each.name == name]
    assert str(found.result) == "fine", found
    assert left(closed_site) == []
