"""The sandbox: true to the reference, wrong on request, gone when it stops."""

import base64
import email.utils
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
import requests
from django.core.management import BaseCommand, CommandError, call_command
from PIL import Image, ImageChops, ImageOps
from support.gateways import KEY, RawServer, answering, client_of, finished, job, picture
from support.paths import PAGES, TESTS
from support.waiting import NEVER_SECONDS, TIMEOUT_SECONDS, join, until

from wagtail_smart_resize.exceptions import AccessDenied, OutcomeUnknown
from wagtail_smart_resize.gateway.client import GatewayClient, JobStatus
from wagtail_smart_resize.management.commands.smart_resize_sandbox import Command
from wagtail_smart_resize.sandbox import SandboxGateway, jobs
from wagtail_smart_resize.sandbox.faults.words import WORDS, Step
from wagtail_smart_resize.sandbox.recompose import open_picture, recompose
from wagtail_smart_resize.sandbox.responses import Reply, page

pytestmark = pytest.mark.any_version

PAGE = PAGES["sandbox"]
HEADERS = {"Ocp-Apim-Subscription-Key": KEY}


@pytest.fixture
def gateway():
    with SandboxGateway(key=KEY, fetch_seconds=TIMEOUT_SECONDS) as running:
        yield running


@pytest.fixture
def source():
    with answering(Reply(200, picture((600, 400)), "image/png")) as listener:
        yield f"{listener.origin}/photo.png"


def post(gateway, payload, path="smart-resize-request", **headers):
    url = f"{gateway.url}/{path}"
    return requests.post(url, json=payload, headers={**HEADERS, **headers}, timeout=TIMEOUT_SECONDS)


def order(source, **fields):
    return {"image_url": source, "target_sizes": ["60x60"], **fields}


def completed(gateway, payload):
    """Submit, wait, and give the last answer to the question for the status."""
    queued = post(gateway, payload).json()

    def ending():
        told = requests.get(queued["polling_url"], headers=HEADERS, timeout=TIMEOUT_SECONDS).json()
        return None if told["status"] in {"QUEUED", "PROCESSING"} else told

    return until(ending, "the job had ended")


def urls_of(told):
    return told["output"]["media_url"]


def names_of(told):
    return [url.rpartition("/")[2] for url in urls_of(told)]


def opened(content):
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def fetched(url):
    return opened(requests.get(url, timeout=TIMEOUT_SECONDS).content)


# The reference


def test_a_submission_is_answered_as_documented(gateway, source):
    response = post(gateway, order(source))
    body = response.json()
    assert response.status_code == 200
    assert list(body) == ["request_id", "status", "polling_url"]
    assert re.fullmatch(r"smart-resize_[0-9a-f-]{36}", body["request_id"])
    assert body["polling_url"] == f"{gateway.origin}/v2/requests/status/{body['request_id']}"


def test_a_completed_request_is_told_as_documented(gateway, source):
    told = completed(gateway, order(source, target_sizes=["60x60", "80x40"]))
    assert told["status"] == "COMPLETED"
    assert told["model_id"] == "smart-resize"
    assert told["error"] is None
    assert told["output"]["media_type"] == "image/png"
    root = f"{gateway.origin}/results/{told['request_id']}"
    assert urls_of(told) == [f"{root}/output_60x60_0.png", f"{root}/output_80x40_0.png"]
    times = [told[name] for name in ("created_at", "updated_at", "completed_at")]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", moment) for moment in times)


def test_the_status_moves_on_with_time(source, monkeypatch):
    now, seen = time.time(), []
    monkeypatch.setattr(jobs, "time", SimpleNamespace(time=lambda: now))
    with SandboxGateway(key=KEY, latency=30, fetch_seconds=TIMEOUT_SECONDS) as gateway:
        client = client_of(gateway)
        answer = client.submit(job(source))
        gateway.settle(TIMEOUT_SECONDS)
        for _ in range(4):
            seen.append(client.status(answer.request_id).status)
            now += 9
        seen.append(client.status(answer.request_id).status)
    assert list(dict.fromkeys(seen)) == [
        JobStatus.QUEUED,
        JobStatus.PROCESSING,
        JobStatus.COMPLETED,
    ]


