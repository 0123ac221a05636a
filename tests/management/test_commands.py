"""The commands, as a person or cron runs them."""

import datetime as dt
import io
import json
import os
import signal
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.utils import timezone
from support.factories import colour_of, live, photo, plain_image, recomposition
from support.paths import TESTS
from support.waiting import TIMEOUT_SECONDS, join, until
from testapp.models import PicturePage
from wagtail.images import get_image_model
from wagtail.models import Locale, Page

from wagtail_smart_resize.models import (
    BudgetPeriod,
    GatewayRequest,
    ImageVersion,
    OptOut,
    PipelineState,
    Recomposition,
)
from wagtail_smart_resize.purchasing import demand
from wagtail_smart_resize.renditions import demand_notes
from wagtail_smart_resize.renditions.published_cache import process_cache
from wagtail_smart_resize.runners import drain, loop

pytestmark = pytest.mark.django_db

Purchase = Recomposition.Purchase
#: Small: what `gateway` draws is large enough to go live.
SPEC = "smartresize-200x200"
BLUE = (70, 130, 180)
SOON = dt.timedelta(0)


def moment(**delta):
    return timezone.now() + dt.timedelta(**delta)


@pytest.fixture(autouse=True)
def quick(monkeypatch, settings):
    """Nothing waits for longer than it must."""
    monkeypatch.setattr("wagtail_smart_resize.publishing.publication.PURGE_DELAY", SOON)
    monkeypatch.setattr("wagtail_smart_resize.purchasing.demand.GATHERING_TIME", SOON)
    settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, "POLL_INTERVAL": 0.2}


@pytest.fixture
def rests(monkeypatch, moving_clock, gateway):
    """The rests of `--wait`, which take no time, but for the clocks and for the sandbox."""
    made = []
    finish = drain.finish

    def rest(seconds):
        gateway.settle(TIMEOUT_SECONDS)
        moving_clock.skip(seconds=seconds)
        made.append(seconds)

    monkeypatch.setattr(drain, "time", SimpleNamespace(monotonic=lambda: sum(made)))
    monkeypatch.setattr(drain, "finish", lambda *args: finish(*args, sleep=rest))
    return made


class Terminal(io.StringIO):
    def isatty(self):
        return True


def sync(*args, out=None):
    """Run the command; returns its exit status, what it said, and its complaints."""
    out, err = out or io.StringIO(), io.StringIO()
    try:
        call_command("smart_resize_sync", *args, stdout=out, stderr=err)
    except CommandError as error:
        return error.returncode, out.getvalue(), f"{err.getvalue()}{error}"
    except SystemExit as end:
        return end.code, out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


def fresh(image):
    return get_image_model().objects.get(pk=image.pk)


def shown(image, spec=SPEC):
    """Return the rendition that a visitor sees, before the end of the request."""
    process_cache.reset()
    return fresh(image).get_rendition(spec)


def lost(image, spec=SPEC):
    """The same, but what it noted as wanted is lost with its process."""
    rendition = shown(image, spec)
    demand_notes.notes.reset()
    return rendition


def database_url():
    """The tests' database, for another process."""
    values = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{values['NAME']}"
    user = ":".join(filter(None, (values["USER"], values["PASSWORD"])))
    return f"{connection.vendor}://{user}@{values['HOST']}:{values['PORT']}/{values['NAME']}"


def published(image):
    Locale.objects.get_or_create(language_code="en")
    root = Page.objects.filter(depth=1).first()
    root = root or Page.add_root(instance=Page(title="Root", slug="root"))
    return root.add_child(instance=PicturePage(title="A page", photo=image))


def near(colour, other):
    return all(abs(a - b) < 12 for a, b in zip(colour, other, strict=True))


