"""HTTP answers, before any fault is applied."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any


@dataclass(frozen=True)
class Reply:
    status: int
    body: bytes
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


def as_json(payload: Any, status: int = 200) -> Reply:
    return Reply(status, json.dumps(payload).encode())


def error(status: int, error: str, details: str) -> Reply:
    """Return an error answer as the reference documents it."""
    return as_json({"error": error, "details": details}, status)


def page(status: int) -> Reply:
    """Return what a proxy or a maintenance switch answers in the gateway's place."""
    title = HTTPStatus(status).phrase
    body = f"<!doctype html><html><title>{title}</title><h1>{title}</h1></html>"
    return Reply(status, body.encode(), "text/html; charset=utf-8")
