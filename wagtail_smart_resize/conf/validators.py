"""Validators of settings. Each takes what the site wrote and returns the value that is used.

`optional`, `choice`, `integer` and `seconds` return a validator. For an unusable value a validator
raises ValueError with a sentence that says what to write.
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar
from urllib.parse import urlsplit

from django.conf import settings as django_settings
from django.core.files.storage import Storage
from django.utils.module_loading import import_string

from wagtail_smart_resize.core.formatting import Text
from wagtail_smart_resize.core.money import Price
from wagtail_smart_resize.core.redaction import Secret
from wagtail_smart_resize.core.sizes import Slot
from wagtail_smart_resize.integrity.report import Thresholds

T = TypeVar("T")


def optional(clean: Callable[[Any], T]) -> Callable[[Any], T | None]:
    return lambda value: None if value is None else clean(value)


def boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"write True or False, not {value!r}.")
    return value


def text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"write text, not {value!r}.")
    return value.strip()


def label(value: Any) -> str:
    """Return text for display; a lazy translation is not evaluated."""
    if not isinstance(value, Text):
        raise ValueError(f"write text, not {value!r}.")
    return value  # type: ignore[return-value]


def words(value: Any) -> str:
    """Return text for display that is not blank; a lazy translation is not evaluated."""
    if isinstance(value, str) and not value.strip():
        raise ValueError("write what visitors are to read: it can't be blank.")
    return label(value)


def labels(value: Any) -> list[Any]:
    """Accept a list of texts, translated or not, up to twenty."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ValueError(f'write a list of texts, such as ["Keep everyone whole"], not {value!r}.')
    found = [label(each) for each in value]
    if len(found) > 20:
        raise ValueError(f"write no more than 20 texts, not {len(found)}.")
    return found


def secret(value: Any) -> str:
    """Return the key as an HTTP header can carry it; "" for None, which an unset variable gives.

    The error messages never show the value.
    """
    if value is None:
        return ""
    if not isinstance(value, str) or not re.fullmatch(r"[!-~]*", value.strip()):
        raise ValueError("write the key as text, without spaces or letters beyond ASCII.")
    return Secret(value.strip())


def choice(*allowed: str) -> Callable[[Any], str]:
    """Return a validator that accepts these strings only."""

    def clean(value: Any) -> str:
        if value not in allowed:
            names = ", ".join(f'"{name}"' for name in allowed)
            raise ValueError(f"write one of {names}, not {value!r}.")
        return value

    return clean


def safety_tolerance(value: Any) -> str | None:
    """Return "1" to "6", given as text or as a number; None leaves the choice to the API."""
    if value is None:
        return None
    if isinstance(value, bool) or str(value) not in {"1", "2", "3", "4", "5", "6"}:
        raise ValueError(f'write "1" to "6", or None for the default of the API, not {value!r}.')
    return str(value)


def integer(minimum: int, maximum: int | None = None) -> Callable[[Any], int]:
    """Return a validator for whole numbers from `minimum` to `maximum`, without one if None."""
    span = f"of {minimum} or more" if maximum is None else f"from {minimum} to {maximum}"

    def clean(value: Any) -> int:
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        if not is_whole or value < minimum or (maximum is not None and value > maximum):
            raise ValueError(f"write a whole number {span}, not {value!r}.")
        return value

    return clean


def limit(value: Any) -> int:
    """Return a number of outputs; the message for None says how to have no limit."""
    if value is None:
        raise ValueError(
            "write a whole number of outputs. There is no way to have no limit but a number that "
            "is never reached, such as 1_000_000."
        )
    return integer(0)(value)


def _number(value: Any, minimum: float, maximum: float) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and minimum <= value <= maximum


def seconds(minimum: float, maximum: float) -> Callable[[Any], float]:
    """Return a validator for seconds within these bounds; the value becomes a float."""

    def clean(value: Any) -> float:
        if not _number(value, minimum, maximum):
            raise ValueError(f"write seconds from {minimum:g} to {maximum:g}, not {value!r}.")
        return float(value)

    return clean