class TestRepairing:
    def test_it_counts_what_it_did(self):
        lost(plain_image())
        lost(plain_image())
        assert sync() == (0, "shapes noted as wanted: 2\n", "")
        assert Recomposition.objects.count() == 2

    def test_it_says_when_there_was_nothing(self):
        assert sync() == (0, "Nothing to repair.\n", "")

    def test_a_dry_run_says_what_it_would_do_and_does_nothing(self):
        lost(plain_image())
        status, said, complaints = sync("--dry-run")
        assert (status, complaints) == (0, "")
        assert said.splitlines()[1:] == ["shapes noted as wanted: 1"]
        assert not Recomposition.objects.exists()
        assert not PipelineState.objects.exists()

    def test_there_is_nothing_to_wait_for_in_a_dry_run(self):
        status, _said, complaints = sync("--dry-run", "--wait")
        assert status == 1
        assert "--dry-run changes nothing" in complaints

    @pytest.mark.parametrize("seconds", ["soon", "-1", "nan"])
    def test_a_time_out_is_a_number(self, seconds):
        _status, _said, complaints = sync("--wait", f"--timeout={seconds}")
        assert "invalid number of seconds" in complaints

    def test_without_wait_it_asks_the_gateway_for_nothing(self, gateway):
        image = photo()
        published(image)
        lost(image)
        assert sync()[0] == 0
        assert gateway.requests == []

    def test_runners_need_not_repair_again_for_an_hour(self):
        sync()
        assert PipelineState.get_current().last_repair_at is not None

    def test_a_repair_that_failed_is_told_in_the_exit_status(self, monkeypatch):
        lost(plain_image())

        def record(*args, **kwargs):
            raise ValueError("no")

        monkeypatch.setattr(demand, "record_demand", record)
        status, _said, complaints = sync()
        assert status == 1
        assert "repairs that failed: 1" in complaints


class TestWaiting:
    """Of one image there is one job at a time, and a pass needs no thread for that."""

    @pytest.fixture
    def image(self):
        return photo()

    def test_it_returns_when_all_is_live_and_purged(self, gateway, image):
        published(image)
        before = lost(image)
        status, said, complaints = sync("--wait")
        assert (status, complaints) == (0, "")
        assert said.splitlines() == [
            "shapes noted as wanted: 1",
            "pictures bought: 1",
            "images with something new live: 1",
            "Nothing is left to do.",
        ]
        assert len(gateway.requests) == 1
        version = ImageVersion.objects.get()
        assert (version.publish_due_at, version.purge_due_at) == (None, None)
        assert shown(image).file.name != before.file.name

    def test_what_this_process_noted_is_written_and_bought(self, gateway, image):
        shown(image)
        assert sync("--wait")[0] == 0
        assert Recomposition.objects.get().live is not None

    def test_it_waits_for_nothing_that_is_not_allowed(self, gateway, image):
        recomposition(image, wanted_by="preview", next_attempt_at=moment())
        assert sync("--wait")[0] == 0
        assert Recomposition.objects.get().waiting_reason == "not_published"
        assert gateway.requests == []

    @pytest.mark.parametrize(
        ("reason", "status"),
        [("budget", 0), ("circuit", 1), ("key", 1), ("stopped", 1), ("decided", 0)],
        ids=lambda each: str(each),
    )
    def test_nor_for_what_is_held_back(self, gateway, image, settings, rests, reason, status):
        row = recomposition(image, next_attempt_at=moment())
        if reason == "budget":
            ours = {**settings.WAGTAIL_SMART_RESIZE, "DAILY_LIMIT": 0}
            settings.WAGTAIL_SMART_RESIZE = ours
        elif reason == "key":
            settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, "API_KEY": ""}
        elif reason == "circuit":
            PipelineState.get_current().open_circuit("no_balance", "", moment(minutes=5))
        elif reason == "stopped":
            PipelineState.get_current().stop_buying(None)
        else:
            row.update_if(where={}, decision=row.Decision.CROP)
            ImageVersion.get_for(image.pk)
        found, said, complaints = sync("--wait", "--timeout=20")
        assert (found, bool(complaints)) == (status, bool(status))
        assert gateway.requests == []
        assert ("Nothing is left to do." in said) is (reason == "decided")
        assert ("Nothing is left to do for now." in said) is (reason == "budget")

    @pytest.mark.parametrize(
        ("held", "status"), [("budget", 0), ("circuit", 1), ("nothing", 1)], ids=lambda each: each
    )
    def test_nor_for_an_unsent_request_that_is_held_back(
        self, gateway, image, rests, configure, held, status
    ):
        if held == "budget":
            configure(DAILY_LIMIT=0)
        request = GatewayRequest.objects.create(
            image=image,
            source_hash=image.file_hash,
            next_step_at=moment(minutes=5),
            error_code="budget" if held == "budget" else "",
        )
        row = recomposition(image, purchase=Purchase.REQUESTED, request=request)
        request.update_if(where={}, sizes=[{"size": "2048x2048", "recomposition": row.pk}])
        if held == "circuit":
            PipelineState.get_current().open_circuit("no_balance", "", moment(minutes=5))
        assert sync("--wait", "--timeout=1")[0] == status

    def test_a_purchase_that_fails_is_told_in_the_exit_status(self, gateway, image):
        gateway.misbehave("FAILED")
        shown(image)
        status, said, complaints = sync("--wait")
        assert status == 1
        assert "purchases that failed: 1" in complaints
        assert "Nothing is left" not in said
        assert Recomposition.objects.get().purchase == Purchase.FAILED

    def test_one_that_failed_before_is_not(self, gateway, image):
        recomposition(image, purchase=Purchase.FAILED)
        assert sync("--wait")[0] == 0

    def test_a_step_that_fails_is_told_in_the_exit_status(self, gateway, image, rests, monkeypatch):

        def failing(versions):
            raise OSError("the cache is down")

        published(image)
        live(image)
        monkeypatch.setattr("wagtail_smart_resize.publishing.frontend_cache.purge_pages", failing)
        ImageVersion.objects.update(purge_due_at=moment())
        status, _said, complaints = sync("--wait", "--timeout=1")
        assert status == 1
        assert "steps that failed: 1" in complaints
        assert "not done in time, to purge: 1" in complaints

    def test_when_the_time_is_over_it_gives_up(self, gateway, image, rests):
        gateway.misbehave("never")
        shown(image)
        status, _said, complaints = sync("--wait", "--timeout=3")
        assert sum(rests) == pytest.approx(3)
        assert status == 1
        assert "not done in time, in flight: 1" in complaints
        assert GatewayRequest.objects.get().status == "sent"

    def test_a_terminal_gets_a_line_of_progress(self, gateway, image):
        shown(image)
        _status, said, _complaints = sync("--wait", out=Terminal())
        assert "\r0 to buy, 1 in flight, 0 to publish, 0 to purge" in said

    def test_a_file_gets_none(self, gateway, image):
        shown(image)
        assert "\r" not in sync("--wait")[1]


