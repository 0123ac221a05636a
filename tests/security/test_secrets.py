"""The key goes to the gateway. Whatever happens, it is in nothing else that anybody can read."""

import http.client
import io
import logging
import pprint
import sys

import pytest
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.test import RequestFactory
from django.urls import reverse
from django.utils import timezone
from django.utils.log import AdminEmailHandler
from django.views.debug import ExceptionReporter
from support.factories import photo, plain_image
from support.gateways import answering, client_of, job, picture
from support.loopback import answer, serve
from support.people import make_people
from support.purchases import claimed, only, want
from support.waiting import TIMEOUT_SECONDS

from wagtail_smart_resize import compat
from wagtail_smart_resize.admin.urls import urlpatterns
from wagtail_smart_resize.exceptions import GatewayError
from wagtail_smart_resize.gateway import schema, transport
from wagtail_smart_resize.gateway.client import GatewayClient
from wagtail_smart_resize.models import GatewayRequest
from wagtail_smart_resize.purchasing import passes, source_image, submission
from wagtail_smart_resize.runners import task_chain
from wagtail_smart_resize.sandbox.faults.words import Step
from wagtail_smart_resize.sandbox.responses import Reply, as_json
from wagtail_smart_resize.sandbox.responses import error as error_reply
from wagtail_smart_resize.settings import settings as ours

#: In two parts, so that no line of this file holds it where a report shows source lines.
KEY = "-".join(["s3cret", "of", "this", "site"])

written_down = pytest.mark.security("The key in logs, pages and records")


@pytest.fixture
def gateway(gateway, settings):
    """The sandbox, with a key of our own."""
    gateway._handler._key = KEY
    gateway.key = KEY
    settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, "API_KEY": KEY}
    return gateway


def reports(*exc_info):
    """The exception as Django shows it to developers, and as it writes it to the admins."""
    request = RequestFactory().get("/")
    for about in (request, None):
        reporter = ExceptionReporter(about, *exc_info)
        yield reporter.get_traceback_html()
        yield reporter.get_traceback_text()


def raised(function, *args):
    try:
        function(*args)
    except Exception:
        return sys.exc_info()
    pytest.fail("nothing was raised")


def said_by(error):
    """All that a report of the error shows of its own frames; this file's know the key."""
    return "".join(reports(*error))


# In reports of errors


@written_down
@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize(
    "wrong",
    [{"PRICE_PER_OUTPUT": "much"}, {"PRESETS": {"x": 1}}, {"REVEIW": True}, {"RUNNER": None}],
    ids=["a value", "a preset", "a name", "none"],
)
def test_a_report_of_malformed_settings_has_no_key(wrong, debug, settings):
    settings.DEBUG = debug
    settings.WAGTAIL_SMART_RESIZE = {"API_KEY": KEY}
    assert ours.API_KEY == KEY
    settings.WAGTAIL_SMART_RESIZE = {"API_KEY": KEY, **wrong}

    def use():
        return [getattr(ours, name) for name in ("PRICE_PER_OUTPUT", "PRESETS", "RUNNER")]

    error = raised(use)
    assert error[0] is ImproperlyConfigured
    assert KEY not in said_by(error)


@written_down
@pytest.mark.parametrize(
    "malformed", [f"{KEY} and more", KEY.encode(), [KEY]], ids=["spaces", "bytes", "list"]
)
def test_a_report_of_a_malformed_key_has_no_key(settings, malformed):
    settings.DEBUG = True
    settings.WAGTAIL_SMART_RESIZE = {"API_KEY": malformed}
    error = raised(lambda: ours.API_KEY)
    assert error[0] is ImproperlyConfigured
    assert KEY not in said_by(error)


@written_down
def test_settings_and_clients_do_not_show_it():
    client = GatewayClient(KEY, "https://gateway.example/v1")
    things = [client, vars(client), ours, vars(ours), client._headers()]
    assert not any(KEY in text for thing in things for text in (repr(thing), pprint.pformat(thing)))