def test_both_ways_tell_the_same(gateway, source):
    told = completed(gateway, order(source))
    request_id = {"request_id": told["request_id"]}
    other = post(gateway, request_id, "smart-resize-request-result").json()
    assert (other["status"], other["output"]) == (told["status"], told["output"])


@pytest.mark.parametrize("output_format", ["jpeg", "png", "webp"])
def test_pictures_have_the_size_and_the_format_asked_for(gateway, source, output_format):
    sizes = ["60x60", "120x40", "33x77"]
    payload = order(source, target_sizes=sizes, output_format=output_format, resolution="2K")
    told = completed(gateway, payload)
    pictures = [fetched(url) for url in urls_of(told)]
    assert [f"{image.width}x{image.height}" for image in pictures] == sizes
    assert {image.format for image in pictures} == {output_format.upper()}


def test_each_size_is_given_as_often_as_asked_for(gateway, source):
    payload = order(source, target_sizes=["60x60", "80x40"], num_images_per_size=2)
    assert names_of(completed(gateway, payload)) == [
        "output_60x60_0.png",
        "output_60x60_1.png",
        "output_80x40_0.png",
        "output_80x40_1.png",
    ]


def test_sync_mode_gives_the_pictures_themselves(gateway, source):
    (uri,) = urls_of(completed(gateway, order(source, sync_mode=True)))
    header, _, data = uri.partition(",")
    assert header == "data:image/png;base64"
    assert opened(base64.b64decode(data)).size == (60, 60)


def test_the_same_seed_gives_the_same_picture_and_another_another(gateway, source):
    def bytes_with(seed):
        (url,) = urls_of(completed(gateway, order(source, seed=seed)))
        return requests.get(url, timeout=TIMEOUT_SECONDS).content

    assert bytes_with(1) == bytes_with(1)
    assert bytes_with(1) != bytes_with(2)


def test_without_a_seed_every_picture_is_another(gateway, source):
    first, second = (urls_of(completed(gateway, order(source)))[0] for _ in range(2))
    assert (
        requests.get(first, timeout=TIMEOUT_SECONDS).content
        != requests.get(second, timeout=TIMEOUT_SECONDS).content
    )


REFUSED = [
    ({"image_url": None}, "Invalid image_url"),
    ({"image_url": "photo.jpg"}, "Invalid image_url"),
    ({"image_url": "file:///etc/passwd"}, "Invalid image_url"),
    ({"image_url": "http://[x"}, "Invalid image_url"),
    ({"target_sizes": []}, "Invalid target_sizes format"),
    ({"target_sizes": "60x60"}, "Invalid target_sizes format"),
    ({"target_sizes": ["60*60"]}, "Invalid target_sizes format"),
    ({"target_sizes": ["0x60"]}, "Invalid target_sizes format"),
    ({"target_sizes": [60]}, "Invalid target_sizes format"),
    ({"target_sizes": ["60x10001"]}, "Invalid target_sizes format"),
    ({"prompt": 7}, "Invalid prompt"),
    ({"num_images_per_size": 0}, "Invalid num_images_per_size"),
    ({"num_images_per_size": "2"}, "Invalid num_images_per_size"),
    ({"num_images_per_size": True}, "Invalid num_images_per_size"),
    ({"num_images_per_size": 101}, "Invalid num_images_per_size"),
    ({"resolution": "8K"}, "Invalid resolution"),
    ({"resolution": ["2K"]}, "Invalid resolution"),
    ({"output_format": "avif"}, "Invalid output_format"),
    ({"safety_tolerance": 4}, "Invalid safety_tolerance"),
    ({"seed": "42"}, "Invalid seed"),
    ({"sync_mode": 1}, "Invalid sync_mode"),
    ({"size": "60x60"}, "Invalid size"),
]


@pytest.mark.parametrize(("fields", "message"), REFUSED, ids=[str(r[0]) for r in REFUSED])
def test_an_invalid_field_is_refused_as_documented(gateway, fields, message):
    response = post(gateway, order("http://127.0.0.1:9/x", **fields))
    assert response.status_code == 400
    assert list(response.json()) == ["error", "details"]
    assert response.json()["error"] == message


def test_the_documented_refusal_has_the_documented_words(gateway):
    assert post(gateway, order("http://127.0.0.1:9/x", target_sizes=["big"])).json() == {
        "error": "Invalid target_sizes format",
        "details": "Each item in target_sizes must be in format 'widthxheight'",
    }


