"""The forms in which the gateway answers, and what is made of those that it shouldn't use."""

import json

import pytest

from wagtail_smart_resize.core.sizes import Size
from wagtail_smart_resize.exceptions import MAX_DETAIL, NotSent, presentable
from wagtail_smart_resize.gateway.schema import (
    MAX_ANSWER_OUTPUTS,
    Answer,
    GenerateRequest,
    JobStatus,
    MalformedAnswer,
    Output,
    parse_answer,
    parse_error_body,
)

pytestmark = pytest.mark.any_version

PNG = "https://cdn.example/v1/r/output_10x10_0.png"


def output(*names, **more):
    return {"output": {"media_url": [f"https://cdn.example/{name}" for name in names], **more}}


ANSWERS = [
    (
        "queued, as documented",
        {"request_id": "r-1", "status": "QUEUED", "polling_url": "https://g.example/s/r-1"},
        Answer("r-1", JobStatus.QUEUED, "https://g.example/s/r-1"),
    ),
    (
        "completed, as documented",
        {
            "request_id": "r-1",
            "status": "COMPLETED",
            "model_id": "smart-resize",
            "error": None,
            "output": {"media_url": [PNG], "media_type": "image/png"},
            "created_at": "2026-03-31T10:00:00.000Z",
            "updated_at": "2026-03-31T10:00:15.000Z",
            "completed_at": "2026-03-31T10:00:15.000Z",
        },
        Answer(
            "r-1",
            JobStatus.COMPLETED,
            outputs=(Output(PNG, "output_10x10_0.png", "image/png"),),
            seconds=15.0,
        ),
    ),
    (
        "immediate, as documented",
        {"images": [{"file_name": "a.png", "content_type": "image/png", "url": PNG}]},
        Answer("", JobStatus.COMPLETED, outputs=(Output(PNG, "a.png", "image/png"),)),
    ),
    (
        "an image with a URL alone is named after it",
        {"images": [{"url": PNG}]},
        Answer("", JobStatus.COMPLETED, outputs=(Output(PNG, "output_10x10_0.png"),)),
    ),
    (
        "media_url at once, without a request id",
        output("a.png"),
        Answer("", JobStatus.COMPLETED, outputs=(Output("https://cdn.example/a.png", "a.png"),)),
    ),
    (
        "media_url as one string",
        {"request_id": "r", "status": "COMPLETED", "output": {"media_url": PNG}},
        Answer("r", JobStatus.COMPLETED, outputs=(Output(PNG, "output_10x10_0.png"),)),
    ),
    (
        "the images that media_url names count before the others",
        {**output("a.png"), "images": [{"url": PNG}]},
        Answer("", JobStatus.COMPLETED, outputs=(Output("https://cdn.example/a.png", "a.png"),)),
    ),
    (
        "a data URI has no name",
        {"images": [{"url": "data:image/png;base64,AAAA/b.png"}]},
        Answer("", JobStatus.COMPLETED, outputs=(Output("data:image/png;base64,AAAA/b.png"),)),
    ),
    (
        "a query is no part of a name",
        output("a.png?signature=b/c.png"),
        Answer(
            "",
            JobStatus.COMPLETED,
            outputs=(Output("https://cdn.example/a.png?signature=b/c.png", "a.png"),),
        ),
    ),
    (
        "an URL that can't be split is left to the download",
        {"images": [{"url": "http://[oops"}]},
        Answer("", JobStatus.COMPLETED, outputs=(Output("http://[oops"),)),
    ),
    ("no pictures", {"images": []}, Answer("", JobStatus.COMPLETED)),
    (
        "completed with null for pictures",
        {"request_id": "r", "status": "COMPLETED", "output": {"media_url": None}},
        Answer("r", JobStatus.COMPLETED),
    ),
    (
        "in work, with null for the output",
        {"request_id": "r", "status": "PROCESSING", "output": None, "error": None},
        Answer("r", JobStatus.PROCESSING),
    ),
    (
        "a status in small letters",
        {"request_id": "r", "status": "queued"},
        Answer("r", JobStatus.QUEUED),
    ),
    (
        "failed, with the reason",
        {"request_id": "r", "status": "FAILED", "error": "no\nface"},
        Answer("r", JobStatus.FAILED, error="no face"),
    ),
    (
        "failed, with a reason in parts",
        {"request_id": "r", "status": "ERROR", "error": {"code": 7}},
        Answer("r", JobStatus.ERROR, error='{"code": 7}'),
    ),
    (
        "a polling URL with control characters is none",
        {"request_id": "r", "status": "QUEUED", "polling_url": "https://g.example/\r\nX: y"},
        Answer("r", JobStatus.QUEUED),
    ),
    (
        "an endless polling URL is none",
        {"request_id": "r", "status": "QUEUED", "polling_url": "https://g.example/" + "x" * 9999},
        Answer("r", JobStatus.QUEUED),
    ),
]


