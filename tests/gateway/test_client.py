"""The client over real sockets: what each way to go wrong means, and what never leaves."""

import email.utils
import socket
import time
import traceback

import pytest
from support.gateways import (
    KEY,
    RawServer,
    answering,
    client_of,
    finished,
    job,
    picture,
    wait_for_calls,
)
from support.waiting import NEVER_SECONDS, TIMEOUT_SECONDS

from wagtail_smart_resize.exceptions import (
    AccessDenied,
    GatewayError,
    NotSent,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    StatusUnavailable,
    Unavailable,
)
from wagtail_smart_resize.gateway import client as client_module
from wagtail_smart_resize.gateway import transport
from wagtail_smart_resize.gateway.client import GatewayClient, JobStatus
from wagtail_smart_resize.sandbox import SandboxGateway
from wagtail_smart_resize.sandbox.responses import Reply, as_json, error

pytestmark = pytest.mark.any_version

SIGNED = "https://site.example/smart-resize/source/tok.en:sig/"


@pytest.fixture
def gateway():
    with SandboxGateway(key=KEY, trickle=0.02, slow=0.2, fetch_seconds=TIMEOUT_SECONDS) as running:
        yield running


@pytest.fixture
def source():
    with answering(Reply(200, picture(), "image/png")) as listener:
        yield f"{listener.origin}/photo.png"


def client_at(base_url, seconds=TIMEOUT_SECONDS):
    return GatewayClient(KEY, base_url, timeout=(seconds, seconds), sleep=lambda _: None)


def patience(code):
    """Time limits that only an answer which never comes, or never ends, can overrun."""
    return 0.1 if code == "timeout" else TIMEOUT_SECONDS


# The way of a request


def test_a_request_is_queued_then_completed(gateway, source):
    client = client_of(gateway)
    answer = client.submit(job(source, "60x60", "80x40"))
    assert (answer.status, answer.outputs) == (JobStatus.QUEUED, ())
    assert answer.polling_url.endswith(answer.request_id)
    done = finished(client, answer)
    assert done.request_id == answer.request_id
    assert [output.file_name for output in done.outputs] == [
        "output_60x60_0.png",
        "output_80x40_0.png",
    ]


def test_an_immediate_answer_is_completed_without_an_id(gateway, source):
    gateway.misbehave("immediate")
    answer = client_of(gateway).submit(job(source))
    assert (answer.request_id, answer.status) == ("", JobStatus.COMPLETED)
    assert [output.content_type for output in answer.outputs] == ["image/png"]


def test_sync_mode_gives_data_uris(gateway, source):
    client = client_of(gateway)
    answer = finished(client, client.submit(job(source, sync_mode=True)))
    assert [output.url[:22] for output in answer.outputs] == ["data:image/png;base64,"]


def test_media_url_may_be_a_string(gateway, source):
    gateway.misbehave("string-media-url")
    client = client_of(gateway)
    answer = finished(client, client.submit(job(source)))
    assert [output.file_name for output in answer.outputs] == ["output_60x60_0.png"]


@pytest.mark.parametrize("word", ["FAILED", "ERROR"])
def test_a_failure_tells_why(gateway, source, word):
    gateway.misbehave(word)
    client = client_of(gateway)
    answer = finished(client, client.submit(job(source)))
    assert answer.status == JobStatus(word)
    assert "as asked for" in answer.error


# What becomes of a submission


