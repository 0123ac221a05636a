"""An editor's browser: a session, pages, and their forms."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urljoin

import requests
from bs4 import BeautifulSoup, Tag

SECONDS = 120


class Unexpected(Exception):
    """An answer that no editor should get."""


class Form:
    """A form as shown, to be filled in and sent."""

    def __init__(self, tag: Tag, url: str) -> None:
        self.tag = tag
        self.url = urljoin(url, str(tag.get("action") or ""))
        self.values = [pair for field in tag.select("[name]") for pair in _values(field)]

    def options(self, name: str) -> list[str]:
        """Return the values of the radio buttons that are not disabled."""
        found = self.tag.select(f'input[type=radio][name="{name}"]:not([disabled])')
        return [str(each["value"]) for each in found]

    def chosen(self, name: str) -> str | None:
        found = self.tag.select_one(f'input[type=radio][name="{name}"][checked]')
        return str(found["value"]) if found else None

    def buttons(self, name: str) -> list[str]:
        return [str(each["value"]) for each in self.tag.select(f'button[name="{name}"]')]

    def filled(self, **changes: Any) -> list[tuple[str, Any]]:
        kept = [(name, value) for name, value in self.values if name not in changes]
        return kept + list(changes.items())


def _values(field: Tag) -> list[tuple[str, str]]:
    """Return what a browser would send of an untouched field."""
    name, kind = str(field["name"]), field.get("type")
    if field.has_attr("disabled") or field.name == "button" or kind in {"submit", "file"}:
        return []
    if kind in {"radio", "checkbox"}:
        return [(name, str(field.get("value", "on")))] if field.has_attr("checked") else []
    if field.name == "select":
        chosen = field.select("option[selected]") or field.select("option")[:1]
        return [(name, str(each.get("value", each.get_text()))) for each in chosen]
    if field.name == "textarea":
        return [(name, field.get_text())]
    return [(name, str(field.get("value", "")))]


class Page:
    def __init__(self, response: requests.Response) -> None:
        self.url = response.url
        self._soup = BeautifulSoup(response.content, "html.parser")

    def select(self, selector: str) -> list[Tag]:
        return list(self._soup.select(selector))

    def forms(self, action_ends: str) -> list[Form]:
        """Return the forms whose address has this end."""
        forms = (Form(tag, self.url) for tag in self.select("form[method=post], form[method=POST]"))
        return [form for form in forms if form.url.split("?")[0].endswith(action_ends)]


class Browser:
    """Keeps its connection and cookies; calls `count` for each answer."""

    def __init__(self, url: str, count: Callable[[str], None]) -> None:
        self._url = url
        self._count = count
        self._session = requests.Session()

    def open(self, path: str, **query: Any) -> Page:
        return Page(self._answered("GET", urljoin(self._url, path), params=query))

    def json(self, path: str, **query: Any) -> Any:
        return self._answered("GET", urljoin(self._url, path), params=query).json()

    def fetch(self, path: str) -> bytes:
        return self._answered("GET", urljoin(self._url, path)).content

    def send(self, form: Form, file: Any = None, **changes: Any) -> Page:
        """Fill in the form, send it, and follow redirects."""
        files = {"file": file} if file else None
        data = form.filled(**changes)
        return Page(self._answered("POST", form.url, data=data, files=files))

    def log_in(self, name: str) -> None:
        form = self.open("/admin/login/").forms("/admin/login/")[0]
        page = self.send(form, username=name, password="secret")
        if page.url.endswith("/login/"):
            raise Unexpected(f"{name} could not log in")

    def _answered(self, method: str, url: str, **sent: Any) -> requests.Response:
        # Browsers send it with forms.
        headers = {"Referer": self._url}
        response = self._session.request(method, url, headers=headers, timeout=SECONDS, **sent)
        self._count("requests to the admin")
        if response.status_code != 200:
            raise Unexpected(f"{method} {url}: {response.status_code}")
        return response
