"""Tries what an installation needs: its address, the service, the storages and a runner.

Nothing is bought, and what is written is deleted again.
"""

import datetime as dt
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from django.core import checks
from django.core.files.base import ContentFile
from django.utils import timezone
from wagtail.images import get_image_model

from wagtail_smart_resize.core import database
from wagtail_smart_resize.core.schema import problem_of
from wagtail_smart_resize.core.storage_errors import StorageError, translate_storage_errors
from wagtail_smart_resize.exceptions import GatewayError, SourceUnavailable
from wagtail_smart_resize.gateway.client import GatewayClient
from wagtail_smart_resize.integrity import extra
from wagtail_smart_resize.models import PipelineState, ownership
from wagtail_smart_resize.purchasing import source_image, source_storage
from wagtail_smart_resize.runners import modes
from wagtail_smart_resize.settings import settings

from . import failures

#: A runner counts as there if it has made a pass within this time. Idle ones do so once an hour.
RECENTLY = dt.timedelta(hours=1, minutes=10)
CONTENT = b"smart resize tries whether it may write here"


class Result(StrEnum):
    FINE = "fine"
    WRONG = "wrong"
    CANT_TELL = "can't tell"


@dataclass(frozen=True)
class Finding:
    """What was tried, what came of it, and what to do where it is not fine."""

    name: str
    result: Result
    message: str
    remedy: str = ""


def findings() -> Iterator[Finding]:
    """Try one thing after the other; a setting that can't be used ends it."""
    problems = list(_settings())
    yield from problems or [Finding("Settings", Result.FINE, "The system checks find nothing.")]
    if settings.problems():
        return
    yield _tables()
    yield _address()
    yield _service()
    for name, storage in _storages().items():
        yield _storage(name, storage)
    yield _integrity()
    yield _runner()


def _settings() -> Iterator[Finding]:
    for message in checks.run_checks(tags=["smart_resize"]):
        if not message.is_silenced():
            yield Finding(
                "Settings", Result.WRONG, f"{message.msg} ({message.id})", message.hint or ""
            )


def _tables() -> Finding:
    problem = problem_of(database.alias()) or ownership.problem()
    if problem:
        return Finding("Tables", Result.WRONG, problem)
    return Finding("Tables", Result.FINE, "They are there, and this database is the one that buys.")


def _address() -> Finding:
    if settings.SOURCE_STORAGE:
        return _source_storage()
    name = "The site's address"
    try:
        url = source_image.test_url()
        host = settings.site_address
        if source_image.check_answers(url):
            return Finding(name, Result.FINE, f"A picture comes from {host}, as the service asks.")
    except SourceUnavailable as error:
        remedy = failures.describe_circuit(error.code).for_operators
        return Finding(name, Result.WRONG, error.detail, str(remedy))
    return Finding(
        name,
        Result.CANT_TELL,
        f"This machine gets no connection to {host}. The service may.",
        f"Open this address on another network, within ten minutes: {url}",
    )


def _source_storage() -> Finding:
    """Put a picture, fetch it as the service would, and delete it."""
    name = "The storage of source pictures"
    remedy = "Look at SOURCE_STORAGE, and at what its keys may do: write, sign, delete."
    try:
        with source_storage.test_picture() as url:
            host = urlsplit(url).netloc
            if source_image.check_answers(url):
                return Finding(name, Result.FINE, f"A picture comes from {host}, and is deleted.")
    except SourceUnavailable as error:
        return Finding(name, Result.WRONG, error.detail, remedy)
    return Finding(
        name,
        Result.CANT_TELL,
        f"A picture can be written and deleted, but this machine gets no connection to {host}.",
        "The service may. If purchases fail one after the other, it can't.",
    )


def _service() -> Finding:
    name = "The service"
    if not settings.API_KEY:
        return Finding(name, Result.WRONG, "The site has no API key.", "Set API_KEY.")
    try:
        GatewayClient.from_settings().check_access()
    except GatewayError as error:
        failure = failures.describe_circuit(error.code)
        message = f"{failure.message} {error.detail}"
        return Finding(name, Result.WRONG, message, str(failure.for_operators))
    return Finding(name, Result.FINE, f"{settings.BASE_URL} answers, and takes the key.")


def _storages() -> dict[str, Any]:
    renditions = get_image_model().get_rendition_model()._meta.get_field("file").storage
    return {
        "The renditions' storage": renditions,
        "The candidates' storage": settings.candidate_storage(),
    }


def _storage(name: str, storage: Any) -> Finding:
    """Write a small file, read it and delete it."""
    path = f"smart_resize/check-{secrets.token_hex(8)}.txt"
    step = "write"
    try:
        with translate_storage_errors():
            path = storage.save(path, ContentFile(CONTENT))
            step = "read"
            with storage.open(path) as file:
                content = file.read()
            step = "delete"
            storage.delete(path)
    except StorageError as error:
        remedy = "Look at the storage's settings, and at the rights of the user that runs the site."
        return Finding(name, Result.WRONG, f"It can't {step} a file: {error}", remedy)
    if content != CONTENT:
        return Finding(name, Result.WRONG, "It gives another content than was written.")
    return Finding(name, Result.FINE, "A file can be written, read and deleted.")


def _integrity() -> Finding:
    name = "Check of results"
    if settings.integrity == "off":
        off = "Results are not checked against their originals."
        return Finding(name, Result.FINE, off if extra.is_installed() else f"{off} {extra.REMEDY}")
    try:
        # An installed OpenCV may lack libraries of the system's.
        from wagtail_smart_resize.integrity import checking
    except ImportError as error:
        wrong = f"Results can't be checked, so none goes live by itself: {error}"
        return Finding(name, Result.WRONG, wrong, extra.REMEDY)
    meaning = {"review": "goes to a person", "strict": "is declined"}[settings.integrity]
    return Finding(name, Result.FINE, f"{checking.NAME}: what does not pass {meaning}.")


def _runner() -> Finding:
    name, mode = "The runner", modes.mode()
    last = PipelineState.peek().last_pass_at
    setting = f"RUNNER comes to {mode}"
    if last and last > timezone.now() - RECENTLY:
        when = last.isoformat(timespec="seconds")
        return Finding(name, Result.FINE, f"It was last at work at {when}. {setting}.")
    said = f"Last at work: {last.isoformat()}" if last else "Nothing has been at work yet"
    result, remedy = _RUNNERS[mode]
    return Finding(name, result, f"{said}. {setting}.", remedy)


_RUNNERS: dict[str, tuple[Result, str]] = {
    "off": (
        Result.WRONG,
        "Start smart_resize_worker, call smart_resize_sync --wait from cron, or take RUNNER out of "
        "the settings.",
    ),
    "tasks": (Result.CANT_TELL, "Start a worker of the tasks backend, then open a page."),
    "thread": (Result.CANT_TELL, "The site's processes do the work: open a page, then try again."),
}
