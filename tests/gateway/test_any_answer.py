"""Whatever a gateway answers, over a real socket: an answer, or one of our errors, and no harm.

`--hypothesis-profile=search` looks further.
"""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.gateways import RawServer, job
from support.waiting import TIMEOUT_SECONDS

from wagtail_smart_resize.exceptions import (
    MAX_DETAIL,
    AccessDenied,
    GatewayError,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    StatusUnavailable,
    Unavailable,
)
from wagtail_smart_resize.gateway import schema
from wagtail_smart_resize.gateway.client import GatewayClient

pytestmark = [pytest.mark.any_version, pytest.mark.security("Any answer at all")]

KEY = "key-of-the-site"
NOT_CHARGED = (AccessDenied, RateLimited, Rejected, Unavailable)

URL = "https://cdn.example/v1/req-1/output_10x10_0.png"
QUEUED = {"request_id": "req-1", "status": "QUEUED", "polling_url": "https://g.example/s/req-1"}
COMPLETED = {
    "request_id": "req-1",
    "status": "COMPLETED",
    "error": None,
    "output": {"media_url": [URL], "media_type": "image/png"},
    "created_at": "2026-03-31T10:00:00.000Z",
}
IMMEDIATE = {"images": [{"file_name": "a.png", "content_type": "image/png", "url": URL}]}
REFUSED = {"error": f"Bad key {KEY}", "details": f"at https://{KEY}@g.example/?{KEY}"}
#: Answers for which something may have been charged, as they are.
TAKEN = [QUEUED, COMPLETED, IMMEDIATE]

statuses = st.sampled_from([200, 201, 202, 204, 299, 302, 400, 401, 402, 404, 413, 422, 429])
statuses |= st.sampled_from([500, 501, 502, 503, 504, 599])


@pytest.fixture(scope="module")
def server():
    with RawServer(b"") as running:
        yield running


def client_of(server):
    client = GatewayClient(
        KEY, f"http://{server.authority}/v1", timeout=(TIMEOUT_SECONDS, TIMEOUT_SECONDS)
    )
    client._sleep = lambda seconds: None
    return client


def said(status, body, *headers):
    lines = [b"HTTP/1.1 %d Said" % status, b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def submitted(server, answer):
    """The answer or the error of ours, both looked over; anything else fails the test."""
    server._said = answer
    server.heard.clear()
    try:
        outcome = client_of(server).submit(job())
    except GatewayError as error:
        outcome = error
    # The server hung up: what waited for more would have waited until its time was over.
    assert getattr(outcome, "code", "") != "timeout"
    assert len(server.heard) == 1
    assert not isinstance(outcome, StatusUnavailable)
    look_over(outcome)
    return outcome


def look_over(outcome):
    if isinstance(outcome, GatewayError):
        assert KEY not in str(outcome)
        assert str(outcome).isprintable()
        assert 0 < len(str(outcome)) <= MAX_DETAIL
        assert len(outcome.code) <= 32
        return
    assert outcome.status in schema.JobStatus
    assert outcome.request_id or outcome.outputs or outcome.status not in schema.UNDER_WAY
    assert len(outcome.outputs) <= schema.MAX_ANSWER_OUTPUTS
    assert outcome.polling_url.isprintable()
    assert KEY not in outcome.error
    for output in outcome.outputs:
        for text in (output.url, output.file_name, output.content_type):
            assert "\0" not in text
            text.encode()


# Changes to real answers


def spliced(body, data):
    """The bytes with some cut out, doubled, changed or put in."""
    for _change in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(body)))
        end = data.draw(st.integers(start, min(len(body), start + 20)))
        put_in = data.draw(
            st.binary(max_size=8)
            | st.sampled_from(
                [b"", b"\0", b"\\u0000", b"\\ud800", b"[", b"{", b'"', b"NaN", b"\xff"]
            )
            | st.just(body[start:end] * 2)
        )
        body = body[:start] + put_in + body[end:]
    return body


words = st.sampled_from(["request_id", "status", "output", "images", "media_url", "url", "error"])
words |= st.text(max_size=6)
atoms = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["QUEUED", "completed", "ERROR", "FAILED", KEY, "req-1", URL, "\0", "a/../b"])
)
values = st.recursive(
    atoms,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
    max_leaves=10,
)


