"""`SOURCE_STORAGE`: the service fetches from a storage of the site, and nothing is left there."""

import datetime as dt
import io
import re

import pytest
import requests
from django.core.files.storage import InMemoryStorage
from django.core.management import call_command
from django.utils import timezone
from PIL import Image
from support.commands import status
from support.factories import photo, plain_image
from support.gateways import answering
from support.purchases import again, only, want
from support.waiting import TIMEOUT_SECONDS
from wagtail.models import CollectionViewRestriction

from wagtail_smart_resize import actions
from wagtail_smart_resize.checks import check_site
from wagtail_smart_resize.editorial import installation
from wagtail_smart_resize.exceptions import SourceUnavailable
from wagtail_smart_resize.models import GatewayRequest, OptOut, PipelineState
from wagtail_smart_resize.purchasing import source_image, submission
from wagtail_smart_resize.repair import repairs
from wagtail_smart_resize.sandbox.responses import Reply

pytestmark = pytest.mark.django_db(transaction=True)

Status = GatewayRequest.Status
NAME = re.compile(r"smart_resize/source/[\w-]{32}\.(jpg|png)")


class OnTheNetwork(InMemoryStorage):
    """A storage whose files can be had over a real socket, and which fails as a test likes."""

    def __init__(self, origin):
        super().__init__(base_url=f"{origin}/")
        self.saved = []
        self.deleted = []
        self.fails = set()

    def save(self, name, content, max_length=None):
        if "save" in self.fails:
            raise RuntimeError("AccessDenied when calling PutObject")
        saved = super().save(name, content, max_length)
        self.saved.append(saved)
        return saved

    def delete(self, name):
        if "delete" in self.fails:
            raise RuntimeError("AccessDenied when calling DeleteObject")
        super().delete(name)
        self.deleted.append(name)

    def url(self, name):
        return f"{super().url(name)}?Signature=secret"

    @property
    def names(self):
        return sorted(set(self.saved) - set(self.deleted))

    def answer(self, path):
        name = path.partition("?")[0].lstrip("/")
        if not path.endswith("Signature=secret") or not self.exists(name):
            return Reply(403, b"<Error/>", "application/xml")
        kind = "image/png" if name.endswith(".png") else "image/jpeg"
        with self.open(name) as file:
            return Reply(200, file.read(), kind)


@pytest.fixture
def bucket(gateway, configure):
    """The site has such a storage, and an address that nobody can reach."""
    with answering(lambda method, path: storage.answer(path)) as server:
        storage = OnTheNetwork(server.origin)
        configure(SOURCE_STORAGE=storage, SOURCE_BASE_URL="http://127.0.0.1:9")
        yield storage


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr("wagtail_smart_resize.purchasing.demand.GATHERING_TIME", dt.timedelta(0))


def is_ours(logger):
    return logger.startswith("wagtail_smart_resize") and ".sandbox" not in logger


def sent(gateway):
    return [body["image_url"] for body in gateway.requests]