class TestTelling:
    """What a run says, and to whom: people, cron, machines."""

    @pytest.fixture
    def image(self):
        return photo()

    def test_what_was_bought_what_waits_and_why(self, gateway, image, configure, rests):
        configure(DAILY_LIMIT=1, REVIEW=True)
        shown(image)
        shown(image, "smartresize-300x100")
        status, said, complaints = sync("--wait")
        assert (status, complaints) == (0, "")
        assert "pictures bought: 1" in said
        assert "awaiting review: 1" in said
        assert "waiting: Budget used up: 1" in said
        assert said.splitlines()[-1] == "Nothing is left to do for now."

    def test_what_a_person_has_to_do_is_said_with_its_remedy(self, gateway, image, rests):
        gateway.misbehave("401")
        shown(image)
        status, _said, complaints = sync("--wait")
        assert status == 1
        assert "The service does not accept the site's key." in complaints
        assert "Set API_KEY" in complaints
        assert "HTTP 401" in complaints

    def test_an_unknown_outcome_waits_for_a_person(self, gateway, image):
        recomposition(image, purchase=Purchase.FAILED, failure_code="unknown")
        status, _said, complaints = sync()
        assert status == 1
        assert "nobody knows whether they were bought: 1" in complaints

    def test_a_machine_gets_one_object(self, gateway, image):
        shown(image)
        status, said, complaints = sync("--wait", "--json")
        assert (status, complaints) == (0, "")
        told = json.loads(said)
        assert told["ok"] is True
        assert (told["bought"], told["live"], told["waiting"]) == (1, 1, {})
        assert (told["obstacles"], told["left"], told["lost"]) == ([], {}, None)

    def test_and_in_it_what_stands_in_the_way(self, gateway, image, rests):
        gateway.misbehave("402")
        shown(image)
        status, said, _complaints = sync("--wait", "--json")
        told = json.loads(said)
        assert (status, told["ok"]) == (1, False)
        (obstacle,) = told["obstacles"]
        assert (obstacle["code"], obstacle["level"]) == ("http_402", "critical")
        assert told["waiting"] == {"circuit_open": 1}

    @pytest.mark.parametrize("word", ["", "401", "FAILED"])
    @pytest.mark.parametrize("options", [[], ["--json"]], ids=["text", "json"])
    def test_with_verbosity_0_it_is_silent(self, gateway, image, rests, word, options):
        if word:
            gateway.misbehave(word)
        shown(image)
        status, said, complaints = sync("--wait", "-v0", *options, out=Terminal())
        assert (said, complaints) == ("", "")
        assert status == (1 if word else 0)


