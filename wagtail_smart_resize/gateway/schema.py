"""The gateway's wire format, and this app's types for it.

Answers come in more forms than the reference documents: queued (``request_id``, ``status``) or
immediate (``images``, or an ``output`` at once); ``media_url`` as a list or as one string; URLs or
data URIs.
"""

import contextlib
import datetime as dt
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from wagtail_smart_resize.core.sizes import Size
from wagtail_smart_resize.exceptions import presentable

MAX_ANSWER_OUTPUTS = 200  # far more than any request asks for: bounds an endless list
MAX_ANSWER_ITEMS = 20_000
"""Maximum number of values in an answer: in memory each takes a hundred times its bytes."""
_MAX_URL = 4000
_MAX_NAME = 255
_MAX_SECONDS = 86_400

_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,199}")
_NOT_STORABLE = re.compile("[\x00\ud800-\udfff]")
_REQUEST_ID_IN_TEXT = re.compile(rb'"request_id"\s*:\s*"([A-Za-z0-9][A-Za-z0-9_.:-]{0,199})"')


class JobStatus(StrEnum):
    QUEUED = "QUEUED"
    PROCESSING = "PROCESSING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    ERROR = "ERROR"


UNDER_WAY = {JobStatus.QUEUED, JobStatus.PROCESSING}


@dataclass(frozen=True)
class GenerateRequest:
    """A request for ``num_images_per_size`` outputs in each of ``target_sizes``."""

    image_url: str
    target_sizes: tuple[Size, ...]
    prompt: str = ""
    num_images_per_size: int = 1
    resolution: str = "1K"
    output_format: str = "png"
    safety_tolerance: str | None = None
    seed: int | None = None
    sync_mode: bool = False

    def payload(self) -> dict[str, Any]:
        """Return the JSON body. Unset fields are left out, so that the gateway's defaults apply."""
        fields = {
            "image_url": self.image_url,
            "target_sizes": [str(size) for size in self.target_sizes],
            "prompt": self.prompt or None,
            "num_images_per_size": self.num_images_per_size,
            "resolution": self.resolution,
            "output_format": self.output_format,
            "safety_tolerance": self.safety_tolerance,
            "seed": self.seed,
            "sync_mode": self.sync_mode,
        }
        return {name: value for name, value in fields.items() if value is not None}


@dataclass(frozen=True)
class Output:
    """One picture, as the gateway names it: nothing here has been checked.

    ``url`` should be an http(s) URL or a data URI. ``file_name`` is for the ledger only, never for
    a name in a storage.
    """

    url: str
    file_name: str = ""
    content_type: str = ""


@dataclass(frozen=True)
class Answer:
    """The state of a request. ``request_id`` is "" for an immediate answer."""

    request_id: str
    status: JobStatus
    polling_url: str = ""
    outputs: tuple[Output, ...] = ()
    error: str = ""
    seconds: float | None = None
    """How long the gateway says that it was at work; None if it does not say."""


class MalformedAnswer(ValueError):
    """The body is not an answer. The client turns this into one of the app's exceptions."""

    def __init__(self, code: str, detail: str, request_id: str = "") -> None:
        super().__init__(detail)
        self.code = code
        self.request_id = request_id


def parse_answer(body: bytes, *, secret: str = "") -> Answer:
    """Return the answer in any of its forms. ``secret`` is masked in texts.

    Raises MalformedAnswer, with the request id if one can still be read.
    """
    try:
        return _answer(_json_object(body), secret)
    except MalformedAnswer as e:
        raise MalformedAnswer(e.code, str(e), salvage_request_id(body)) from e


def salvage_request_id(body: bytes) -> str:
    """Return the request id that can still be read from a broken or odd answer, or "".

    The answer's own id is returned where the JSON is whole: other ids may be nested in it.
    """
    with contextlib.suppress(MalformedAnswer):
        if request_id := _request_id(_json_object(body).get("request_id")):
            return request_id
    match = _REQUEST_ID_IN_TEXT.search(body)
    return match[1].decode() if match else ""


def parse_error_body(body: bytes, *, secret: str = "") -> str:
    """Return the text of a documented error body, ``{"error": ..., "details": ...}``, or ""."""
    try:
        payload = _json_object(body)
    except MalformedAnswer:
        return ""
    error, details = payload.get("error"), payload.get("details")
    if not isinstance(error, str) or not error.strip():
        return ""
    texts = [error, details] if isinstance(details, str) and details.strip() else [error]
    return presentable(": ".join(texts), secret=secret)


def holds_answer(body: bytes) -> bool:
    """Return whether an error's body names an accepted request, or pictures.

    The status ERROR is documented as not charged, and an id alone may be that of the error.
    """
    try:
        answer = parse_answer(body)
    except MalformedAnswer:
        return False
    return bool(answer.outputs) or answer.status is not JobStatus.ERROR


