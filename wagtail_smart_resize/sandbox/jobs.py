"""A job: an accepted request, the pictures made for it, and its status."""

import base64
import logging
import random
import time
import uuid
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass
from typing import Any

from .contract import Order, Refusal, immediate_body, status_body
from .faults.pictures import untrue
from .recompose import canvas_size, encode, open_picture, recompose
from .responses import Reply
from .source_fetch import SourceFetchError, fetch_source

logger = logging.getLogger(__name__)

#: Where machines in a data centre find their own secrets (link-local).
PRIVATE = "http://169.254.169.254"

Pair = tuple[int, int]


@dataclass(frozen=True)
class Planned:
    """A picture to make: ``size`` as requested, ``made`` as it will be."""

    name: str
    size: Pair
    made: Pair
    index: int


@dataclass(frozen=True)
class StoredPicture:
    name: str
    content: bytes


def plan(order: Order, words: frozenset[str]) -> list[Planned]:
    """Return the pictures in the order in which they are named, changed by the fault words."""
    planned = [
        _planned(order, size, index, words)
        for size in order.target_sizes
        for index in range(order.num_images_per_size)
    ]
    if "more" in words:
        planned.append(_planned(order, order.target_sizes[-1], order.num_images_per_size, words))
    if "fewer" in words:
        planned = planned[:-1]
    if "empty" in words:
        planned = []
    return planned[::-1] if "reversed" in words else planned


def _planned(order: Order, size: Pair, index: int, words: frozenset[str]) -> Planned:
    shown = f"{size[0]}x{size[1]}_{index}"
    if "unnamed" in words:
        shown = uuid.uuid4().hex
    made = size
    if "preset" in words:
        made = canvas_size(size)
    if "off-size" in words:
        # A shape that one request is unlikely to ask for as well: a third as wide.
        made = (max(1, size[0] // 3), size[1])
    if "small" in words:
        made = (max(1, made[0] // 2), max(1, made[1] // 2))
    return Planned(f"output_{shown}.{order.output_format}", size, made, index)


class Job:
    """One accepted request. ``words`` are its faults, ``latency`` its duration in seconds."""

    def __init__(self, order: Order, words: frozenset[str], *, latency: float) -> None:
        self.request_id = f"smart-resize_{uuid.uuid4()}"
        self.order = order
        self.words = words
        self.content_type = f"image/{order.output_format}"
        self._created = time.time()
        self._latency = latency
        self._pictures: Future[list[StoredPicture]] = Future()

    def start(self, executor: Executor, fetch_seconds: float) -> None:
        self._pictures = executor.submit(_make, self.order, self.words, fetch_seconds)

    def wait(self, seconds: float) -> bool:
        """Return whether the pictures are made, or have failed, within so many seconds."""
        return not wait([self._pictures], seconds).not_done

    def status(self) -> str:
        """Return QUEUED for a third of the latency, then PROCESSING, then the final status.

        A job ends once the latency has passed and its pictures are made or have failed.
        """
        age = time.time() - self._created
        if age < self._latency / 3:
            return "QUEUED"
        if age < self._latency or not self._pictures.done() or "never" in self.words:
            return "PROCESSING"
        return self._ending()

    def _ending(self) -> str:
        for word in ("FAILED", "ERROR"):
            if word in self.words:
                return word
        return "FAILED" if self._pictures.exception() else "COMPLETED"

    def status_payload(self, origin: str) -> dict[str, Any]:
        status = self.status()
        return status_body(
            self.request_id,
            status,
            error=self.error() if status in {"FAILED", "ERROR"} else None,
            output=self._output(origin) if status == "COMPLETED" else None,
            created=self._created,
            updated=time.time(),
        )

    def immediate_payload(self, origin: str) -> dict[str, Any]:
        """Wait for the pictures and return the immediate form of answer.

        Raises Refusal if they can't be made.
        """
        if self._pictures.exception():
            raise Refusal(400, "Invalid image_url", self.error())
        named = [(picture.name, self._url(picture, origin)) for picture in self._pictures.result()]
        return immediate_body(named, self.content_type)

    def error(self) -> str:
        if "FAILED" in self.words:
            return "The model refused the picture, as asked for."
        if "ERROR" in self.words:
            return "A system error, as asked for. The request was not charged."
        problem = self._pictures.exception()
        if isinstance(problem, SourceFetchError):
            return str(problem)
        return "image_url does not point at an image that could be read"

    def result(self, name: str) -> Reply | None:
        """Return one picture by its name, or None; also None while the job is not completed."""
        if self.status() != "COMPLETED":
            return None
        found = (p.content for p in self._pictures.result() if p.name == name)
        content = next(found, None)
        return None if content is None else Reply(200, content, self.content_type)

    def _output(self, origin: str) -> dict[str, Any]:
        urls = [self._url(picture, origin) for picture in self._pictures.result()]
        media_url = urls[0] if urls and "string-media-url" in self.words else urls
        return {"media_url": media_url, "media_type": self.content_type}

    def _url(self, picture: StoredPicture, origin: str) -> str:
        if self.order.sync_mode:
            data = base64.b64encode(picture.content).decode()
            return f"data:{self.content_type};base64,{data}"
        if "private-url" in self.words:
            origin = PRIVATE
        return f"{origin}/results/{self.request_id}/{picture.name}"


def _make(order: Order, words: frozenset[str], fetch_seconds: float) -> list[StoredPicture]:
    try:
        source = open_picture(fetch_source(order.image_url, fetch_seconds))
        seed = random.randrange(2**31) if order.seed is None else order.seed
        source = untrue(source, words, seed)
        return [_picture(source, planned, order, seed) for planned in plan(order, words)]
    except Exception as e:
        logger.info("No picture could be made: %s", e)
        raise


def _picture(source: Any, planned: Planned, order: Order, seed: int) -> StoredPicture:
    drawn = recompose(source, planned.made, seed=seed, index=planned.index)
    return StoredPicture(planned.name, encode(drawn, order.output_format))