SUBMISSIONS = [
    ("400", Rejected, "http_400"),
    ("405", AccessDenied, "http_405"),
    ("408", Rejected, "http_408"),
    ("409", Rejected, "http_409"),
    ("410", AccessDenied, "http_410"),
    ("413", Rejected, "http_413"),
    ("414", Rejected, "http_414"),
    ("422", Rejected, "http_422"),
    ("401", AccessDenied, "http_401"),
    ("402", AccessDenied, "http_402"),
    ("403", AccessDenied, "http_403"),
    ("404", AccessDenied, "http_404"),
    ("429", RateLimited, "http_429"),
    ("500", Unavailable, "http_500"),
    ("503", Unavailable, "http_503"),
    ("500-html", OutcomeUnknown, "http_500"),
    ("503-html", OutcomeUnknown, "http_503"),
    ("502", OutcomeUnknown, "http_502"),
    ("504", OutcomeUnknown, "http_504"),
    ("html", OutcomeUnknown, "not_json"),
    ("half-json", OutcomeUnknown, "not_json"),
    ("wrong-types", OutcomeUnknown, "wrong_type"),
    ("unknown-status", OutcomeUnknown, "unknown_status"),
    ("redirect", OutcomeUnknown, "redirect"),
    ("redirect-private", OutcomeUnknown, "redirect"),
    ("reset", OutcomeUnknown, "broken_off"),
    ("broken-off", OutcomeUnknown, "broken_off"),
    ("hang", OutcomeUnknown, "timeout"),
    ("trickle", OutcomeUnknown, "timeout"),
    ("trickle-head", OutcomeUnknown, "timeout"),
    ("huge", OutcomeUnknown, "too_large"),
]


@pytest.mark.parametrize(("word", "outcome", "code"), SUBMISSIONS, ids=[s[0] for s in SUBMISSIONS])
def test_a_failed_submission_is_one_post_and_one_error(
    gateway, source, monkeypatch, word, outcome, code
):
    monkeypatch.setattr(transport, "MAX_ANSWER_BYTES", 1_000_000)
    gateway.misbehave(word, where="submit")
    with pytest.raises(GatewayError) as raised:
        client_of(gateway, seconds=patience(code)).submit(job(source))
    assert type(raised.value) is outcome
    assert raised.value.code == code
    assert len(wait_for_calls(lambda: gateway.requests, 1)) == 1
    assert [call.path for call in gateway.calls] == ["/smart-resize/v1/smart-resize-request"]


def test_a_slow_answer_in_time_is_an_answer(gateway, source):
    gateway.misbehave("slow", where="submit")
    assert client_of(gateway).submit(job(source)).status == JobStatus.QUEUED


def test_the_gateway_says_why_it_refuses(gateway):
    with pytest.raises(Rejected, match="image_url must be an http or https URL"):
        client_of(gateway).submit(job("ftp://site.example/photo.jpg"))


def test_an_odd_answer_still_tells_the_request_id(gateway, source):
    gateway.misbehave("unknown-status", where="submit")
    client = client_of(gateway)
    with pytest.raises(OutcomeUnknown) as raised:
        client.submit(job(source))
    gateway.behave()
    assert client.status(raised.value.request_id).status in JobStatus


def test_a_body_that_breaks_off_still_tells_the_request_id():
    body = b'{"request_id": "smart-resize_1", "status"'
    said = b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n" + body
    with RawServer(said) as server, pytest.raises(OutcomeUnknown) as raised:
        client_at(f"http://{server.authority}/v1").submit(job())
    assert (raised.value.code, raised.value.request_id) == ("broken_off", "smart-resize_1")


@pytest.mark.security("Answers that contradict themselves")
def test_a_declared_failure_that_names_a_request_may_have_bought_it():
    reply = as_json({"error": "Oops", "details": "later", "request_id": "r-1"}, 500)
    with answering(reply) as server, pytest.raises(OutcomeUnknown) as raised:
        client_at(server.origin).submit(job())
    assert raised.value.request_id == "r-1"


