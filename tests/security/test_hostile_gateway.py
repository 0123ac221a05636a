"""A gateway that means ill, over real sockets: what it says never costs, harms or hangs."""

import base64
import contextlib
import dataclasses
import gzip
import json
import re
import socket
import ssl
import threading
import zlib
from types import SimpleNamespace

import pytest
import trustme
from support.factories import picture, plain_image
from support.gateways import KEY, RawServer, answering, job
from support.loopback import answer, serve
from support.memory import traced_memory
from support.purchases import Purchase, again, candidates, only, want
from support.waiting import TIMEOUT_SECONDS

from wagtail_smart_resize.exceptions import (
    DownloadError,
    GatewayError,
    OutcomeUnknown,
    RateLimited,
    StatusUnavailable,
)
from wagtail_smart_resize.gateway import deadlines, schema, transport
from wagtail_smart_resize.gateway.client import GatewayClient
from wagtail_smart_resize.models import GatewayRequest
from wagtail_smart_resize.sandbox.faults.words import Step
from wagtail_smart_resize.sandbox.responses import Reply, as_json

pytestmark = pytest.mark.any_version

QUEUED = {"request_id": "req-1", "status": "QUEUED"}
PICTURES = {"images": [{"url": "https://cdn.example/a.png"}]}


def client_at(base_url, seconds=TIMEOUT_SECONDS):
    return GatewayClient(KEY, base_url, timeout=(seconds, seconds), sleep=lambda _: None)


def whole(body, *headers, status=b"200 OK"):
    """An answer as it goes over the wire."""
    head = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def submitted_to(said, seconds=TIMEOUT_SECONDS, **changes):
    """Return what the client makes of these bytes: an answer or an error of ours, nothing else."""
    with RawServer(said) as server:
        client = client_at(f"http://{server.authority}/v1", seconds)
        try:
            return client.submit(dataclasses.replace(job(), **changes))
        except GatewayError as error:
            return error


# Answers without end


class Endless:
    """Says a beginning, then the same again and again until nobody listens."""

    def __init__(self, beginning, again, most=200_000_000):
        self.sent = 0
        self.cut_off = False
        self._said = (beginning, again, most)
        self._socket = socket.create_server(("127.0.0.1", 0))

    def __enter__(self):
        self._thread = threading.Thread(target=self._speak)
        self._thread.start()
        return self

    @property
    def url(self):
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"

    def __exit__(self, *exception):
        self._socket.close()
        self._thread.join()

    def _speak(self):
        beginning, again, most = self._said
        connection, _ = self._socket.accept()
        with connection:
            try:
                connection.recv(65536)
                connection.sendall(beginning)
                while self.sent < most:
                    connection.sendall(again)
                    self.sent += len(again)
            except OSError:
                self.cut_off = True


ENDLESS = {
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 1000),
    "a header": (b"HTTP/1.1 200 OK\r\nX: ", b"y" * 10_000),
    "a status line": (b"HTTP/1.1 200 ", b"O" * 10_000),
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    "other interim answers": (b"", b"HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n" * 1000),
    "a body": (b"HTTP/1.1 200 OK\r\n\r\n{", b" " * 60_000),
    "chunks": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"ea60\r\n" + b" " * 60_000 + b"\r\n",
    ),
    "the size of a chunk": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"0" * 10_000,
    ),
    "trailers": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
        b"X: y\r\n" * 1000,
    ),
}


@pytest.mark.security("Endless answers")
@pytest.mark.parametrize("said", ENDLESS.values(), ids=ENDLESS)
def test_an_answer_without_end_ends_at_a_limit(said, monkeypatch):
    monkeypatch.setattr(transport, "MAX_ANSWER_BYTES", 1_000_000)
    with Endless(*said) as far_end:
        # All of the client's time passes with what comes in it, on machines however slow.
        passed = SimpleNamespace(monotonic=lambda: 2 * TIMEOUT_SECONDS * far_end.sent / 8_000_000)
        monkeypatch.setattr(deadlines, "time", passed)
        with traced_memory() as peak, pytest.raises(OutcomeUnknown) as raised:
            client_at(far_end.url).submit(job())
    assert far_end.cut_off
    assert raised.value.code in {"broken_off", "timeout", "too_large", "not_json"}
    assert peak.most_bytes < 30_000_000