@pytest.mark.parametrize("missing", ["image_url", "target_sizes"])
def test_a_required_field_is_required(gateway, missing):
    payload = order("http://127.0.0.1:9/x")
    del payload[missing]
    response = post(gateway, payload)
    assert (response.status_code, response.json()["error"]) == (400, f"Missing {missing}")


@pytest.mark.parametrize("payload", [[], None, "text"])
def test_only_an_object_is_a_request(gateway, payload):
    data = "null" if payload is None else None
    headers = {**HEADERS, "Content-Type": "application/json"}
    url = f"{gateway.url}/smart-resize-request"
    response = requests.post(url, data=data, json=payload, headers=headers, timeout=TIMEOUT_SECONDS)
    assert response.status_code == 400


@pytest.mark.parametrize(
    ("content_type", "data"), [("text/plain", "{}"), ("application/json", '{"image_url"')]
)
def test_only_json_is_read(gateway, content_type, data):
    headers = {**HEADERS, "Content-Type": content_type}
    url = f"{gateway.url}/smart-resize-request"
    response = requests.post(url, data=data, headers=headers, timeout=TIMEOUT_SECONDS)
    assert response.status_code == 400


@pytest.mark.parametrize("headers", [{}, {"Ocp-Apim-Subscription-Key": "wrong"}])
def test_without_the_key_nothing_is_told(gateway, source, headers):
    url = f"{gateway.url}/smart-resize-request"
    refused = requests.post(url, json=order(source), headers=headers, timeout=TIMEOUT_SECONDS)
    asked = requests.get(
        f"{gateway.origin}/v2/requests/status/x", headers=headers, timeout=TIMEOUT_SECONDS
    )
    assert (refused.status_code, asked.status_code) == (401, 401)
    assert list(refused.json()) == ["error", "details"]


def test_a_picture_needs_no_key(gateway, source):
    (url,) = urls_of(completed(gateway, order(source)))
    assert requests.get(url, timeout=TIMEOUT_SECONDS).status_code == 200


@pytest.mark.parametrize(
    "path",
    ["/", "/smart-resize/v1", "/v2/requests/status/unknown", "/results/unknown/output_1x1_0.png"],
)
def test_what_is_not_there_is_a_documented_404(gateway, path):
    response = requests.get(gateway.origin + path, headers=HEADERS, timeout=TIMEOUT_SECONDS)
    assert response.status_code == 404
    assert response.json()["error"] == "Resource not found"


def test_a_result_is_there_under_its_own_name_alone(gateway, source):
    (url,) = urls_of(completed(gateway, order(source)))
    assert requests.get(url.replace("60x60", "61x61"), timeout=TIMEOUT_SECONDS).status_code == 404


def test_the_caller_is_answered_under_the_name_that_it_used(gateway, source):
    headers = {"Host": "sandbox.internal:8899"}
    polling_url = post(gateway, order(source), **headers).json()["polling_url"]
    assert polling_url.startswith("http://sandbox.internal:8899/v2/")


def test_what_was_asked_is_kept(gateway, source):
    client = client_of(gateway)
    done = finished(client, client.submit(job(source, prompt="keep the face")))
    requests.get(done.outputs[0].url, timeout=TIMEOUT_SECONDS)
    assert [request["prompt"] for request in gateway.requests] == ["keep the face"]
    assert set(gateway.polls) == {done.request_id}
    assert gateway.downloads == ["output_60x60_0.png"]
    assert gateway.calls[0].headers["ocp-apim-subscription-key"] == KEY


# The source


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(404, b"", "text/plain"), "HTTP 404"),
        (Reply(302, b"", "text/plain", {"Location": "file:///etc/passwd"}), "HTTP 302"),
        (page(200), "does not point at an image"),
        (Reply(200, picture()[:60], "image/png"), "does not point at an image"),
    ],
    ids=["not found", "redirect out of HTTP", "html", "cut"],
)
def test_a_source_that_is_none_fails_the_request(gateway, reply, words):
    with answering(reply) as site:
        told = completed(gateway, order(f"{site.origin}/signed/token"))
    assert told["status"] == "FAILED"
    assert words in told["error"]
    assert told["output"] is None
    assert "token" not in told["error"]


