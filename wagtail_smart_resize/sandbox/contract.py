"""The reference from the gateway's side: which requests are valid, and the bodies of answers."""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from .responses import Reply, error

KEY_HEADER = "Ocp-Apim-Subscription-Key"
SUBMIT_PATH = "/smart-resize/v1/smart-resize-request"
RESULT_PATH = "/smart-resize/v1/smart-resize-request-result"
STATUS_PATH = "/v2/requests/status/"

# Not in the reference: limits that keep a typing error from filling a laptop's memory.
MAX_SIDE = 10_000
MAX_OUTPUTS = 100

_SIZE = re.compile(r"([1-9]\d{0,4})x([1-9]\d{0,4})")


class Refusal(Exception):
    """The request is not accepted. ``reply`` is the answer that says so."""

    def __init__(self, status: int, message: str, details: str) -> None:
        super().__init__(f"{message}: {details}")
        self.reply: Reply = error(status, message, details)


@dataclass(frozen=True)
class Order:
    """A valid request, with the reference's defaults filled in."""

    image_url: str
    target_sizes: tuple[tuple[int, int], ...]
    prompt: str = ""
    num_images_per_size: int = 1
    resolution: str = "1K"
    output_format: str = "png"
    safety_tolerance: str = "4"
    seed: int | None = None
    sync_mode: bool = False


def read_order(payload: Any) -> Order:
    """Return the order in a request's JSON.

    Raises Refusal, with the documented body, for an invalid request and for any field that the
    reference lacks.
    """
    fields = _object(payload)
    for name in fields:
        if name not in Order.__dataclass_fields__:
            raise _invalid(name, "There is no such field")
    order = Order(**{name: _READERS[name](name, fields[name]) for name in _with_required(fields)})
    if len(order.target_sizes) * order.num_images_per_size > MAX_OUTPUTS:
        raise _invalid(
            "num_images_per_size", f"The sandbox makes up to {MAX_OUTPUTS} images at once"
        )
    return order


def read_request_id(payload: Any) -> str:
    """Return the ``request_id`` in a status request's JSON. Raises Refusal."""
    request_id = _object(payload).get("request_id")
    if not isinstance(request_id, str) or not request_id:
        raise _invalid("request_id", "request_id is required and must be a string")
    return request_id


def read_json(body: bytes, content_type: str) -> Any:
    """Return the parsed body. Raises Refusal for another content type or invalid JSON."""
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise Refusal(400, "Invalid Content-Type", "The Content-Type must be application/json")
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as e:
        raise Refusal(400, "Invalid JSON", "The request body is not valid JSON") from e


def queued_body(request_id: str, origin: str) -> dict[str, Any]:
    return {
        "request_id": request_id,
        "status": "QUEUED",
        "polling_url": f"{origin}{STATUS_PATH}{request_id}",
    }


def immediate_body(pictures: list[tuple[str, str]], content_type: str) -> dict[str, Any]:
    """Return the body of an immediate answer. ``pictures`` are pairs of file name and URL."""
    images = [{"file_name": n, "content_type": content_type, "url": url} for n, url in pictures]
    return {"images": images, "description": ""}


def status_body(
    request_id: str, status: str, *, error: str | None, output: Any, created: float, updated: float
) -> dict[str, Any]:
    """Return the body of a status answer. ``created`` and ``updated`` are Unix timestamps."""
    ended = status in {"COMPLETED", "FAILED", "ERROR"}
    return {
        "request_id": request_id,
        "status": status,
        "model_id": "smart-resize",
        "error": error,
        "output": output,
        "created_at": _time(created),
        "updated_at": _time(updated),
        "completed_at": _time(updated) if ended else None,
    }


def _time(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _object(payload: Any) -> dict[str, Any]:
    if not isinstance(payload, dict):
        raise Refusal(400, "Invalid request", "The request body must be a JSON object")
    return payload


def _with_required(fields: dict[str, Any]) -> dict[str, Any]:
    for name in ("image_url", "target_sizes"):
        if name not in fields:
            raise Refusal(400, f"Missing {name}", f"{name} is required")
    return fields


def _url(name: str, value: Any) -> str:
    try:
        parts = urlsplit(value) if isinstance(value, str) else None
    except ValueError:
        parts = None
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise _invalid(name, "image_url must be an http or https URL")
    return str(value)


def _sizes(name: str, value: Any) -> tuple[tuple[int, int], ...]:
    if not isinstance(value, list) or not value:
        raise _invalid(name, "target_sizes must be a list with at least one item")
    return tuple(_size(name, item) for item in value)


def _size(name: str, item: Any) -> tuple[int, int]:
    match = _SIZE.fullmatch(item) if isinstance(item, str) else None
    if match is None:
        raise _invalid(name, "Each item in target_sizes must be in format 'widthxheight'")
    width, height = int(match[1]), int(match[2])
    if max(width, height) > MAX_SIDE:
        raise _invalid(name, f"The sandbox makes images of up to {MAX_SIDE} px a side")
    return width, height


def _count(name: str, value: Any) -> int:
    count: int = _integer(name, value)
    if count < 1:
        raise _invalid(name, f"{name} must be at least 1")
    return count


def _typed(kind: type, words: str) -> Any:
    def read(name: str, value: Any) -> Any:
        if type(value) is not kind:  # isinstance() takes True for an int
            raise _invalid(name, f"{name} must be {words}")
        return value

    return read


def _one_of(*allowed: str) -> Any:
    def read(name: str, value: Any) -> str:
        if value not in allowed:
            raise _invalid(name, f"{name} must be one of: {', '.join(allowed)}")
        return str(value)

    return read


def _invalid(name: str, details: str) -> Refusal:
    return Refusal(
        400, f"Invalid {name} format" if name == "target_sizes" else f"Invalid {name}", details
    )


_integer = _typed(int, "an integer")

_READERS = {
    "image_url": _url,
    "target_sizes": _sizes,
    "prompt": _typed(str, "a string"),
    "num_images_per_size": _count,
    "resolution": _one_of("1K", "2K", "4K"),
    "output_format": _one_of("jpeg", "png", "webp"),
    "safety_tolerance": _one_of("1", "2", "3", "4", "5", "6"),
    "seed": _integer,
    "sync_mode": _typed(bool, "a boolean"),
}