class Noting(AdminEmailHandler):
    """Notes what it would send."""

    def __init__(self, sent):
        super().__init__(include_html=True)
        self._sent = sent

    def send_mail(self, subject, message, *args, html_message="", **kwargs):
        self._sent.append(f"{subject}\n{message}\n{html_message}")


BREAKING = {
    "the answer can't be read": (schema, "_json_object"),
    "the answer can't be taken": (transport, "_reply"),
    "the HTTP client sends": (http.client.HTTPConnection, "send"),
    "the HTTP client reads": (http.client.HTTPResponse, "begin"),
    "the address is made": (GatewayClient, "_headers"),
    "the answer is recorded": (submission, "_record_accepted"),
}


@pytest.mark.django_db
@written_down
@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize(("place", "name"), BREAKING.values(), ids=BREAKING)
def test_mail_to_the_admins_about_a_broken_purchase_has_no_key(
    gateway, settings, monkeypatch, django_capture_on_commit_callbacks, debug, place, name
):
    def broken(*args, **kwargs):
        raise RuntimeError("broken on purpose")

    (row,) = want(plain_image(400, 300), "200x200")
    claimed(row.image_id)
    settings.DEBUG, settings.ADMINS = debug, ["admin@example.org"]
    sent = []
    handler = Noting(sent)
    logger = logging.getLogger("wagtail_smart_resize")
    logger.addHandler(handler)
    monkeypatch.setattr(source_image, "check_reachable", lambda url: None)
    monkeypatch.setattr(place, name, broken)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            passes.run_pass(workers=1)
    finally:
        logger.removeHandler(handler)
    assert sent
    assert not [text for text in sent if KEY in text]


CLIENTS_OWN = {what: at for what, at in BREAKING.items() if at[0] is not submission}


@written_down
@pytest.mark.parametrize(("place", "name"), CLIENTS_OWN.values(), ids=CLIENTS_OWN)
def test_a_report_of_a_broken_submission_has_no_key(gateway, settings, monkeypatch, place, name):
    def broken(*args, **kwargs):
        raise RuntimeError("broken on purpose")

    settings.DEBUG = True
    monkeypatch.setattr(place, name, broken)
    client = client_of(gateway)
    assert KEY not in said_by(raised(client.submit, job()))


# In words


def telling(*words):
    """A gateway that says the key wherever it may say something."""
    said = f"{KEY} at https://{KEY}@gateway.example/?key={KEY}"
    return {
        "a refusal": error_reply(400, said, said),
        "no access": error_reply(401, said, said),
        "a pause": error_reply(429, said, said),
        "out of order": error_reply(503, said, said),
        "a status": as_json({"request_id": "r", "status": KEY}),
        "a status and more": as_json({"request_id": "r", "status": said}),
        "an id": as_json({"request_id": f"{KEY} ", "status": "QUEUED"}),
        "a failure": as_json({"request_id": "r", "status": "FAILED", "error": said}),
        "an error in parts": as_json(
            {"request_id": "r", "status": "ERROR", "error": {KEY: [KEY, said]}}
        ),
        "a page": Reply(502, f"<h1>{said}</h1>".encode(), "text/html"),
        "a redirect": Reply(302, b"", headers={"Location": f"https://{KEY}.example/{KEY}"}),
    }


@pytest.mark.django_db
@written_down
@pytest.mark.parametrize("reply", telling().values(), ids=telling())
def test_what_the_gateway_says_of_it_is_kept_nowhere(
    gateway, run, client, caplog, settings, monkeypatch, reply
):
    caplog.set_level(logging.DEBUG)
    people = make_people()
    image = plain_image(400, 300, collection=people.here)
    want(image, "200x200")
    own = gateway._handler.answer

    def spoken(call, origin):
        return (reply, "") if call.step is Step.SUBMIT else own(call, origin)

    monkeypatch.setattr(gateway._handler, "answer", spoken)
    run(3)
    assert len(gateway.requests) >= 1
    assert KEY not in caplog.text
    assert KEY not in everything_stored()
    assert KEY not in everything_shown(client, people, image)