def test_a_source_that_says_nothing_fails_the_request(gateway):
    with RawServer(b"") as site:
        told = completed(gateway, order(f"http://{site.authority}/photo.jpg"))
    assert (told["status"], told["error"]) == (
        "FAILED",
        "Could not fetch image_url: no answer from its host",
    )


# The picture


def halves(size):
    """A picture red on its left and blue on its right."""
    image = Image.new("RGB", size, (220, 20, 20))
    image.paste((20, 20, 220), (size[0] // 2, 0, *size))
    return image


@pytest.mark.parametrize("size", [(400, 100), (100, 400), (200, 200), (210, 199), (1, 1), (900, 9)])
def test_every_shape_is_filled_exactly(size):
    assert recompose(halves((300, 200)), size, seed=1, index=0).size == size


def test_nothing_of_the_picture_is_cut_off():
    image = recompose(halves((200, 400)), (1584, 672), seed=1, index=0)
    row = [image.getpixel((x, 336)) for x in range(image.width)]
    bright = [(red > 200, blue > 200) for red, _, blue in row]
    assert bright.count((True, False)) > 140
    assert bright.count((False, True)) > 140


def test_every_variant_is_another_picture():
    made = [recompose(halves((300, 200)), (200, 200), seed=1, index=index) for index in range(3)]
    assert all(ImageChops.difference(made[0], other).getbbox() for other in made[1:])


def test_a_source_is_taken_the_right_way_up():
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    halves((300, 200)).save(buffer, "JPEG", exif=exif)
    assert open_picture(buffer.getvalue()).size == (200, 300)


@pytest.mark.parametrize("mode", ["CMYK", "L", "RGBA", "P", "1"])
def test_a_source_of_any_kind_is_taken(mode):
    buffer = io.BytesIO()
    halves((30, 20)).convert(mode).save(buffer, "TIFF")
    assert open_picture(buffer.getvalue()).mode == "RGB"


# Misbehaving


def shape_of(url):
    image = fetched(url)
    return (image.width, image.height)


LINK_LOCAL = "169.254.169.254"

JOBS = [
    ("empty", lambda told: names_of(told) == []),
    ("fewer", lambda told: names_of(told) == ["output_60x60_0.png"]),
    ("more", lambda told: names_of(told)[2:] == ["output_80x40_1.png"]),
    ("reversed", lambda told: names_of(told) == ["output_80x40_0.png", "output_60x60_0.png"]),
    ("unnamed", lambda told: not any("60x60" in name for name in names_of(told))),
    ("preset", lambda told: [shape_of(url) for url in urls_of(told)] == [(60, 60), (80, 45)]),
    ("off-size", lambda told: [shape_of(url) for url in urls_of(told)] == [(20, 60), (26, 40)]),
    ("small", lambda told: [shape_of(url) for url in urls_of(told)] == [(30, 30), (40, 20)]),
    ("string-media-url", lambda told: urls_of(told).endswith("output_60x60_0.png")),
    ("private-url", lambda told: {urlsplit(url).hostname for url in urls_of(told)} == {LINK_LOCAL}),
    ("FAILED", lambda told: told["status"] == "FAILED" and "asked for" in told["error"]),
    ("ERROR", lambda told: told["status"] == "ERROR" and "not charged" in told["error"]),
]


@pytest.mark.parametrize(("word", "holds"), JOBS, ids=[j[0] for j in JOBS])
def test_a_job_goes_wrong_as_its_word_says(gateway, source, word, holds):
    payload = order(source, target_sizes=["60x60", "80x40"], prompt=f"Please, sandbox:{word}.")
    assert holds(completed(gateway, payload))


def test_a_job_goes_wrong_in_several_ways(gateway, source):
    prompt = "sandbox:reversed sandbox:fewer"
    told = completed(gateway, order(source, target_sizes=["60x60", "80x40"], prompt=prompt))
    assert names_of(told) == ["output_60x60_0.png"]


def test_a_mirrored_picture_is_the_mirrored_source_with_a_readable_mark(gateway):
    buffer = io.BytesIO()
    halves((300, 200)).save(buffer, "PNG")
    with answering(Reply(200, buffer.getvalue(), "image/png")) as site:
        payload = order(f"{site.origin}/photo.png", seed=5, prompt="sandbox:mirrored sandbox:more")
        told = completed(gateway, payload)
    mirrored = ImageOps.mirror(halves((300, 200)))
    for index, url in enumerate(urls_of(told)):
        wanted = recompose(mirrored, (60, 60), seed=5, index=index)
        assert ImageChops.difference(fetched(url), wanted).getbbox() is None
    assert names_of(told) == ["output_60x60_0.png", "output_60x60_1.png"]


@pytest.mark.parametrize("word", ["unfaithful", "garbled"])
def test_an_untrue_picture_is_one_for_the_seed(gateway, word):
    buffer = io.BytesIO()
    halves((300, 200)).save(buffer, "PNG")

    def bytes_with(prompt):
        payload = order(f"{site.origin}/photo.png", seed=5, prompt=prompt)
        (url,) = urls_of(completed(gateway, payload))
        return requests.get(url, timeout=TIMEOUT_SECONDS).content

    with answering(Reply(200, buffer.getvalue(), "image/png")) as site:
        untrue = bytes_with(f"sandbox:{word}")
        assert untrue == bytes_with(f"sandbox:{word}")
        assert untrue != bytes_with("")


def test_an_immediate_answer_has_the_documented_form(gateway, source):
    body = post(gateway, order(source, prompt="sandbox:immediate")).json()
    (image,) = body["images"]
    assert list(body) == ["images", "description"]
    assert (image["file_name"], image["content_type"]) == ("output_60x60_0.png", "image/png")
    assert fetched(image["url"]).size == (60, 60)


def test_an_immediate_answer_without_a_source_is_a_refusal(gateway):
    body = post(gateway, order("http://127.0.0.1:9/x", prompt="sandbox:immediate"))
    assert (body.status_code, body.json()["error"]) == (400, "Invalid image_url")


def test_a_request_may_never_end(gateway, source):
    gateway.misbehave("never", times=1)
    queued = post(gateway, order(source)).json()
    assert completed(gateway, order(source))["status"] == "COMPLETED"
    told = requests.get(queued["polling_url"], headers=HEADERS, timeout=TIMEOUT_SECONDS).json()
    assert told["status"] == "PROCESSING"


@pytest.mark.parametrize(
    ("word", "start"),
    [
        ("truncated", b"\x89PNG"),
        ("not-an-image", b"This is not"),
        ("svg", b"<svg"),
        ("bomb", b"\x89PNG"),
        ("expired", b'{"error"'),
    ],
)
def test_a_picture_goes_wrong_once_and_is_itself_again(gateway, source, word, start):
    (url,) = urls_of(completed(gateway, order(source)))
    right = requests.get(url, timeout=TIMEOUT_SECONDS).content
    gateway.misbehave(word, times=1)
    wrong = requests.get(url, timeout=TIMEOUT_SECONDS).content
    assert wrong.startswith(start)
    assert wrong != right
    assert len(wrong) < 300_000
    assert requests.get(url, timeout=TIMEOUT_SECONDS).content == right


def test_a_bomb_is_a_picture_of_400_million_pixels(gateway, source):
    (url,) = urls_of(completed(gateway, order(source)))
    gateway.misbehave("bomb")
    content = requests.get(url, timeout=TIMEOUT_SECONDS).content
    with pytest.raises(Image.DecompressionBombError):
        Image.open(io.BytesIO(content))


AT_ANSWERS = [
    (word.name, step) for word in WORDS.values() for step in word.steps if step is not Step.JOB
]


@pytest.fixture(scope="module")
def standing():
    """One gateway with a completed request, and what a right call at each step looks like."""
    photo = Reply(200, picture(), "image/png")
    # Pauses without end: what is late by one has not come.
    late = SandboxGateway(
        key=KEY, slow=NEVER_SECONDS, trickle=NEVER_SECONDS, fetch_seconds=TIMEOUT_SECONDS
    )
    with answering(photo) as site, late as gateway:
        payload = order(f"{site.origin}/photo.png")
        told = completed(gateway, payload)
        path = urls_of(told)[0].removeprefix(gateway.origin)
        yield (
            gateway,
            {
                Step.SUBMIT: ("POST", "/smart-resize/v1/smart-resize-request", payload),
                Step.STATUS: ("GET", f"/v2/requests/status/{told['request_id']}", None),
                Step.DOWNLOAD: ("GET", path, None),
            },
        )


def said(gateway, call, seconds=TIMEOUT_SECONDS):
    """Return what comes on the wire within seconds, ids and times masked, and how it ended."""
    method, path, payload = call
    body = json.dumps(payload).encode() if payload else b""
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: {gateway.origin[7:]}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nOcp-Apim-Subscription-Key: {KEY}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    ends = time.monotonic() + seconds
    heard, ending = b"", "closed"
    host, port = gateway.origin[7:].split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head.encode() + body)
        try:
            while len(heard) < 1_000_000:
                connection.settimeout(max(0.001, ends - time.monotonic()))
                piece = connection.recv(65536)
                if not piece:
                    break
                heard += piece
        except OSError as error:
            ending = type(error).__name__
    return re.sub(rb"[0-9a-f-]{36}|\d{4}-\d\d-\d\dT[\d:.]+Z", b"*", heard), ending


#: After these there is silence.
SILENT = {"hang", "slow", "trickle", "trickle-head"}


@pytest.mark.parametrize(("word", "step"), AT_ANSWERS)
def test_every_word_goes_wrong_at_every_step_that_it_names(standing, word, step):
    gateway, calls = standing
    right = said(gateway, calls[step])
    gateway.misbehave(word, where=step)
    wrong = said(gateway, calls[step], seconds=0.1 if word in SILENT else TIMEOUT_SECONDS)
    gateway.behave()
    assert right[0].startswith(b"HTTP/1.1 200")
    assert wrong != right
    if word[:3].isdecimal():
        assert wrong[0].startswith(b"HTTP/1.1 " + word[:3].encode())
    assert said(gateway, calls[step]) == right


class Skipped(threading.Event):
    """The waits that it was `asked` for; those that would end by themselves take no time."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def wait(self, timeout=None):
        self.asked.append(timeout)
        return super().wait(None if timeout is None else 0)


def skipping(gateway):
    """Let no time pass in the gateway's waits, and tell of them."""
    skipped = gateway._listener._server.stopping = Skipped()
    return skipped.asked


@pytest.mark.parametrize(
    ("word", "ending", "complete", "waits"),
    [
        ("slow", "closed", True, lambda head, body: [5]),
        ("trickle", "closed", True, lambda head, body: [0.5] * len(body)),
        ("trickle-head", "closed", True, lambda head, body: [0.5] * len(head + body)),
        ("hang", "TimeoutError", False, lambda head, body: [None]),
        ("reset", "ConnectionResetError", False, lambda head, body: []),
        ("broken-off", "closed", False, lambda head, body: []),
    ],
    ids=["slow", "trickle", "trickle-head", "hang", "reset", "broken-off"],
)
def test_a_connection_goes_wrong_as_its_word_says(word, ending, complete, waits):
    with SandboxGateway(key=KEY, slow=5, trickle=0.5) as gateway:
        asked = skipping(gateway)
        call = ("GET", "/v2/requests/status/unknown", None)
        right = said(gateway, call)
        gateway.misbehave(word, where="status")
        heard, ended = said(gateway, call, seconds=0.1 if word == "hang" else TIMEOUT_SECONDS)
        assert ended == ending
        assert (heard == right[0]) is complete
        head, end, body = right[0].partition(b"\r\n\r\n")
        expected = waits(head + end, body)
        until(lambda: len(asked) >= len(expected), "the waits of the word were asked for")
        assert asked == expected


def test_a_pause_is_asked_for_in_seconds_or_as_a_date(gateway, source, frozen_time):
    values = {}
    for word in ("429", "429-seconds", "429-date"):
        response = post(gateway, order(source, prompt=f"sandbox:{word}"))
        values[word] = response.headers.get("Retry-After")
    assert values["429"] is None
    assert values["429-seconds"] == "2"
    assert email.utils.parsedate_to_datetime(values["429-date"]).timestamp() > time.time() + 50


def test_a_word_in_a_prompt_goes_wrong_in_that_request_alone(gateway, source):
    refused = post(gateway, order(source, prompt="a bright sky, SANDBOX:503"))
    accepted = post(gateway, order(source, prompt="a bright sky"))
    assert (refused.status_code, accepted.status_code) == (503, 200)


def test_a_word_may_name_a_step_and_a_count(gateway, source):
    queued = post(gateway, order(source, prompt="sandbox:502@status:2")).json()
    statuses = [
        requests.get(queued["polling_url"], headers=HEADERS, timeout=TIMEOUT_SECONDS).status_code
        for _ in range(3)
    ]
    assert statuses == [502, 502, 200]


def test_a_refused_submission_makes_no_job(gateway, source):
    gateway.misbehave("500", times=1)
    post(gateway, order(source, prompt="sandbox:never"))
    assert len(gateway.requests) == 1
    assert gateway.polls == []


def test_an_unknown_word_in_a_prompt_is_refused_with_those_that_there_are(gateway, source):
    response = post(gateway, order(source, prompt="sandbox:slwo"))
    assert response.status_code == 400
    assert "trickle" in response.json()["details"]


@pytest.mark.parametrize(
    ("word", "where", "message"),
    [
        ("slwo", None, 'There is no "slwo": choose from'),
        ("svg", "submit", '"svg" goes at download, not at "submit"'),
        ("500", "job", '"500" goes at submit or status or download'),
    ],
)
def test_a_fault_that_there_is_not_is_an_error(gateway, word, where, message):
    with pytest.raises(ValueError, match=message):
        gateway.misbehave(word, where=where)


# The server


def test_a_redirect_of_ours_leads_nowhere(gateway, source):
    gateway.misbehave("redirect", where="submit")
    client = client_of(gateway)
    with pytest.raises(OutcomeUnknown):
        client.submit(job(source))
    assert not [call for call in gateway.calls if call.path == "/elsewhere"]


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "gateway.example"])
def test_only_loopback_is_listened_on_unless_told_otherwise(host):
    with pytest.raises(ValueError, match="allow-remote"):
        SandboxGateway(host=host)