def test_a_refusal_stands_without_its_text():
    said = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 900\r\n\r\n{"
    with RawServer(said) as server, pytest.raises(Rejected, match="no reason given"):
        client_at(f"http://{server.authority}/v1").submit(job())


ANSWERS_THAT_ARE_NONE = [
    ("hangs up", b"", "broken_off"),
    ("speaks another protocol", b"SSH-2.0-OpenSSH_9.6\r\n", "broken_off"),
    ("a status of words", b"HTTP/1.1 fine OK\r\n\r\n", "broken_off"),
    ("a header without end", b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", "broken_off"),
    ("headers without end", b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n", "broken_off"),
    (
        "a body that isn't the gzip it says",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
        "broken_off",
    ),
    (
        "chunks of no length",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n",
        "broken_off",
    ),
    ("no content", b"HTTP/1.1 204 No Content\r\n\r\n", "not_json"),
    ("a status that there is not", b"HTTP/1.1 799 Odd\r\nContent-Length: 0\r\n\r\n", "http_799"),
    (
        "a redirect to nonsense",
        b"HTTP/1.1 302 Found\r\nLocation: http://[\r\nContent-Length: 0\r\n\r\n",
        "redirect",
    ),
]


@pytest.mark.security("Malformed answers")
@pytest.mark.parametrize(
    ("said", "code"),
    [a[1:] for a in ANSWERS_THAT_ARE_NONE],
    ids=[a[0] for a in ANSWERS_THAT_ARE_NONE],
)
def test_whatever_comes_back_the_outcome_is_unknown(said, code):
    with RawServer(said) as server, pytest.raises(OutcomeUnknown) as raised:
        client_at(f"http://{server.authority}/v1").submit(job())
    assert raised.value.code == code


# Nothing was sent


def refused_port():
    with socket.create_server(("127.0.0.1", 0)) as closed_soon:
        return closed_soon.getsockname()[1]


@pytest.mark.parametrize(
    ("base_url", "code"),
    [
        ("nonsense", "bad_url"),
        ("", "bad_url"),
        ("ftp://gateway.example", "bad_url"),
        ("http://[::1", "bad_url"),
        ("http://127.0.0.1:port", "bad_url"),
        (f"http://{'a' * 70}.example", "bad_url"),
    ],
)
def test_an_impossible_address_sends_nothing(base_url, code):
    with pytest.raises(NotSent) as raised:
        client_at(base_url).submit(job())
    assert raised.value.code == code


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_refused_connection_sends_nothing(scheme):
    with pytest.raises(NotSent) as raised:
        client_at(f"{scheme}://127.0.0.1:{refused_port()}").submit(job())
    assert raised.value.code == "refused"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_name_that_nobody_knows_sends_nothing(monkeypatch, scheme):
    def unknown(*args, **kwargs):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(NotSent) as raised:
        client_at(f"{scheme}://gateway.example").submit(job())
    assert raised.value.code == "dns"


def test_a_connection_that_is_never_taken_sends_nothing():
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, socket.socket() as first:
        first.connect(full.getsockname())
        with pytest.raises(NotSent) as raised:
            client_at(f"http://127.0.0.1:{full.getsockname()[1]}", seconds=0.1).submit(job())
    assert raised.value.code == "timeout"


@pytest.mark.security("The key in other requests")
@pytest.mark.parametrize(
    ("said", "keep_open", "code"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", False, "tls"),
        (b"", False, "tls"),
        (b"", True, "timeout"),
    ],
    ids=["no TLS there", "hangs up in the handshake", "silent in the handshake"],
)
def test_without_a_secure_connection_nothing_is_sent(said, keep_open, code):
    with RawServer(said, keep_open=keep_open) as server, pytest.raises(NotSent) as raised:
        client_at(f"https://{server.authority}", seconds=patience(code)).submit(job())
    assert raised.value.code in {code, "no_connection"}
    assert not any(KEY.encode() in heard for heard in server.heard)


@pytest.mark.security("Proxies, passwords and cookies")
def test_a_proxy_that_makes_no_connection_sends_nothing_and_sees_no_key(monkeypatch):
    with RawServer(b"HTTP/1.1 503 Not now\r\n\r\n") as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy.authority}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        with pytest.raises(NotSent):
            client_at("https://gateway.example/v1").submit(job())
    assert proxy.heard[0].startswith(b"CONNECT gateway.example:443")
    assert KEY.encode() not in proxy.heard[0]


@pytest.mark.parametrize("key", ["", "  ", "a\nb", "a b", "ключ"])
def test_a_key_that_no_header_can_hold_sends_nothing(gateway, key):
    client = GatewayClient(key, gateway.url)
    with pytest.raises(AccessDenied) as raised:
        client.submit(job())
    with pytest.raises(StatusUnavailable):
        client.status("r")
    assert raised.value.code == "bad_key"
    assert gateway.calls == []


def test_a_key_is_used_without_the_line_end_of_its_file(gateway, source):
    client = GatewayClient(f"{KEY}\n", gateway.url)
    assert client.submit(job(source)).status == JobStatus.QUEUED


# Retry-After


@pytest.mark.security("Endless answers")
@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("2", 2.0),
        ("0", 0.0),
        (" 7 ", 7.0),
        ("86400", 300.0),
        ("9" * 5000, 300.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 300.0),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("Fri, 99 Dec 2026 99:99:99 GMT", None),
        ("Fri, 01 Jan 0001 00:00:00 +2359", 0.0),
    ],
)
def test_retry_after_is_read_and_capped(header, seconds):
    reply = Reply(429, b"", headers={"Retry-After": header})
    with answering(reply) as server, pytest.raises(RateLimited) as raised:
        client_at(server.origin).submit(job())
    assert raised.value.retry_after == seconds


