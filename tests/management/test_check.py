"""`smart_resize_check`: what it tries, what it says of it, and that it buys and leaves nothing."""

import io

import pytest
from django.core.files.storage import InMemoryStorage
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from support.gateways import answering

from wagtail_smart_resize.models import GatewayRequest, PipelineState
from wagtail_smart_resize.purchasing import source_image
from wagtail_smart_resize.sandbox.responses import Reply

pytestmark = pytest.mark.django_db(transaction=True)

PARTS = [
    "Settings",
    "Tables",
    "The site's address",
    "The service",
    "The renditions' storage",
    "The candidates' storage",
    "Check of results",
    "The runner",
]


def check():
    """Run it; return its exit status, and for each part what it said, with the remedy."""
    out = io.StringIO()
    status = 0
    try:
        call_command("smart_resize_check", stdout=out)
    except SystemExit as end:
        status = end.code
    found, name = {}, ""
    for line in out.getvalue().splitlines():
        result, said = line[:11].strip(), line[12:]
        if result:
            name, _, said = said.partition(": ")
            found[name] = [result, said]
        else:
            found[name].append(said)
    return status, found


@pytest.fixture
def worked(site):
    """A site where everything is as it should be."""
    PipelineState.get_current().update_if(where={}, last_pass_at=timezone.now())
    return site


def test_where_all_is_well_it_says_so_and_buys_nothing(worked):
    status, found = check()
    assert list(found) == PARTS
    assert {result for result, *_ in found.values()} == {"fine"}
    assert status == 0
    assert not GatewayRequest.objects.exists()
    assert worked.gateway.requests == []


SERVICE = [
    ("401", "does not accept the site's key", "API_KEY"),
    ("402", "is used up", "Top up"),
    ("403", "forbids this", "Ask the service"),
    ("405", "nothing that makes AI versions", "BASE_URL"),
    ("500", "out of order", "Wait"),
    ("503", "out of order", "Wait"),
    ("502", "answers can't be read", "really the service"),
    ("reset", "answers can't be read", "really the service"),
]


@pytest.mark.parametrize(("word", "message", "remedy"), SERVICE)
def test_a_service_that_refuses_is_named_with_the_remedy(worked, word, message, remedy):
    worked.gateway.misbehave(word, where="status")
    status, found = check()
    result, said, advice = found["The service"]
    assert (status, result) == (1, "wrong")
    assert message in said
    assert remedy in advice


@pytest.mark.parametrize("path", ["/v2", "/smart-resize", "/smart-resize/v1/more"])
def test_a_wrong_base_address_is_told_from_an_unknown_request(worked, configure, path):
    configure(BASE_URL=worked.gateway.origin + path)
    _status, found = check()
    result, said, advice = found["The service"]
    assert (result, "nothing that makes AI versions" in said) == ("wrong", True)
    assert worked.gateway.origin + path in advice


def test_no_connection_to_the_service(worked, configure):
    configure(BASE_URL="http://127.0.0.1:9/smart-resize/v1")
    _status, found = check()
    assert found["The service"][0] == "wrong"
    assert "can't be reached" in found["The service"][1]


def test_no_key(worked, configure):
    configure(API_KEY="")
    status, found = check()
    assert status == 1
    assert found["The service"][1:] == ["The site has no API key.", "Set API_KEY."]
    assert found["Settings"][0] == "wrong"


PAGE = b"<!doctype html><title>Log in</title>"


@pytest.mark.parametrize("status", [200, 400, 404])
def test_another_site_at_the_service_s_address(worked, configure, status):
    with answering(Reply(status, PAGE, "text/html")) as other:
        configure(BASE_URL=other.origin + "/smart-resize/v1")
        _status, found = check()
    result, said, _advice = found["The service"]
    assert result == "wrong"
    assert "answers can't be read" in said or "nothing that makes AI versions" in said


@pytest.mark.parametrize(
    ("reply", "word"),
    [
        (Reply(403, b"no", "text/plain"), "the status 403"),
        (Reply(404, b"no", "text/plain"), "the status 404"),
        (Reply(200, PAGE, "text/html"), "a web page"),
        (Reply(200, b"another picture", "image/png"), "something else than this site"),
    ],
    ids=["403", "404", "log-in", "another site"],
)
def test_an_address_that_gives_something_else(worked, configure, reply, word):
    with answering(reply) as other:
        configure(SOURCE_BASE_URL=other.origin)
        status, found = check()
    result, said, *_ = found["The site's address"]
    assert (status, result) == (1, "wrong")
    assert word in said


def test_an_address_that_this_machine_can_t_reach_may_be_open_all_the_same(worked, configure):
    configure(SOURCE_BASE_URL="http://127.0.0.1:9")
    status, found = check()
    result, _said, advice = found["The site's address"]
    assert (status, result) == (0, "can't tell")
    assert "http://127.0.0.1:9/" in advice


def test_the_test_s_address_shows_a_picture_of_nothing_for_ten_minutes(worked, moving_clock):
    token = source_image.test_url().rpartition("/source/")[2].strip("/")
    assert source_image.is_test(token)
    assert not source_image.is_test("forged")
    path = source_image.test_url().replace(worked.url, "")
    answer = Client().get(path)
    assert (answer["Content-Type"], answer.content) == ("image/png", source_image.TEST_PICTURE)
    assert answer["Cache-Control"] == "no-store, private"


class Broken(InMemoryStorage):
    """A storage that fails one of its methods."""

    def __init__(self, method):
        super().__init__()
        setattr(self, method, self._fail)

    def _fail(self, *args, **kwargs):
        raise PermissionError("access denied")


@pytest.mark.parametrize(
    ("method", "word"), [("_save", "write"), ("_open", "read"), ("delete", "delete")]
)
def test_a_storage_that_fails_is_named_with_what_it_can_t_do(worked, configure, method, word):
    configure(CANDIDATE_STORAGE=Broken(method))
    status, found = check()
    result, said, *_ = found["The candidates' storage"]
    assert (status, result) == (1, "wrong")
    assert f"It can't {word} a file" in said
    assert "access denied" in said
    assert found["The renditions' storage"][0] == "fine"


def test_what_it_writes_is_deleted(worked, configure):
    storage = InMemoryStorage()
    configure(CANDIDATE_STORAGE=storage)
    check()
    assert storage.listdir("smart_resize")[1] == []


@pytest.mark.parametrize(
    ("runner", "result", "word"),
    [("off", "wrong", "smart_resize_worker"), ("thread", "can't tell", "open a page")],
)
def test_a_runner_that_was_never_at_work(site, configure, runner, result, word):
    configure(RUNNER=runner)
    _status, found = check()
    assert found["The runner"][0] == result
    assert word in found["The runner"][2]


def test_settings_that_can_t_be_used_end_it_with_what_to_write(site, configure):
    configure(CANDIDATES=0)
    status, found = check()
    assert (status, list(found)) == (1, ["Settings"])
    assert "CANDIDATES" in found["Settings"][1]