def test_other_machines_may_be_let_in(source):
    with SandboxGateway(host="0.0.0.0", allow_remote=True, key=KEY) as gateway:
        port = gateway.origin.rpartition(":")[2]
        url = f"http://127.0.0.1:{port}/smart-resize/v1"
        answer = GatewayClient(KEY, url, timeout=(TIMEOUT_SECONDS, TIMEOUT_SECONDS)).submit(
            job(source)
        )
    assert answer.polling_url.startswith(f"http://127.0.0.1:{port}/")


def test_while_it_is_away_connections_are_refused_and_nothing_is_forgotten(gateway, source):
    queued = post(gateway, order(source)).json()
    with gateway.away(), pytest.raises(requests.ConnectionError, match="refused"):
        requests.get(queued["polling_url"], headers=HEADERS, timeout=TIMEOUT_SECONDS)
    assert gateway.requests == [order(source)]
    gateway.settle()
    told = requests.get(queued["polling_url"], headers=HEADERS, timeout=TIMEOUT_SECONDS).json()
    assert told["status"] == "COMPLETED"


def test_nobody_waits_for_ever_until_it_has_settled(gateway):
    with RawServer(b"", keep_open=True) as silent:
        post(gateway, order(f"http://{silent.authority}/photo.png"))
        with pytest.raises(TimeoutError, match="still at work"):
            gateway.settle(0.01)