@pytest.mark.parametrize(
    ("payload", "expected"), [a[1:] for a in ANSWERS], ids=[a[0] for a in ANSWERS]
)
def test_every_form_of_answer_is_read(payload, expected):
    assert parse_answer(json.dumps(payload).encode()) == expected


ODDITIES = [
    ("nothing", b"", "not_json"),
    ("html", b" <!doctype html><p>Sorry</p>", "not_json"),
    ("half", b'{"request_id": "r", "status": "QUE', "not_json"),
    ("not text", b"\xff\xfe\xfd\xfc\x00", "not_json"),
    ("a number with no end", b"[" + b"9" * 5000 + b"]", "not_json"),
    ("deeper than Python goes", b"[" * 10_000, "not_json"),
    ("null", b"null", "wrong_type"),
    ("a list", b"[]", "wrong_type"),
    ("empty", b"{}", "no_request_id"),
    ("an error body alone", b'{"error": "x", "details": "y"}', "no_request_id"),
    ("id of the wrong type", b'{"request_id": 7, "status": "QUEUED"}', "wrong_type"),
    ("id with a path in it", b'{"request_id": "../x", "status": "QUEUED"}', "bad_request_id"),
    ("id with spaces", b'{"request_id": "a b", "status": "QUEUED"}', "bad_request_id"),
    (
        "id with no end",
        b'{"request_id": "%s", "status": "QUEUED"}' % (b"x" * 201),
        "bad_request_id",
    ),
    ("no status", b'{"request_id": "r"}', "wrong_type"),
    ("status of the wrong type", b'{"request_id": "r", "status": ["QUEUED"]}', "wrong_type"),
    ("status unknown", b'{"request_id": "r", "status": "PAUSED"}', "unknown_status"),
    (
        "polling URL a number",
        b'{"request_id": "r", "status": "QUEUED", "polling_url": 1}',
        "wrong_type",
    ),
    ("output a string", b'{"request_id": "r", "status": "COMPLETED", "output": "x"}', "wrong_type"),
    ("media_url a number", b'{"output": {"media_url": 7}}', "wrong_type"),
    ("media_url holds a null", b'{"output": {"media_url": [null]}}', "wrong_type"),
    ("media_type a list", b'{"output": {"media_url": ["x"], "media_type": []}}', "wrong_type"),
    ("images an object", b'{"images": {"url": "x"}}', "wrong_type"),
    ("images hold strings", b'{"images": ["x"]}', "wrong_type"),
    ("an image without URL", b'{"images": [{}]}', "wrong_type"),
    ("a file name that is a number", b'{"images": [{"url": "x", "file_name": 1}]}', "wrong_type"),
]


@pytest.mark.security("Malformed answers")
@pytest.mark.parametrize(("body", "code"), [o[1:] for o in ODDITIES], ids=[o[0] for o in ODDITIES])
def test_every_oddity_has_a_code(body, code):
    with pytest.raises(MalformedAnswer) as raised:
        parse_answer(body)
    assert raised.value.code == code