def test_retry_after_may_be_a_date(frozen_time):
    soon = email.utils.formatdate(time.time() + 60, usegmt=True)
    reply = Reply(429, b"", headers={"Retry-After": soon})
    with answering(reply) as server, pytest.raises(RateLimited) as raised:
        client_at(server.origin).submit(job())
    assert raised.value.retry_after == pytest.approx(60, abs=3)


def test_a_pause_without_a_length_is_left_open(gateway):
    gateway.misbehave("429", where="submit")
    with pytest.raises(RateLimited) as raised:
        client_of(gateway).submit(job())
    assert raised.value.retry_after is None


# Asking for the status


@pytest.fixture
def submitted(gateway, source):
    return client_of(gateway).submit(job(source))


QUESTIONS = [
    ("400", "http_400", 1),
    ("401", "http_401", 1),
    ("402", "http_402", 1),
    ("403", "http_403", 1),
    ("404", "http_404", 2),
    ("405", "http_405", 2),
    ("410", "http_410", 2),
    ("422", "http_422", 1),
    ("429", "http_429", 1),
    ("500", "http_500", 3),
    ("500-html", "http_500", 3),
    ("502", "http_502", 3),
    ("503", "http_503", 3),
    ("504", "http_504", 3),
    ("html", "not_json", 3),
    ("half-json", "not_json", 3),
    ("wrong-types", "wrong_type", 3),
    ("unknown-status", "unknown_status", 3),
    ("redirect", "redirect", 1),
    ("redirect-private", "redirect", 1),
    ("reset", "broken_off", 3),
    ("broken-off", "broken_off", 3),
    ("hang", "timeout", 3),
    ("trickle", "timeout", 3),
    ("trickle-head", "timeout", 3),
    ("huge", "too_large", 3),
]


@pytest.mark.parametrize(("word", "code", "polls"), QUESTIONS, ids=[q[0] for q in QUESTIONS])
def test_without_a_status_there_is_one_error_after_few_attempts(
    gateway, submitted, monkeypatch, word, code, polls
):
    monkeypatch.setattr(transport, "MAX_ANSWER_BYTES", 1_000_000)
    gateway.misbehave(word, where="status")
    with pytest.raises(StatusUnavailable) as raised:
        client_of(gateway, seconds=patience(code)).status(submitted.request_id)
    assert raised.value.code == code
    assert wait_for_calls(lambda: gateway.polls, polls) == [submitted.request_id] * polls
    assert len(gateway.requests) == 1


def test_a_passing_fault_is_asked_through(gateway, submitted):
    sleeps = []
    gateway.misbehave("502", times=1, where="status")
    gateway.misbehave("reset", times=1, where="status")
    answer = client_of(gateway, sleeps=sleeps).status(submitted.request_id)
    assert answer.request_id == submitted.request_id
    assert len(gateway.polls) == 3
    assert len(sleeps) == 2
    assert all(0 <= sleep <= 5 for sleep in sleeps)