#: The gateway's step that is under way, the command, and the signal. The submission may cost money;
#: the others are tried in the suite of servers.
SLOW = [pytest.mark.servers]
ENDINGS = [
    pytest.param(
        step,
        command,
        number,
        marks=[] if (step, number) == ("submit", signal.SIGINT) and "sync" in command else SLOW,
    )
    for step in ("submit", "status", "download")
    for command in ("smart_resize_sync --wait", "smart_resize_worker")
    for number in (signal.SIGINT, signal.SIGTERM)
]


@pytest.mark.django_db(transaction=True)
class TestEnding:
    """Ctrl-C and SIGTERM while a request is under way: the answer is waited for and stored."""

    @pytest.fixture
    def slow(self, site):
        """Let the gateway answer a step only when the test says so."""
        release, reached = threading.Event(), threading.Event()
        own = site.gateway._handler.answer

        def hold(step):
            def answer(call, origin):
                if call.step == step and not release.is_set():
                    reached.set()
                    assert release.wait(TIMEOUT_SECONDS)
                return own(call, origin)

            site.gateway._handler.answer = answer
            return reached, release

        yield hold
        release.set()
        site.gateway._handler.answer = own

    def start(self, site, settings, *command):
        given = settings.WAGTAIL_SMART_RESIZE
        names = ("API_KEY", "BASE_URL", "SOURCE_BASE_URL", "POLL_INTERVAL")
        environment = {
            **os.environ,
            "DATABASE_URL": database_url(),
            "DJANGO_SETTINGS_MODULE": "support.process_settings",
            "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]),
            "SMART_RESIZE_TEST_MEDIA": str(settings.MEDIA_ROOT),
            "SMART_RESIZE_TEST_NOW": timezone.now().isoformat(),
            "SMART_RESIZE_TEST_SETTINGS": json.dumps({name: given[name] for name in names}),
        }
        return subprocess.Popen(
            [sys.executable, "-m", "django", *command],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @pytest.mark.parametrize(("step", "command", "number"), ENDINGS)
    def test_nothing_is_unknown_that_an_answer_settles(
        self, site, settings, slow, step, command, number
    ):
        shown(photo())
        demand.write_noted_demand()
        reached, release = slow(step)
        process = self.start(site, settings, *command.split())
        with process:
            assert reached.wait(TIMEOUT_SECONDS), process.communicate(timeout=1)
            process.send_signal(number)
            said = process.stderr if "sync" in command else process.stdout
            until_line(said, "Ending when what is under way is done")
            release.set()
            _said, complaints = process.communicate(timeout=TIMEOUT_SECONDS)
        assert "Traceback" not in complaints
        expected = 128 + number if "sync" in command else 0
        assert process.returncode == expected
        request = GatewayRequest.objects.get()
        assert request.status != "unknown"
        assert request.request_id
        assert len(site.gateway.requests) == 1
        with self.start(site, settings, "smart_resize_sync", "--wait") as rest:
            rest.communicate(timeout=TIMEOUT_SECONDS)
        assert rest.returncode == 0
        assert len(site.gateway.requests) == 1
        assert Recomposition.objects.get().live is not None

    def test_a_second_one_says_what_it_risks(self, site, settings, slow):
        shown(photo())
        demand.write_noted_demand()
        reached, _release = slow("submit")
        process = self.start(site, settings, "smart_resize_sync", "--wait")
        with process:
            assert reached.wait(TIMEOUT_SECONDS)
            process.send_signal(signal.SIGINT)
            until_line(process.stderr, "Ending when what is under way is done")
            process.send_signal(signal.SIGINT)
            _said, complaints = process.communicate(timeout=TIMEOUT_SECONDS)
        assert "may have been bought, and counts as unknown" in complaints
        assert "Traceback" not in complaints
        assert process.returncode == 130


def until_line(stream, beginning):
    for line in stream:
        if line.startswith(beginning):
            return
    pytest.fail(f"no line begins with {beginning}")


class TestWagtailsOwnCommand:
    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("options", [[], ["--purge-only"]], ids=["anew", "purge only"])
    def test_recomposed_pictures_are_served_again_with_no_post(self, site, options):
        image, other = plain_image(), plain_image()
        OptOut.objects.create(image=other)
        crop = lost(image)
        live(image)
        before = shown(image)
        untouched = lost(other)
        assert near(colour_of(before), BLUE)
        call_command("wagtail_update_image_renditions", *options, stdout=io.StringIO())
        after = shown(image)
        assert after.focal_point_key == before.focal_point_key
        assert near(colour_of(after), BLUE)
        assert lost(other).focal_point_key == untouched.focal_point_key
        demand_notes.notes.reset()
        assert sync("--wait")[0] == 0
        assert shown(image).pk == after.pk
        assert not image.renditions.filter(pk=crop.pk).exists()
        assert site.gateway.requests == []
        assert not BudgetPeriod.objects.filter(outputs__gt=0).exists()

    @pytest.mark.parametrize("options", [[], ["--purge-only"]], ids=["anew", "purge only"])
    def test_what_was_retired_is_forgotten(self, options):
        image = plain_image()
        lost(image)
        live(image)
        assert "renditions noted as retired: 1" in sync()[1]
        call_command("wagtail_update_image_renditions", *options, stdout=io.StringIO())
        assert "notes about deleted renditions removed: 1" in sync()[1]


class TestWorker:
    @pytest.mark.django_db(transaction=True)
    def test_it_works_until_it_is_told_to_stop(self, site):
        image = photo()
        image_id = image.pk
        shown(image)
        demand.write_noted_demand()
        said = io.StringIO()
        watcher = threading.Thread(target=_interrupt_when_live, args=[image_id])
        watcher.start()
        call_command("smart_resize_worker", stdout=said)
        join(watcher)
        assert said.getvalue().splitlines() == [
            "The worker is running. Ctrl-C or SIGTERM ends it when what is under way is done.",
            "Ending when what is under way is done: an answer of the service may take 70 seconds. "
            "A second Ctrl-C ends at once; then nobody knows whether what is being sent is bought.",
            "The worker has stopped.",
        ]
        assert Recomposition.objects.get().live is not None
        assert len(site.gateway.requests) == 1

    @pytest.mark.django_db(transaction=True)
    def test_it_finds_work_that_no_process_could_tell_it_of(self):
        """Nobody wakes a worker: what another process writes is found by looking."""
        work = loop.Loop(alone=False)
        assert work._run_pass() <= loop.POLL_SECONDS

    def test_signals_are_as_before_when_it_has_stopped(self, monkeypatch):
        before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
        monkeypatch.setattr(loop.Loop, "run", lambda self: None)
        call_command("smart_resize_worker", stdout=io.StringIO())
        assert before == (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT))

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_as_a_process_it_ends_well_on_a_signal(self, number):
        environment = {
            **os.environ,
            "DATABASE_URL": database_url(),
            "DJANGO_SETTINGS_MODULE": "support.settings",
            "PYTHONPATH": str(TESTS),
        }
        command = [sys.executable, "-m", "django", "smart_resize_worker"]
        worker = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        with worker:
            assert worker.stdout.readline().startswith("The worker is running.")
            worker.send_signal(number)
            said, complaints = worker.communicate(timeout=TIMEOUT_SECONDS)
        assert said.endswith("The worker has stopped.\n")
        assert complaints == ""
        assert worker.returncode == 0


def _interrupt_when_live(image_id):
    """Send this process a SIGTERM when the image is published, or when that never comes."""
    published = ImageVersion.objects.filter(pk=image_id, published_at__isnull=False)
    try:
        until(published.exists, "the image is published")
    finally:
        connections.close_all()
        os.kill(os.getpid(), signal.SIGTERM)