@pytest.mark.parametrize(
    ("body", "request_id"),
    [
        (b'{"request_id": "r-1", "status": "QUE', "r-1"),
        (b'{"request_id":"r-1","status":"PAUSED"}', "r-1"),
        (b'{"request_id": "../x", "status": "QUEUED"}', ""),
        (b'{"request_id": "r-', ""),
        (b"<html>", ""),
    ],
    ids=["half", "odd status", "not an id", "cut in the id", "no id"],
)
def test_what_can_be_read_of_a_request_id_is_kept(body, request_id):
    with pytest.raises(MalformedAnswer) as raised:
        parse_answer(body)
    assert raised.value.request_id == request_id


@pytest.mark.security("Endless answers")
def test_a_list_of_outputs_without_end_is_cut():
    answer = parse_answer(json.dumps(output(*map(str, range(MAX_ANSWER_OUTPUTS + 50)))).encode())
    assert len(answer.outputs) == MAX_ANSWER_OUTPUTS


def test_a_job_is_sent_with_every_field_of_the_reference():
    job = GenerateRequest(
        image_url="https://site.example/x",
        target_sizes=(Size(1024, 1024), Size(1920, 1080)),
        prompt="keep face centered",
        num_images_per_size=2,
        resolution="2K",
        output_format="webp",
        safety_tolerance="5",
        seed=42,
        sync_mode=True,
    )
    assert job.payload() == {
        "image_url": "https://site.example/x",
        "target_sizes": ["1024x1024", "1920x1080"],
        "prompt": "keep face centered",
        "num_images_per_size": 2,
        "resolution": "2K",
        "output_format": "webp",
        "safety_tolerance": "5",
        "seed": 42,
        "sync_mode": True,
    }


def test_what_a_job_leaves_open_is_left_to_the_gateway():
    payload = GenerateRequest("https://site.example/x", (Size(10, 10),)).payload()
    assert {"prompt", "safety_tolerance", "seed"}.isdisjoint(payload)


def test_a_seed_of_nought_is_a_seed():
    assert GenerateRequest("https://site.example/x", (Size(10, 10),), seed=0).payload()["seed"] == 0


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"error": "Invalid sizes", "details": "Use WxH"}', "Invalid sizes: Use WxH"),
        (b'{"error": "Invalid sizes"}', "Invalid sizes"),
        (b'{"error": "Invalid sizes", "details": 7}', "Invalid sizes"),
        (b'{"error": " "}', ""),
        (b'{"error": {"code": 1}}', ""),
        (b'{"message": "no"}', ""),
        (b"[]", ""),
        (b"<html>", ""),
    ],
    ids=[
        "documented",
        "no details",
        "odd details",
        "blank",
        "not text",
        "another form",
        "a list",
        "html",
    ],
)
def test_only_the_documented_error_body_says_why(body, text):
    assert parse_error_body(body) == text


@pytest.mark.security("Control characters in texts")
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\r\nb\x00c\x1b[31m", "a b c [31m"),
        ("rtl \u202eevil", "rtl evil"),
        ("lone \ud800 surrogate", "lone surrogate"),
        (
            "see https://site.example/s/tok.en:x?a=b, please",
            "see https://site.example/[...] please",
        ),
        ("see HTTP://Site.example", "see HTTP://Site.example"),
        ("https://u:p@site.example/x", "https://site.example/[...]"),
        ("got data:image/png;base64,AAAA==", "got data:[...]"),
        ("your key s3cret is bad", "your key [key] is bad"),
        ("<b>bold</b>", "<b>bold</b>"),
    ],
    ids=["control", "bidi", "surrogate", "url", "host", "userinfo", "data", "key", "markup stays"],
)
def test_text_from_elsewhere_is_one_line_that_gives_nothing_away(text, shown):
    assert presentable(text, secret="s3cret") == shown


def test_a_long_detail_is_cut():
    error = NotSent("refused", "x" * 5000)
    assert len(str(error)) == MAX_DETAIL