def test_a_body_that_is_too_large_is_refused(gateway):
    url, much = f"{gateway.url}/smart-resize-request", b"x" * 2_000_000
    try:
        status = requests.post(url, data=much, headers=HEADERS, timeout=TIMEOUT_SECONDS).status_code
    except requests.ConnectionError:
        status = 413  # it was cut off in the middle of what nobody reads
    assert status == 413
    assert gateway.calls == []


def test_calls_are_answered_while_another_hangs(gateway, source):
    asked = skipping(gateway)
    gateway.misbehave("hang", times=1, where="submit")
    hanging = threading.Thread(target=lambda: said(gateway, submission(source)))
    hanging.start()
    until(lambda: asked == [None], "a call hangs")
    assert post(gateway, order(source)).status_code == 200
    assert hanging.is_alive()
    gateway.stop()
    join(hanging)


def submission(source):
    return ("POST", "/smart-resize/v1/smart-resize-request", order(source))


@pytest.mark.parametrize("word", ["hang", "trickle", "slow"])
def test_it_stops_at_once_and_leaves_no_thread(source, word):
    before, endings = set(threading.enumerate()), []
    late = SandboxGateway(
        key=KEY, slow=NEVER_SECONDS, trickle=NEVER_SECONDS, fetch_seconds=TIMEOUT_SECONDS
    )
    with late as gateway:
        gateway.misbehave(word, where="submit")
        caller = threading.Thread(
            target=lambda: endings.append(said(gateway, submission(source))[1])
        )
        caller.start()
        until(lambda: gateway.requests, "the call has come")
    join(caller)
    until(lambda: not set(threading.enumerate()) - before, "no thread of the sandbox is left")
    # It was hung up on, long before its patience or the gateway's pause was over.
    assert endings in (["closed"], ["ConnectionResetError"])