@pytest.mark.security("Endless answers")
def test_a_gigantic_pause_is_cut():
    error = submitted_to(whole(b"", b"Retry-After: " + b"9" * 4000, status=b"429 Slow down"))
    assert (type(error), error.retry_after) == (RateLimited, 300)


@pytest.mark.security("Endless answers")
def test_thousands_of_outputs_are_cut():
    images = [{"url": f"https://cdn.example/{number}.png"} for number in range(5_000)]
    said = submitted_to(whole(json.dumps({"images": images}).encode()))
    assert len(said.outputs) == schema.MAX_ANSWER_OUTPUTS


@pytest.mark.security("Endless answers")
def test_redirects_are_not_followed_however_many():
    asked = []

    def reply(method, path):
        asked.append(path)
        return Reply(307, b"", headers={"Location": f"/{len(asked)}"})

    with answering(reply) as server, pytest.raises(OutcomeUnknown):
        client_at(server.origin).submit(job())
    with answering(reply) as server, pytest.raises(StatusUnavailable):
        client_at(server.origin).status("r")
    assert len(asked) == 2


# Compressed, unasked


def deflated_to_much(megabytes=400):
    """A body that unpacks to so much, made without having it."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = [packer.compress(b" " * 1_000_000) for _ in range(megabytes)]
    return b"".join([*packed, packer.flush()])


@pytest.mark.security("Decompression bombs")
@pytest.mark.parametrize("times", [1, 2, 3])
def test_an_answer_that_unpacks_to_much_is_cut_in_bounded_memory(times, monkeypatch):
    monkeypatch.setattr(transport, "MAX_ANSWER_BYTES", 1_000_000)
    body = deflated_to_much()
    for _ in range(times - 1):
        body = gzip.compress(body)
    said = whole(body, b"Content-Encoding: " + b", ".join([b"gzip"] * times))
    with traced_memory() as peak:
        error = submitted_to(said)
    assert (type(error), error.code) == (OutcomeUnknown, "too_large")
    assert peak.most_bytes < 40_000_000


@pytest.mark.security("Malformed answers")
def test_a_chain_of_encodings_without_end_is_no_answer():
    said = whole(b"x", b"Content-Encoding: " + b", ".join([b"gzip"] * 500))
    assert submitted_to(said).code == "broken_off"


# Answers that are none

OK = json.dumps(QUEUED).encode()
NONE = {
    "HTTP/0.9": OK,
    "a status of letters": b"HTTP/1.1 two hundred\r\n\r\n",
    "a status without an end": b"HTTP/1.1 20000000000000000000000 OK\r\n\r\n",
    "a negative status": b"HTTP/1.1 -200 OK\r\n\r\n",
    "another protocol's version": b"HTTP/7.7 200 OK\r\nContent-Length: 0\r\n\r\n",
    "NUL in the status line": b"HTTP/1.1 200\x00 OK\r\n\r\n",
    "an answer to CONNECT": b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03",
    "lengths that contradict each other": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
    b"Content-Length: 40\r\n\r\n{}",
    "a negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}",
    "a length that is no number": b"HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\n[]",
    "chunked and with a length": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "a chunk of negative length": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\n{}",
    "chunked in another spelling": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n{}",
    "folded headers": b"HTTP/1.1 200 OK\r\nX: y\r\n Content-Length: 9\r\n\r\n{}",
    "deep lists": whole(b"[" * 100_000 + b"]" * 100_000),
    "deep objects": whole(b'{"a":' * 100_000),
    "a number without end": whole(b'{"request_id": %s}' % (b"9" * 100_000)),
    "NaN for an id": whole(b'{"request_id": NaN, "status": "QUEUED"}'),
    "infinity for a status": whole(b'{"request_id": "r", "status": 1e999}'),
    "another id with a path": whole(b'{"request_id": "r/../../x", "status": "QUEUED"}'),
    "a byte order mark of another coding": whole(OK.decode().encode("utf-16")[:31]),
    "a web page": whole(b"<!doctype html><script>alert(1)</script>"),
}


@pytest.mark.security("Malformed answers")
@pytest.mark.parametrize("said", NONE.values(), ids=NONE)
def test_what_is_no_answer_leaves_the_outcome_unknown(said):
    error = submitted_to(said)
    assert type(error) is OutcomeUnknown
    assert str(error)


@pytest.mark.security("Malformed answers")
def test_of_two_answers_in_one_the_first_counts():
    other = json.dumps({"request_id": "smuggled", "status": "QUEUED"}).encode()
    assert submitted_to(whole(OK) + whole(other)).request_id == "req-1"


@pytest.mark.security("Malformed answers")
def test_a_key_that_is_said_twice_gives_one_answer():
    said = submitted_to(whole(b'{"request_id": "a", "request_id": "b", "status": "QUEUED"}'))
    assert said.request_id == "b"


@pytest.mark.security("Malformed answers")
@pytest.mark.parametrize("kind", ["text/html", "image/png", "application/x-php", "\xff"])
def test_a_lie_about_its_type_changes_nothing(kind):
    said = whole(OK, b"Content-Type: " + kind.encode("latin-1"))
    assert submitted_to(said).request_id == "req-1"


# Answers that contradict themselves

REFUSALS = [400, 401, 402, 403, 404, 413, 422, 429, 500, 502, 503, 504]


@pytest.mark.security("Answers that contradict themselves")
@pytest.mark.parametrize("status", REFUSALS)
@pytest.mark.parametrize("body", [QUEUED, PICTURES], ids=["a request", "pictures"])
def test_a_refusal_that_names_something_bought_is_no_refusal(status, body):
    reply = as_json({"error": "No", "details": "no", **body}, status)
    with answering(reply) as server, pytest.raises(OutcomeUnknown) as raised:
        client_at(server.origin).submit(job())
    assert raised.value.request_id == body.get("request_id", "")


@pytest.mark.security("Answers that contradict themselves")
@pytest.mark.parametrize(
    "body", [{"request_id": "req-1"}, {"request_id": "req-1", "status": "error"}]
)
def test_a_refusal_that_is_only_numbered_stays_one(body):
    reply = as_json({"error": "Slow down", "details": "later", **body}, 429)
    with answering(reply) as server, pytest.raises(RateLimited):
        client_at(server.origin).submit(job())


@pytest.mark.security("Answers that contradict themselves")
def test_the_answer_to_somebody_elses_request_is_none():
    reply = as_json({"request_id": "theirs", "status": "COMPLETED", **PICTURES})
    with answering(reply) as server, pytest.raises(StatusUnavailable) as raised:
        client_at(server.origin).status("ours")
    assert raised.value.code == "other_request"


@pytest.mark.django_db
@pytest.mark.security("Answers that contradict themselves")
def test_an_error_that_shows_pictures_is_not_asked_for_again(gateway, run):
    (row,) = want(plain_image(400, 300), "200x200")
    body = {"request_id": "req-1", "status": "ERROR", "error": "Oops", **PICTURES}
    with submissions_answered(gateway, as_json(body)):
        run()
    assert len(gateway.requests) == 1
    assert only(GatewayRequest).charged == "unknown"
    assert again(row).failure_code == "failed"


@contextlib.contextmanager
def submissions_answered(gateway, reply):
    """Let the sandbox give this answer to each submission."""
    handler, own = gateway._handler, gateway._handler.answer

    def spoken(call, origin):
        return (reply, "") if call.step is Step.SUBMIT else own(call, origin)

    handler.answer = spoken
    try:
        yield
    finally:
        handler.answer = own


# What no database takes


@pytest.mark.django_db
@pytest.mark.security("Control characters in texts")
@pytest.mark.parametrize("sign", ["\0", "\ud800"], ids=["NUL", "half of a pair"])
@pytest.mark.parametrize("place", ["url", "file_name", "content_type"])
def test_an_answer_with_signs_that_no_database_takes_is_written_down(gateway, run, sign, place):
    """PostgreSQL refuses them in JSON: the answer, and what was paid for, would be lost."""
    (row,) = want(plain_image(400, 300), "200x200")
    image = {"url": f"{gateway.origin}/none.png", "file_name": "a.png", "content_type": "image/png"}
    image[place] += sign
    with submissions_answered(gateway, as_json({"images": [image]})):
        run(4)
    request = only(GatewayRequest)
    assert (request.charged, request.outputs_received) == ("yes", 1)
    assert all(sign not in text for text in request.outputs[0].values())
    assert again(row).purchase in {Purchase.REQUESTED, Purchase.FAILED}


# File names

NAMES = {
    "a path": "../../../../../../tmp/x_{size}.png",
    "an absolute path": "/etc/cron.d/x_{size}.png",
    "a path of Windows": "..\\..\\C:\\x_{size}.png",
    "a share": "\\\\host\\share\\{size}.png",
    "a device": "CON_{size}.png",
    "a stream": "x_{size}.png::$DATA",
    "NUL": "x_{size}.php\0.png",
    "without end": "x_{size}" + "y" * 100_000 + ".png",
    "turned around": "x_{size}_\u202egnp.exe",
    "a program": "x_{size}.php",
    "a page": "x_{size}.svg.html",
    "an ending that doesn't fit": "x_{size}.gif",
    "of the server": ".htaccess",
    "composed signs": "x_{size}_\ufb01\u0301\u2024\u2025\uff0f.png",
    "nothing": "",
    "dots": "..",
    "encoded": "%2e%2e%2f{size}.png",
    "a command": "x;{size}|rm -rf *.png",
}


@pytest.mark.django_db
@pytest.mark.security("File names from the network")
@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_name_from_the_network_reaches_no_storage(gateway, run, name):
    image = plain_image(400, 300)
    (row,) = want(image, "200x200")
    uri = "data:image/x-php;base64," + base64.b64encode(picture(256, 256, format="JPEG")).decode()
    named = {"url": uri, "file_name": name.format(size="256x256"), "content_type": "text/x-php"}
    with submissions_answered(gateway, as_json({"images": [named]})):
        run()
    (candidate,) = candidates(row)
    form = rf"smart_resize/{image.pk}/[A-Za-z0-9_-]+\.jpeg"
    assert re.fullmatch(form, candidate.file.name)


# What surrounds a request


@pytest.fixture
def secure_gateway(monkeypatch, tmp_path):
    """A gateway over TLS that notes what it is asked, and sets a cookie."""
    authority = trustme.CA()
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(bundle)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    body = json.dumps({"request_id": "r", "status": "PROCESSING"}).encode()
    routes = {"/v2/requests/status/r": answer(body, Set_Cookie="session=1; Path=/")}
    with serve(routes, context) as server:
        yield server


@pytest.mark.security("Proxies, passwords and cookies")
def test_no_password_of_this_machine_and_no_cookie_goes_to_the_gateway(
    secure_gateway, monkeypatch, tmp_path
):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret")
    monkeypatch.setenv("NETRC", str(netrc))
    client = client_at(f"https://127.0.0.1:{secure_gateway.server_port}/v1")
    client.status("r")
    client.status("r")
    (_path, first), (_path, second) = secure_gateway.asked
    for headers in (first, second):
        assert headers["Ocp-Apim-Subscription-Key"] == KEY
        assert headers.keys().isdisjoint({"Authorization", "Cookie", "Proxy-Authorization"})


@pytest.mark.security("Proxies, passwords and cookies")
def test_a_certificate_for_another_name_gets_no_key(secure_gateway, monkeypatch):
    lookup = socket.getaddrinfo

    def here(host, *args, **kwargs):
        return lookup("127.0.0.1" if host == "gateway.example" else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", here)
    client = client_at(f"https://gateway.example:{secure_gateway.server_port}/v1")
    with pytest.raises(StatusUnavailable) as raised:
        client.status("r")
    assert raised.value.code == "tls"
    assert secure_gateway.asked == []


@pytest.mark.security("Status addresses on other hosts")
@pytest.mark.parametrize(
    ("base_url", "polling_url"),
    [
        ("https://me:word@gateway.example/v1", "x@evil.example/"),
        ("https://me:word@gateway.example/v1", ".evil.example/"),
        ("https://gateway.example\\x/v1", ".evil.example/"),
        ("http://[::1", "http://[::1/x"),
        ("gateway.example/v1", "evil.example/v1"),
    ],
)
def test_an_odd_base_address_lets_no_answer_choose_where_the_key_goes(base_url, polling_url):
    """Two addresses that can't be understood are not the same address."""
    client = client_at(base_url)
    assert client._status_url("r", polling_url) == client._status_url("r", "")


