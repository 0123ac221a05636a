"""The gateway's wire format, and our words for it.

Answers come in more forms than the reference names: queued (``request_id``, ``status``) or
immediate (``images``, or an ``output`` at once); ``media_url`` as a list or as one string; URLs or
data URIs.
"""

import contextlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from wagtail_smart_resize.core.sizes import Size
from wagtail_smart_resize.exceptions import presentable

MAX_OUTPUTS = 200  # far more than anybody asks for; an endless list must not keep us busy
_MAX_URL = 4000
_MAX_NAME = 255

_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,199}")
_NOT_STORABLE = re.compile("[\x00\ud800-\udfff]")
_REQUEST_ID_IN_RUINS = re.compile(rb'"request_id"\s*:\s*"([A-Za-z0-9][A-Za-z0-9_.:-]{0,199})"')


class Status(StrEnum):
    QUEUED = "QUEUED"
    PROCESSING = "PROCESSING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    ERROR = "ERROR"


UNDER_WAY = {Status.QUEUED, Status.PROCESSING}


@dataclass(frozen=True)
class Job:
    """What is asked for: ``num_images_per_size`` outputs for each of ``target_sizes``."""

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
        """The request's body. What is not set is left out, so that the gateway's default counts."""
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

    ``url`` should be an http(s) URL or a data URI. ``file_name`` serves for matching only, never as
    a name in a storage.
    """

    url: str
    file_name: str = ""
    content_type: str = ""


@dataclass(frozen=True)
class Answer:
    """How far a request is. ``request_id`` is "" for an immediate answer."""

    request_id: str
    status: Status
    polling_url: str = ""
    outputs: tuple[Output, ...] = ()
    error: str = ""


class Malformed(ValueError):
    """The body is no answer. The client makes an error of the tree from it."""

    def __init__(self, code: str, detail: str, request_id: str = "") -> None:
        super().__init__(detail)
        self.code = code
        self.request_id = request_id


def parse(body: bytes, *, secret: str = "") -> Answer:
    """Read an answer in any of its forms. Raises Malformed; ``secret`` is masked in texts."""
    try:
        return _answer(_json_object(body), secret)
    except Malformed as e:
        raise Malformed(e.code, str(e), salvage_request_id(body)) from e


def salvage_request_id(body: bytes) -> str:
    """The request id that can still be read in a broken or odd answer, or "".

    Its own, where it is whole: there may be others within it.
    """
    with contextlib.suppress(Malformed):
        if request_id := _request_id(_json_object(body).get("request_id")):
            return request_id
    match = _REQUEST_ID_IN_RUINS.search(body)
    return match[1].decode() if match else ""


def error_body(body: bytes, *, secret: str = "") -> str:
    """The text of a documented error body, ``{"error": ..., "details": ...}``, or ""."""
    try:
        payload = _json_object(body)
    except Malformed:
        return ""
    error, details = payload.get("error"), payload.get("details")
    if not isinstance(error, str) or not error.strip():
        return ""
    texts = [error, details] if isinstance(details, str) and details.strip() else [error]
    return presentable(": ".join(texts), secret=secret)


def holds_answer(body: bytes) -> bool:
    """Whether an error's body names a request that is taken, or pictures.

    ERROR is documented as not charged; an id alone may number the error.
    """
    try:
        answer = parse(body)
    except Malformed:
        return False
    return bool(answer.outputs) or answer.status is not Status.ERROR


def _json_object(body: bytes) -> Mapping[str, Any]:
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError) as e:
        what = "a page of HTML" if body.lstrip()[:1] == b"<" else "no valid JSON"
        raise Malformed("not_json", f"The gateway's answer is {what}.") from e
    fields: Mapping[str, Any] = _expect(payload, dict, "The answer")
    return fields


def _answer(payload: Mapping[str, Any], secret: str) -> Answer:
    outputs = _outputs(payload)
    request_id = _request_id(payload.get("request_id"))
    if not request_id and outputs is None:
        raise Malformed(
            "no_request_id", "The gateway's answer names neither a request nor a picture."
        )
    status = _status(payload.get("status"), secret, has_outputs=outputs is not None)
    if not request_id and status in UNDER_WAY:
        raise Malformed(
            "no_request_id", "The gateway is at work on a request, but does not name it."
        )
    return Answer(
        request_id=request_id,
        status=status,
        polling_url=_polling_url(payload.get("polling_url")),
        outputs=outputs or (),
        error=_error_text(payload.get("error"), secret),
    )


def _request_id(value: Any) -> str:
    if value is None or value == "":
        return ""
    if not _REQUEST_ID.fullmatch(_expect(value, str, "request_id")):
        raise Malformed("bad_request_id", "The gateway's request_id holds more than it may.")
    return str(value)


def _status(value: Any, secret: str, *, has_outputs: bool) -> Status:
    if value is None and has_outputs:
        return Status.COMPLETED  # an immediate answer names no status
    try:
        return Status(_expect(value, str, "status").upper())
    except ValueError as e:
        if isinstance(e, Malformed):
            raise
        said = presentable(value, secret=secret)[:40]
        raise Malformed("unknown_status", f'The gateway\'s status is "{said}".') from e


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
    """The pictures named; None if the answer doesn't speak of any, () if it says there are none."""
    output = payload.get("output")
    if output is not None and "media_url" in _expect(output, dict, "output"):
        return _from_media_url(output)
    images = payload.get("images")
    if images is not None:
        return tuple(_from_image(image) for image in _expect(images, list, "images")[:MAX_OUTPUTS])
    return None


def _from_media_url(output: Mapping[str, Any]) -> tuple[Output, ...]:
    urls = output["media_url"]
    if urls is None:
        return ()
    content_type = _optional_text(output.get("media_type"), "media_type")
    listed = [urls] if isinstance(urls, str) else _expect(urls, list, "media_url")[:MAX_OUTPUTS]
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
        return ""  # fetching it will say what is wrong


def _optional_text(value: Any, name: str) -> str:
    return "" if value is None else _storable(str(_expect(value, str, name)))


def _storable(text: str) -> str:
    """The text, or "" if it holds what no database takes: NUL, half of a surrogate pair.

    An address without its text can't be fetched, and says so; an answer that can't be written down
    would be lost.
    """
    return "" if _NOT_STORABLE.search(text) else text


def _expect(value: Any, kind: type, name: str) -> Any:
    if not isinstance(value, kind):
        raise Malformed("wrong_type", f"The gateway's answer: {name} is {type(value).__name__}.")
    return value