def _json_object(body: bytes) -> Mapping[str, Any]:
    if sum(map(body.count, (b",", b"[", b"{"))) > MAX_ANSWER_ITEMS:
        raise MalformedAnswer("too_large", "The gateway's answer holds more than it may.")
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError) as e:
        what = "a page of HTML" if body.lstrip()[:1] == b"<" else "no valid JSON"
        raise MalformedAnswer("not_json", f"The gateway's answer is {what}.") from e
    fields: Mapping[str, Any] = _expect(payload, dict, "The answer")
    return fields


def _answer(payload: Mapping[str, Any], secret: str) -> Answer:
    outputs = _outputs(payload)
    request_id = _request_id(payload.get("request_id"))
    if not request_id and outputs is None:
        raise MalformedAnswer(
            "no_request_id", "The gateway's answer names neither a request nor a picture."
        )
    status = _status(payload.get("status"), secret, has_outputs=outputs is not None)
    if not request_id and status in UNDER_WAY:
        raise MalformedAnswer(
            "no_request_id", "The gateway is at work on a request, but does not name it."
        )
    return Answer(
        request_id=request_id,
        status=status,
        polling_url=_polling_url(payload.get("polling_url")),
        outputs=outputs or (),
        error=_error_text(payload.get("error"), secret),
        seconds=_seconds_between(payload.get("created_at"), payload.get("completed_at")),
    )


def _seconds_between(created: Any, completed: Any) -> float | None:
    """Return the seconds between two of the gateway's timestamps; None for any that are no use."""
    try:
        begun, ended = (dt.datetime.fromisoformat(str(each)[:40]) for each in (created, completed))
        seconds = (ended - begun).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return seconds if 0 <= seconds < _MAX_SECONDS else None


def _request_id(value: Any) -> str:
    if value is None or value == "":
        return ""
    if not _REQUEST_ID.fullmatch(_expect(value, str, "request_id")):
        raise MalformedAnswer("bad_request_id", "The gateway's request_id holds more than it may.")
    return str(value)


def _status(value: Any, secret: str, *, has_outputs: bool) -> JobStatus:
    if value is None and has_outputs:
        return JobStatus.COMPLETED  # an immediate answer has no status
    try:
        return JobStatus(_expect(value, str, "status").upper())
    except ValueError as e:
        if isinstance(e, MalformedAnswer):
            raise
        said = presentable(value, secret=secret)[:40]
        raise MalformedAnswer("unknown_status", f'The gateway\'s status is "{said}".') from e


def _polling_url(value: Any) -> str:
    if value is None:
        return ""
    url = _expect(value, str, "polling_url")
    return url if url.isprintable() and len(url) <= _MAX_URL else ""


def _error_text(value: Any, secret: str) -> str:
    if not value:
        return ""
    return presentable(value if isinstance(value, str) else json.dumps(value), secret=secret)


def _outputs(payload: Mapping[str, Any]) -> tuple[Output, ...] | None:
    """Return the outputs; None if the answer doesn't mention any, () if it says there are none."""
    output = payload.get("output")
    if output is not None and "media_url" in _expect(output, dict, "output"):
        return _from_media_url(output)
    images = payload.get("images")
    if images is not None:
        return tuple(
            _from_image(image) for image in _expect(images, list, "images")[:MAX_ANSWER_OUTPUTS]
        )
    return None


def _from_media_url(output: Mapping[str, Any]) -> tuple[Output, ...]:
    urls = output["media_url"]
    if urls is None:
        return ()
    content_type = _optional_text(output.get("media_type"), "media_type")
    listed = (
        [urls] if isinstance(urls, str) else _expect(urls, list, "media_url")[:MAX_ANSWER_OUTPUTS]
    )
    return tuple(_output(url, "", content_type) for url in listed)


def _from_image(image: Any) -> Output:
    fields = _expect(image, dict, "images")
    file_name = _optional_text(fields.get("file_name"), "file_name")
    return _output(
        fields.get("url"), file_name, _optional_text(fields.get("content_type"), "content_type")
    )


def _output(url: Any, file_name: str, content_type: str) -> Output:
    text = _storable(_expect(url, str, "An output's URL"))
    return Output(text, file_name[:_MAX_NAME] or _last_part(text), content_type[:_MAX_NAME])


def _last_part(url: str) -> str:
    if url[:5].lower() == "data:":
        return ""
    try:
        return urlsplit(url).path.rpartition("/")[2][:_MAX_NAME]
    except ValueError:
        return ""  # fetching it will raise the error


def _optional_text(value: Any, name: str) -> str:
    return "" if value is None else _storable(str(_expect(value, str, name)))


def _storable(text: str) -> str:
    """Return the text, or "" if no database can store it (NUL, half of a surrogate pair).

    An output without its address can't be fetched, and the download says so; an answer that can't
    be stored would be lost.
    """
    return "" if _NOT_STORABLE.search(text) else text


def _expect(value: Any, kind: type, name: str) -> Any:
    if not isinstance(value, kind):
        raise MalformedAnswer(
            "wrong_type", f"The gateway's answer: {name} is {type(value).__name__}."
        )
    return value