# Data URIs


@pytest.mark.security("Decompression bombs")
def test_a_data_uri_without_end_is_not_unpacked():
    from wagtail_smart_resize.gateway.downloads import MAX_DOWNLOAD_BYTES, download

    uri = "data:image/png;base64," + "%41" * (MAX_DOWNLOAD_BYTES // 2)
    with pytest.raises(DownloadError) as raised:
        download(schema.Output(uri), gateway_url="https://gateway.example")
    assert raised.value.code == "too_large"


# Interim answers


INTERIM = {
    "processing": b"HTTP/1.1 102 Processing\r\n\r\n",
    "early hints": b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n",
    "continue": b"HTTP/1.1 100 Continue\r\n\r\n",
    "one that nobody knows": b"HTTP/1.1 199 Wait\r\nX-Wait: 1\r\n\r\n",
}


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("interim", INTERIM.values(), ids=INTERIM)
def test_interim_answers_come_before_the_real_one(interim, times):
    said = whole(b'{"request_id": "abc", "status": "QUEUED"}')
    assert submitted_to(interim * times + said).request_id == "abc"


def test_interim_answers_of_several_kinds():
    said = whole(b'{"request_id": "abc", "status": "QUEUED"}')
    assert submitted_to(b"".join(INTERIM.values()) + said).request_id == "abc"


@pytest.mark.parametrize("status", [b"400 Bad Request", b"401 No", b"503 Busy", b"429 Slow down"])
def test_a_refusal_after_them_is_that_refusal(status):
    refusal = whole(b"{}", status=status)
    assert submitted_to(INTERIM["processing"] + refusal).code == f"http_{status[:3].decode()}"


# Large answers


LARGE = {
    "many values": b'{"request_id": "abc", "x": [' + b"1," * 1_900_000 + b"1]}",
    "many objects": b'{"request_id": "abc", "x": [' + b"{}," * 1_000_000 + b"{}]}",
    "many names": b'{"request_id": "abc"' + b',"a":1' * 600_000 + b"}",
    "depth": b'{"request_id": "abc", "x": ' + b"[" * 1_900_000 + b"]" * 1_900_000 + b"}",
    "depth in objects": b'{"request_id": "abc", "x": ' + b'{"a":' * 700_000,
    "more than a few megabytes": b'{"request_id": "abc", "x": "' + b"y" * 60_000_000 + b'"}',
}


@pytest.mark.security("Endless answers")
@pytest.mark.parametrize("body", LARGE.values(), ids=LARGE)
def test_a_large_answer_takes_little_memory_and_keeps_its_id(body):
    said = whole(body)
    with traced_memory() as peak:
        error = submitted_to(said)
    assert (type(error), error.code, error.request_id) == (OutcomeUnknown, "too_large", "abc")
    assert peak.most_bytes < 30_000_000


def test_pictures_that_were_asked_for_in_the_answer_may_be_large():
    uri = "data:image/png;base64," + "A" * 6_000_000
    body = json.dumps({"images": [{"url": uri}], "status": "COMPLETED"}).encode()
    assert len(submitted_to(whole(body), sync_mode=True).outputs[0].url) > 6_000_000
    assert submitted_to(whole(body)).code == "too_large"