def altered(payload, data):
    """The object with some of its values exchanged, taken away or added."""
    payload = json.loads(json.dumps(payload))
    for _change in range(data.draw(st.integers(1, 3))):
        place = payload
        while data.draw(st.booleans()):
            inner = [each for each in place.values() if isinstance(each, dict)]
            if not inner:
                break
            place = inner[0]
        name = data.draw(st.sampled_from(sorted(place)) if place else words)
        if data.draw(st.booleans()):
            place.pop(name, None)
        else:
            place[data.draw(words | st.just(name))] = data.draw(values)
    return payload


@given(st.sampled_from([*TAKEN, REFUSED]), statuses, st.data())
def test_a_real_answer_with_other_bytes(server, payload, status, data):
    body = spliced(json.dumps(payload).encode(), data)
    outcome = submitted(server, said(status, body))
    if status < 400:
        assert not isinstance(outcome, NOT_CHARGED)
    if isinstance(outcome, OutcomeUnknown) and status != 204 and b'"request_id": "req-1"' in body:
        assert outcome.request_id


@given(st.sampled_from([*TAKEN, REFUSED]), statuses, st.data())
def test_a_real_answer_with_other_values(server, payload, status, data):
    body = json.dumps(altered(payload, data)).encode()
    outcome = submitted(server, said(status, body))
    if status < 400:
        assert not isinstance(outcome, NOT_CHARGED)


@given(st.sampled_from(TAKEN), statuses, st.dictionaries(st.text(max_size=6), values, max_size=4))
@example(QUEUED, 429, {})
@example(QUEUED, 302, {"": {"request_id": "another"}})
@example(IMMEDIATE, 302, {"": {"request_id": "another"}})
@example(IMMEDIATE, 500, {"error": "No", "details": "no"})
def test_what_names_a_request_or_pictures_is_never_not_charged(server, payload, status, more):
    """The parts that say so stand as they are, whatever is said beside them."""
    more = {name: value for name, value in more.items() if name not in COMPLETED | IMMEDIATE}
    outcome = submitted(server, said(status, json.dumps({**more, **payload}).encode()))
    assert not isinstance(outcome, NOT_CHARGED)
    # Without one of its own, an id further in may be meant: wrappers are common.
    if isinstance(outcome, OutcomeUnknown) and status != 204 and "request_id" in payload:
        assert outcome.request_id == payload["request_id"]


@given(st.binary(max_size=300))
@example(b"HTTP/1.1 200 OK\r\n\r\n")
@example(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n{")
def test_any_bytes_in_the_place_of_an_answer(server, answer):
    assert not isinstance(submitted(server, answer), NOT_CHARGED)


header_names = st.sampled_from(
    [b"Content-Length", b"Transfer-Encoding", b"Content-Encoding", b"Content-Type"]
)
header_names |= st.sampled_from([b"Retry-After", b"Set-Cookie", b"Location", b"Connection"])
header_names |= st.sampled_from([b"Date", b"Upgrade", b"", b" ", b"\xff", b":"])
header_values = st.binary(max_size=20) | st.sampled_from(
    [b"chunked", b"gzip", b"br, zstd", b"identity", b"-1", b"0", b"9" * 400, b"close", b"text/html"]
)


@given(statuses, st.lists(st.tuples(header_names, header_values), max_size=5), st.data())
def test_a_real_answer_under_any_headers(server, status, headers, data):
    payload = data.draw(st.sampled_from([*TAKEN, REFUSED]))
    lines = [name + b": " + value for name, value in headers]
    outcome = submitted(server, said(status, json.dumps(payload).encode(), *lines))
    if isinstance(outcome, RateLimited):
        assert outcome.retry_after is None or 0 <= outcome.retry_after <= 300


@given(st.sampled_from([*TAKEN, REFUSED]), statuses, st.data())
def test_any_answer_to_a_question_is_about_our_request_or_none(server, payload, status, data):
    server._said = said(status, json.dumps(altered(payload, data)).encode())
    try:
        answer = client_of(server).status("req-1", data.draw(st.text(max_size=30)))
    except StatusUnavailable as error:
        look_over(error)
    else:
        look_over(answer)
        assert answer.request_id == "req-1"