def test_many_calls_at_once_are_all_kept_and_answered(gateway, source):
    with ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(lambda _: post(gateway, order(source)).json(), range(96)))
    assert len({answer["request_id"] for answer in answers}) == 96
    assert len(gateway.requests) == 96


# The command


def run_command(*options):
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "support.settings",
        "PYTHONPATH": str(TESTS),
    }
    command = [sys.executable, "-m", "django", "smart_resize_sandbox", "--port=0", *options]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_prints_the_settings_and_ends_cleanly(number):
    with run_command("--latency=0", "--misbehave=402:1", "--key=another") as process:
        lines = iter(process.stdout.readline, "")
        advice = "".join(line for line, _ in zip(lines, range(6), strict=False))
        base_url = re.search(r'"BASE_URL": "(http://127\.0\.0\.1:\d+/smart-resize/v1)"', advice)
        client = GatewayClient("another", base_url[1], timeout=(TIMEOUT_SECONDS, TIMEOUT_SECONDS))
        with pytest.raises(AccessDenied):
            client.submit(job())
        assert client.submit(job()).status == JobStatus.QUEUED
        process.send_signal(number)
        rest, errors = process.communicate(timeout=TIMEOUT_SECONDS)
    assert '"API_KEY": "another"' in advice
    assert "POST /smart-resize/v1/smart-resize-request 402 (402)" in rest
    assert rest.endswith("The sandbox has stopped.\n")
    assert (process.returncode, errors) == (0, "")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"misbehave": ["slwo"]}, 'There is no "slwo"'),
        ({"misbehave": ["500@nowhere"]}, "not at"),
        ({"misbehave": ["500:many"]}, r"is not WORD\[@STEP\]\[:COUNT\]"),
        ({"host": "0.0.0.0"}, "--allow-remote"),
        ({"port": 70_000}, "Choose another --port"),
    ],
)
def test_the_command_names_the_remedy(options, message):
    with pytest.raises(CommandError, match=message):
        call_command("smart_resize_sandbox", **options)