def test_the_time_for_a_status_is_limited_over_all_attempts(gateway, submitted, monkeypatch):
    monkeypatch.setattr(client_module, "STATUS_TIMEOUT_SECONDS", 0.2)
    gateway.misbehave("hang", where="status")
    with pytest.raises(StatusUnavailable) as raised:
        client_of(gateway, seconds=NEVER_SECONDS).status(submitted.request_id)
    assert raised.value.code == "timeout"
    # The first attempt had all of the time, and left none for another.
    assert wait_for_calls(lambda: gateway.polls, 1) == [submitted.request_id]


@pytest.mark.parametrize("word", ["404", "405", "410"])
def test_the_other_documented_way_is_asked_where_the_first_is_not_there(gateway, submitted, word):
    gateway.misbehave(word, times=1, where="status")
    answer = client_of(gateway).status(submitted.request_id, submitted.polling_url)
    assert answer.request_id == submitted.request_id
    assert [(call.method, call.path) for call in gateway.calls[1:]] == [
        ("GET", f"/v2/requests/status/{submitted.request_id}"),
        ("POST", "/smart-resize/v1/smart-resize-request-result"),
    ]
    assert gateway.calls[2].body == {"request_id": submitted.request_id}


def test_a_wish_for_fewer_questions_is_passed_on(gateway, submitted):
    gateway.misbehave("429-seconds", where="status")
    with pytest.raises(StatusUnavailable) as raised:
        client_of(gateway).status(submitted.request_id)
    assert (raised.value.retry_after, raised.value.transient) == (2.0, False)


def test_an_unreachable_gateway_has_no_status():
    with pytest.raises(StatusUnavailable) as raised:
        client_at(f"http://127.0.0.1:{refused_port()}").status("r")
    assert raised.value.code == "refused"


@pytest.mark.parametrize("base_url", ["nonsense", "http://[::1", ""])
def test_an_impossible_address_has_no_status(base_url):
    with pytest.raises(StatusUnavailable) as raised:
        client_at(base_url).status("r", "https://gateway.example/x")
    assert raised.value.code == "bad_url"


def test_the_gateways_own_polling_url_is_followed():
    asked = []

    def reply(method, path):
        asked.append(path)
        return as_json({"request_id": "r", "status": "PROCESSING"})

    with answering(reply) as server:
        client_at(f"{server.origin}/smart-resize/v1").status("r", f"{server.origin}/v3/a/r?x=1")
    assert asked == ["/v3/a/r?x=1"]


@pytest.mark.parametrize(
    ("address", "followed"),
    [
        ("/v3/jobs/abc-1", True),
        ("/v3/jobs/?id=abc-1&x=2", True),
        ("/v3/jobs/abc%2D1", True),
        ("/v3/jobs/latest", False),
        ("/v3/jobs/abc-10", False),
        ("/v3/jobs/xabc-1", False),
        ("/v3/jobs/", False),
    ],
)
def test_a_polling_url_that_does_not_name_the_request_may_be_anothers(address, followed):
    asked = []

    def reply(method, path):
        asked.append(path)
        return as_json({"status": "COMPLETED", "output": {"media_url": ["https://a.test/1.png"]}})

    with answering(reply) as server:
        client_at(f"{server.origin}/smart-resize/v1").status("abc-1", server.origin + address)
    # requests writes an address in its usual form.
    expected = address.replace("%2D", "-") if followed else "/v2/requests/status/abc-1"
    assert asked == [expected]


@pytest.mark.security("Status addresses on other hosts")
@pytest.mark.parametrize(
    "form",
    [
        "http://127.0.0.1:{other}/taken",
        "http://localhost:{own}/taken",
        "https://127.0.0.1:{own}/taken",
        "http://user:pass@127.0.0.1:{own}/taken",
        "http://127.0.0.1:{own}@127.0.0.1:{other}/taken",
        "http://127.0.0.1:{other}\\@127.0.0.1:{own}/taken",
        "//127.0.0.1:{other}/taken",
        "/taken",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "http://[::1/taken",
        "http://127.0.0.1:{own}0000/taken",
        "taken",
    ],
)
def test_a_foreign_polling_url_is_not_followed(gateway, submitted, form):
    taken = []

    def reply(method, path):
        taken.append(path)
        return as_json({"request_id": "r", "status": "PROCESSING"})

    with answering(reply) as other:
        ports = {"own": gateway.origin.split(":")[2], "other": other.origin.split(":")[2]}
        client_of(gateway).status(submitted.request_id, form.format(**ports))
    assert taken == []
    assert gateway.calls[-1].path == f"/v2/requests/status/{submitted.request_id}"