class TestOnePurchase:
    def test_is_made_from_a_picture_in_the_storage_which_is_deleted(self, bucket, gateway, run):
        (row,) = want(photo(), "200x200")
        run()
        assert again(row).live_id
        (address,) = sent(gateway)
        (name,) = bucket.saved
        assert address == bucket.url(name)
        assert NAME.fullmatch(name)
        assert bucket.deleted == [name]
        assert requests.get(address, timeout=TIMEOUT_SECONDS).status_code == 403
        assert only(GatewayRequest).source_file == ""

    def test_sends_what_the_site_itself_would_show(self, bucket, gateway, run):
        gateway.misbehave("never")
        image = photo()
        want(image, "200x200")
        run(1)
        got = requests.get(*sent(gateway), timeout=TIMEOUT_SECONDS)
        assert got.headers["Content-Type"] == "image/jpeg"
        shown = source_image.source_picture(image)
        assert got.content == shown.content
        with Image.open(io.BytesIO(got.content)) as opened:
            assert not opened.getexif()
            assert "xmp" not in opened.info

    def test_each_has_a_name_of_its_own(self, bucket, gateway, run):
        for _ in range(3):
            want(plain_image(), "200x200")
        run()
        assert len(set(bucket.saved)) == 3
        assert all(NAME.fullmatch(name) for name in bucket.saved)
        assert bucket.names == []

    def test_needs_no_address_and_no_urls_of_the_site(self, bucket, gateway, run, settings):
        settings.WAGTAILADMIN_BASE_URL = None
        settings.WAGTAIL_SMART_RESIZE = {
            **settings.WAGTAIL_SMART_RESIZE,
            "SOURCE_BASE_URL": None,
        }
        (row,) = want(plain_image(), "200x200")
        run()
        assert again(row).live_id

    def test_a_name_that_the_storage_changed_is_the_one_deleted(
        self, bucket, gateway, run, monkeypatch
    ):
        monkeypatch.setattr(
            OnTheNetwork, "get_available_name", lambda self, name, max_length: f"other/{name}"
        )
        want(plain_image(), "200x200")
        run()
        assert bucket.deleted == [f"other/{NAME.search(bucket.saved[0])[0]}"]

    def test_its_address_is_kept_nowhere(self, bucket, gateway, run, caplog):
        caplog.set_level("DEBUG")
        gateway.misbehave("400", times=1)
        want(plain_image(), "200x200")
        run()
        want(plain_image(), "200x200")
        run()
        rows = str(list(GatewayRequest.objects.values()))
        state = str(list(PipelineState.objects.values()))
        ours = "".join(each.getMessage() for each in caplog.records if is_ours(each.name))
        for name in bucket.saved:
            assert name not in rows + state + ours
        assert "Signature" not in rows + state + ours


ENDS = ["FAILED", "empty", "svg", "400", "401", "402", "429", "500", "503", "reset", "html"]


@pytest.mark.parametrize("word", ENDS)
def test_nothing_is_left_whatever_becomes_of_the_request(bucket, gateway, run, word):
    gateway.misbehave(word)
    want(plain_image(), "200x200")
    run(3)
    assert sent(gateway)
    assert bucket.saved
    assert bucket.names == []
    assert not GatewayRequest.objects.with_source_file().exists()


def test_nothing_is_left_of_what_is_not_sent_today(bucket, gateway, run, monkeypatch):
    """The budget of the day of the POST is held last, when the picture lies there already."""

    def refuse(request):
        request.release(next_step_at=timezone.now() + dt.timedelta(hours=12))
        return False

    monkeypatch.setattr(submission, "_hold_budget", refuse)
    want(plain_image(), "200x200")
    run(1)
    assert sent(gateway) == []
    assert len(bucket.saved) == 1
    assert bucket.names == []


def make_private(image):
    CollectionViewRestriction.objects.create(
        collection=image.collection, restriction_type=CollectionViewRestriction.LOGIN
    )


def opt_out(image):
    OptOut.objects.create(image=image)


def replace(image):
    other = plain_image()
    type(image).objects.filter(pk=image.pk).update(file=other.file, file_hash=other.file_hash)


def delete(image):
    image.delete()


@pytest.mark.security("Source addresses that have expired")
@pytest.mark.parametrize("change", [make_private, opt_out, replace, delete])
def test_the_picture_goes_once_it_may_not_be_sent_any_more(bucket, gateway, run, people, change):
    gateway.misbehave("never")
    image = plain_image(collection=people.here)
    want(image, "200x200")
    run(1)
    (address,) = sent(gateway)
    run(1)
    assert requests.get(address, timeout=TIMEOUT_SECONDS).status_code == 200
    change(image)
    run(1)
    assert requests.get(address, timeout=TIMEOUT_SECONDS).status_code == 403
    assert bucket.names == []


@pytest.mark.security("Images that must stay on the site")
@pytest.mark.parametrize("change", [make_private, opt_out])
def test_and_what_must_stay_is_never_put_there(bucket, gateway, run, people, change):
    image = plain_image(collection=people.here)
    want(image, "200x200")
    change(image)
    run()
    assert bucket.saved == []