def test_the_command_says_when_its_port_is_taken(gateway):
    port = int(gateway.origin.rpartition(":")[2])
    with pytest.raises(CommandError, match=f"port {port}: .* Choose another --port"):
        call_command("smart_resize_sandbox", port=port)


# The documentation


def test_the_documented_words_are_those_that_there_are():
    text = PAGE.read_text().partition("## Make it misbehave")[2].partition("## In tests")[0]
    text = re.sub(r"\n {2}(?=\S)", " ", text)
    groups = re.findall(r"^At (`.+`):\n\n((?:- .+\n)+)", text, re.MULTILINE)
    documented = {
        word: (re.findall(r"`([^`]+)`", steps), meaning.replace("NNN", word.partition("-")[0]))
        for steps, lines in groups
        for words, meaning in re.findall(r"^- (`.+?`): (.+)$", lines, re.MULTILINE)
        for word in re.findall(r"`([^`]+)`", words)
    }
    assert documented == {word.name: ([*word.steps], word.meaning) for word in WORDS.values()}


def test_the_documented_options_are_those_that_there_are():
    parser = Command().create_parser("manage.py", "smart_resize_sandbox")
    inherited = {action.dest for action in BaseCommand().create_parser("", "")._actions}
    own = {a.option_strings[0] for a in parser._actions if a.dest not in inherited}
    assert set(re.findall(r"^\| `(--[a-z-]+)` \|", PAGE.read_text(), re.MULTILINE)) == own