@pytest.mark.security("Status addresses on other hosts")
def test_a_request_id_is_quoted_into_the_address():
    asked = []

    def reply(method, path):
        asked.append(path)
        return as_json({"images": []})

    with answering(reply) as server:
        client_at(f"{server.origin}/v1").status("../a b?c#d")
    assert asked == ["/v2/requests/status/..%2Fa%20b%3Fc%23d"]


# Connections, and what stays secret


def test_every_request_has_a_connection_of_its_own():
    body = b'{"request_id": "r", "status": "QUEUED"}'
    said = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    with RawServer(said, keep_open=True) as server:
        client = client_at(f"http://{server.authority}")
        assert client.submit(job()) == client.submit(job())
    assert server.connections == 2


def test_a_request_has_the_documented_headers(gateway):
    gateway.misbehave("400", where="submit")
    with pytest.raises(Rejected):
        client_of(gateway).submit(job())
    headers = gateway.calls[0].headers
    assert headers["Ocp-Apim-Subscription-Key"] == KEY
    assert headers["Content-Type"] == "application/json"
    assert headers["Cache-Control"] == "no-cache"
    assert headers["Authorization"] is None


@pytest.mark.security("Proxies, passwords and cookies")
def test_a_plain_gateway_is_asked_without_the_environments_proxy(gateway, source, monkeypatch):
    with RawServer(b"") as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://{proxy.authority}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        client_of(gateway).submit(job(source))
    assert proxy.connections == 0


@pytest.mark.security("The key in logs, pages and records")
def test_an_error_tells_neither_the_key_nor_the_source(caplog):
    caplog.set_level("DEBUG")
    reply = error(400, f"Bad key {KEY}", f"could not read {SIGNED}?x=1")
    with answering(reply) as server, pytest.raises(Rejected) as raised:
        client_at(server.origin).submit(job(SIGNED))
    said = str(raised.value)
    assert "Bad key [key]" in said
    assert "https://site.example/[...]" in said
    assert KEY not in said + caplog.text
    assert "tok.en" not in said + caplog.text


@pytest.mark.security("The key in logs, pages and records")
def test_a_failure_told_by_the_gateway_tells_neither_the_key_nor_the_source():
    reply = as_json({"request_id": "r", "status": "FAILED", "error": f"{KEY} at {SIGNED}"})
    with answering(reply) as server:
        answer = client_at(server.origin).status("r")
    assert answer.error == "[key] at https://site.example/[...]"


@pytest.mark.security("The key in logs, pages and records")
@pytest.mark.parametrize(
    ("word", "code"),
    [("hang", "timeout"), ("reset", "broken_off"), ("half-json", "not_json"), ("401", "http_401")],
)
def test_a_report_with_local_variables_does_not_show_the_key(gateway, source, word, code):
    gateway.misbehave(word, where="submit")
    with pytest.raises(GatewayError) as raised:
        client_of(gateway, seconds=patience(code)).submit(job(source))
    assert raised.value.code == code
    report = traceback.TracebackException.from_exception(raised.value, capture_locals=True)
    frames = [line for line in report.format() if "gateways.py" not in line]
    assert not [line for line in frames if KEY in line and "test_client.py" not in line]


def test_the_client_is_made_from_the_settings(settings, gateway, source):
    settings.WAGTAIL_SMART_RESIZE = {"API_KEY": KEY, "BASE_URL": gateway.url}
    assert GatewayClient.from_settings().submit(job(source)).status == JobStatus.QUEUED