def share(value: Any) -> float:
    """Return a share from 0 to 1 as a float."""
    if not _number(value, 0, 1):
        raise ValueError(f"write a share from 0 to 1, such as 0.1 for 10 %, not {value!r}.")
    return float(value)


def thresholds(value: Any) -> dict[str, float]:
    """Return some of the thresholds of the check by name: shares, `stretch` a ratio of 1 or more.

    See `integrity.report.Thresholds`.
    """
    if not isinstance(value, Mapping):
        raise ValueError(f'write a dict such as {{"subject": 0.1}}, not {value!r}.')
    known = [each.name for each in fields(Thresholds)]
    if unknown := [name for name in value if name not in known]:
        raise ValueError(f'it has no threshold "{unknown[0]}". It may hold {", ".join(known)}.')
    return {name: _threshold(name, number) for name, number in value.items()}


def _threshold(name: str, value: Any) -> float:
    least, most = (1, 10) if name == "stretch" else (0, 1)
    if not _number(value, least, most):
        raise ValueError(f'"{name}" is a number from {least} to {most}, not {value!r}.')
    return float(value)


def font(value: Any) -> str:
    """Return the path of a font that Pillow can open; "" for Pillow's own."""
    path = os.fspath(value) if isinstance(value, os.PathLike) else text(value)
    if path:
        from PIL import ImageFont

        try:
            ImageFont.truetype(path, 12)
        except OSError as error:
            raise ValueError(f"write the path of a TrueType or OpenType font: {error}.") from error
    return str(path)


def url(value: Any) -> str:
    """Return an http or https address without a slash at its end."""
    if not isinstance(value, str) or not _is_base_url(value.strip()):
        raise ValueError(
            "write an address such as https://www.example.org, without user name, query or "
            f"fragment, not {value!r}."
        )
    return value.strip().rstrip("/")


def _is_base_url(value: str) -> bool:
    try:
        parts = urlsplit(value)
        port_is_valid = parts.port != 0
    except ValueError:
        return False
    bare = not (parts.query or parts.fragment or "@" in parts.netloc or re.search(r"\s", value))
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and bare and port_is_valid


def slot(value: Any) -> Slot:
    if not isinstance(value, str):
        raise ValueError(f'write a size such as "1200x630", not {value!r}.')
    return Slot.parse(value)


def price(value: Any) -> Price:
    """Return the Price in ("0.12", "USD") or {"amount": "0.12", "currency": "USD"}."""
    try:
        if isinstance(value, dict):
            value = (value["amount"], value["currency"])
        given, currency = value
        amount = Decimal(str(given))
        usable = amount.is_finite() and amount >= 0 and re.fullmatch("[A-Z]{3}", currency)
    except (KeyError, TypeError, ValueError, InvalidOperation):
        usable = None
    if not usable:
        raise ValueError(f'write an amount and a currency, such as ("0.12", "USD"), not {value!r}.')
    return Price(amount, currency)


def dotted_callable(value: Any) -> Callable[..., Any]:
    """Return the callable that a dotted path names."""
    found = _imported(value)
    if not callable(found):
        raise ValueError(f"write the dotted path of a function; {value!r} is none.")
    return found


def storage(value: Any) -> "str | Storage | Callable[[], Storage]":
    """Return a key of STORAGES or a storage unchanged, and for a dotted path what it imports."""
    if isinstance(value, str) and value in django_settings.STORAGES:
        return value
    if isinstance(value, str) and "." not in value:
        known = ", ".join(f'"{name}"' for name in django_settings.STORAGES)
        raise ValueError(f'STORAGES has no "{value}". Write one of {known}, or a dotted path.')
    found = _imported(value) if isinstance(value, str) else value
    if not (isinstance(found, Storage) or callable(found)):
        raise ValueError(
            "write a key of STORAGES, a storage, or the dotted path of a storage or of a function "
            f"that returns one, not {value!r}."
        )
    return found


def _imported(path: Any) -> Any:
    if not isinstance(path, str):
        raise ValueError(f'write a dotted path such as "project.images.allow", not {path!r}.')
    try:
        return import_string(path)
    except ImportError as error:
        raise ValueError(f'"{path}" can\'t be imported: {error}.') from error