def everything_stored():
    models = [*apps.get_app_config("wagtail_smart_resize").get_models()]
    models.append(apps.get_model("wagtailcore", "ModelLogEntry"))
    return repr([list(model.objects.values()) for model in models])


def everything_shown(client, people, image):
    """Each page of ours that can be looked at, Wagtail's own with our parts, and the commands."""
    client.force_login(people.superuser)
    pages = [
        client.get(reverse(f"smart_resize_admin:{pattern.name}", args=_arguments(pattern, image)))
        for pattern in urlpatterns
        if "candidate" not in str(pattern.pattern) and "recomposition" not in str(pattern.pattern)
    ]
    pages.append(client.get(reverse("wagtailimages:edit", args=[image.pk])))
    pages.append(client.get(reverse("wagtailimages:index")))
    pages.append(client.get(reverse("wagtailadmin_home")))
    assert sum(page.status_code == 200 for page in pages) > 6
    out = io.StringIO()
    for command in (["smart_resize_status"], ["smart_resize_status", "--json"], ["check"]):
        try:
            call_command(*command, stdout=out, stderr=out)
        except SystemExit:
            continue
    return "".join(page.content.decode() for page in pages if not page.streaming) + out.getvalue()


def _arguments(pattern, image):
    return [image.pk] * len(pattern.pattern.converters)


# In a task's arguments


@pytest.mark.django_db
@written_down
def test_a_tasks_arguments_have_no_key(settings):
    settings.TASKS = {"default": {"BACKEND": f"{compat.DummyBackend.__module__}.DummyBackend"}}
    settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, "API_KEY": KEY}
    task_chain.enqueue_tick(timezone.now())
    results = compat.get_task_backend().results
    assert [result.kwargs.keys() for result in results] == [{"appointed"}]
    assert not [result for result in results if KEY in repr((result.args, result.kwargs, result))]


# In other requests


class AnyPath(dict):
    """Routes that answer every path with a picture."""

    def get(self, path, default=None):
        return answer(picture(), Content_Type="image/png")


@pytest.mark.django_db
@pytest.mark.security("The key in other requests")
def test_in_a_whole_run_the_gateways_requests_alone_have_it(gateway, run, settings):
    with serve(AnyPath()) as site:
        settings.WAGTAIL_SMART_RESIZE = {
            **settings.WAGTAIL_SMART_RESIZE,
            "SOURCE_BASE_URL": site.url,
        }
        want(photo(), "400x400", "400x200")
        run()
    assert only(GatewayRequest).status == "done"
    assert len(site.asked) == 2  # our check, and the gateway
    assert not [headers for _path, headers in site.asked if KEY in repr(headers)]
    with_key = {call.step for call in gateway.calls if KEY in call.headers.as_string()}
    without = {call.step for call in gateway.calls if KEY not in call.headers.as_string()}
    assert (with_key, without) == ({Step.SUBMIT, Step.STATUS}, {Step.DOWNLOAD})
    assert not [call for call in gateway.calls if KEY in call.path or KEY in repr(call.body)]


@pytest.mark.security("The key in other requests")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_no_redirect_takes_it_along(status, host):
    with serve(AnyPath()) as other:
        target = f"http://{host}:{other.server_port}/taken"
        with answering(Reply(status, b"", headers={"Location": target})) as server:
            client = GatewayClient(
                KEY, server.origin, timeout=(TIMEOUT_SECONDS, TIMEOUT_SECONDS), sleep=lambda _: None
            )
            for ask in (lambda: client.submit(job()), lambda: client.status("r")):
                with pytest.raises(GatewayError):
                    ask()
    assert other.asked == []