class TestAStorageThatFails:
    def test_stops_the_buying_with_its_own_words_and_goes_on_by_itself(
        self, bucket, gateway, run, moving_clock
    ):
        bucket.fails = {"save"}
        (row,) = want(plain_image(), "200x200")
        run()
        assert sent(gateway) == []
        code, said = status()
        assert code == 2
        assert "can't be put where the service fetches it" in said
        assert "AccessDenied when calling PutObject" in said
        assert "SOURCE_STORAGE" in said
        bucket.fails.clear()
        moving_clock.skip(minutes=10)
        run()
        assert again(row).live_id
        assert status()[0] == 0

    def test_to_delete_costs_nothing_and_is_tried_again(
        self, bucket, gateway, run, moving_clock, caplog
    ):
        bucket.fails = {"delete"}
        (row,) = want(plain_image(), "200x200")
        run()
        assert again(row).live_id
        assert len(bucket.names) == 1
        assert "Can't delete the source picture of request" in caplog.text
        assert bucket.saved[0] not in caplog.text
        assert status()[0] == 0
        moving_clock.skip(hours=2)
        repairs.run()
        code, said = status()
        assert code == 1
        assert "can't be deleted from SOURCE_STORAGE" in said
        bucket.fails.clear()
        report = repairs.run()
        assert report.lines() == ["source pictures deleted that a request had left: 1"]
        assert bucket.names == []
        assert status()[0] == 0

    def test_nothing_is_forgotten_where_the_setting_is_taken_away(
        self, bucket, gateway, run, configure, caplog
    ):
        gateway.misbehave("never")
        want(plain_image(), "200x200")
        run(1)
        configure(SOURCE_STORAGE=None)
        gateway.behave()
        opt_out(only(GatewayRequest).image)
        run()
        assert "Set it again" in caplog.text
        assert len(bucket.names) == 1
        configure(SOURCE_STORAGE=bucket)
        only(GatewayRequest).update_if(where={}, finished_at=timezone.now(), status=Status.DONE)
        repairs.run()
        assert bucket.names == []

    @pytest.mark.parametrize("url", ["/media/x.jpg", "media/x.jpg", "file:///x.jpg", "", None])
    def test_one_without_addresses_sends_nothing(self, bucket, gateway, run, url, monkeypatch):
        monkeypatch.setattr(OnTheNetwork, "url", lambda self, name: url)
        want(plain_image(), "200x200")
        run()
        assert sent(gateway) == []
        assert bucket.names == []
        assert "no address on the network" in status()[1]

    def test_one_whose_addresses_are_closed_sends_nothing(self, bucket, gateway, run, monkeypatch):
        monkeypatch.setattr(OnTheNetwork, "url", InMemoryStorage.url)
        want(plain_image(), "200x200")
        run()
        assert sent(gateway) == []
        assert bucket.names == []
        assert PipelineState.peek().circuit_code == "source_403"


class Killed(BaseException):
    """The end of a process."""


class TestACrash:
    @pytest.fixture
    def crashed(self, bucket, gateway, run, monkeypatch):
        """A process has ended between the picture and the POST."""
        image = plain_image()
        want(image, "200x200")
        with monkeypatch.context() as patch:
            patch.setattr(source_image, "check_reachable", raising(Killed))
            with pytest.raises(Killed):
                run(1)
        assert len(bucket.names) == 1
        return only(GatewayRequest)

    def test_leaves_a_picture_that_the_next_try_replaces(
        self, crashed, bucket, gateway, run, moving_clock
    ):
        moving_clock.skip(minutes=6)
        run()
        assert len(bucket.saved) == 2
        assert sent(gateway) == [bucket.url(bucket.saved[1])]
        assert bucket.names == []

    def test_or_that_a_sync_deletes_though_nothing_is_sent(
        self, crashed, bucket, gateway, moving_clock
    ):
        repairs.run()
        assert len(bucket.names) == 1, "the process may be alive: its lease has not ended"
        moving_clock.skip(minutes=6)
        actions.stop_buying()
        with pytest.raises(SystemExit):
            call_command("smart_resize_sync", stdout=io.StringIO())
        assert bucket.names == []
        assert sent(gateway) == []

    def test_during_the_post_leaves_none_once_it_is_given_up(
        self, bucket, gateway, run, monkeypatch, moving_clock
    ):
        want(plain_image(), "200x200")
        with monkeypatch.context() as patch:
            patch.setattr(submission, "_post", raising(Killed))
            with pytest.raises(Killed):
                run(1)
        moving_clock.skip(minutes=6)
        run()
        assert only(GatewayRequest).status == Status.UNKNOWN
        assert bucket.names == []

    def test_of_a_request_that_is_never_ended_it_lies_there_for_a_day(
        self, bucket, gateway, run, moving_clock
    ):
        gateway.misbehave("never")
        want(plain_image(), "200x200")
        run(1)
        repairs.run()
        assert len(bucket.names) == 1
        moving_clock.skip(hours=25)
        repairs.run()
        assert bucket.names == []

    def test_a_process_that_was_overtaken_takes_its_own_back(
        self, bucket, gateway, run, monkeypatch
    ):
        save = bucket.save

        def slowly(name, content, max_length=None):
            saved = save(name, content, max_length)
            GatewayRequest.objects.update(lease="another's")
            return saved

        monkeypatch.setattr(bucket, "save", slowly)
        want(plain_image(), "200x200")
        run(1)
        assert sent(gateway) == []
        assert bucket.names == []


def raising(error):
    def function(*args, **kwargs):
        raise error

    return function


def test_a_file_that_cannot_be_read_is_not_the_storages_fault(bucket, gateway, run, monkeypatch):
    (row,) = want(plain_image(), "200x200")
    broken = SourceUnavailable("file_missing", "The image's file is missing.")
    with monkeypatch.context() as patch:
        patch.setattr(source_image, "source_picture", raising(broken))
        run(1)
    assert not PipelineState.peek().circuit_open
    assert sent(gateway) == []
    run()
    assert again(row).live_id


def test_failures_in_a_row_do_not_blame_an_address_that_nobody_fetches_from(bucket, gateway, run):
    gateway.misbehave("FAILED")
    for _ in range(5):
        want(plain_image(), "200x200")
        run()
    assert PipelineState.peek().circuit_code == "failing"
    assert "Is SOURCE_STORAGE open to it?" in status()[1]


class TestChecks:
    def test_an_address_nobody_fetches_from_is_no_matter(self, bucket, settings):
        settings.WAGTAILADMIN_BASE_URL = "http://localhost:8000"
        settings.ROOT_URLCONF = "wagtail.admin.urls"
        found = {message.id for message in check_site(None)}
        about_it = {f"wagtail_smart_resize.{each}" for each in ("E003", "W002", "W003")}
        assert not found & about_it

    @pytest.mark.parametrize(
        ("backend", "said"),
        [
            ("django.core.files.storage.FileSystemStorage", "addresses without a host"),
            ("no.such.Storage", "can't be used"),
        ],
    )
    def test_a_storage_that_cannot_do_it_is_named(self, configure, settings, backend, said):
        settings.STORAGES = {**settings.STORAGES, "sources": {"BACKEND": backend}}
        configure(SOURCE_STORAGE="sources", API_KEY="key")
        (message,) = [each for each in check_site(None) if each.id.endswith("E006")]
        assert said in message.msg

    def test_one_on_the_network_is_fine(self, bucket):
        assert not [each for each in check_site(None) if each.id.endswith("E006")]

    def test_one_that_stores_names_the_site_must_have(self, configure):
        configure(SOURCE_STORAGE="elsewhere")
        (message, *_) = check_site(None)
        assert 'STORAGES has no "elsewhere"' in message.msg


class TestTheCommand:
    def test_puts_fetches_and_deletes_a_picture(self, bucket):
        assert found("The storage of source pictures")[0] == "fine"
        assert len(bucket.saved) == 1
        assert bucket.names == []

    @pytest.mark.parametrize("what", ["save", "delete"])
    def test_names_what_fails(self, bucket, what):
        bucket.fails = {what}
        result, said = found("The storage of source pictures")
        assert result == "wrong"
        assert "AccessDenied" in said
        assert "SOURCE_STORAGE" in said

    def test_says_that_its_addresses_are_closed(self, bucket, monkeypatch):
        monkeypatch.setattr(OnTheNetwork, "url", InMemoryStorage.url)
        result, said = found("The storage of source pictures")
        assert (result, "the status 403" in said) == ("wrong", True)
        assert bucket.names == []

    def test_cannot_tell_without_a_connection(self, bucket, monkeypatch):
        monkeypatch.setattr(OnTheNetwork, "url", lambda self, name: f"http://127.0.0.1:9/{name}")
        assert found("The storage of source pictures")[0] == "can't tell"
        assert bucket.names == []


def found(name):
    """Return the result of a part of smart_resize_check, and all that was said of it."""
    (finding,) = [each for each in installation.findings() if each.name == name]
    return str(finding.result), f"{finding.message} {finding.remedy}"
