"""An editor's browser: a session, pages, their forms, and what their scripts fetch and send."""

import json
from collections.abc import Callable, Collection
from typing import Any
from urllib.parse import urljoin

import requests
from bs4 import BeautifulSoup, Tag

SECONDS = 120
#: What the screens' scripts send: Wagtail answers it with a status instead of its login.
BY_SCRIPT = {"X-Requested-With": "XMLHttpRequest"}

Fields = list[tuple[str, Any]]


class Unexpected(Exception):
    """An answer that no editor should get."""


class Refused(Exception):
    """The text with which a screen says that nothing was done, as somebody else was first."""


class Form:
    """A form as shown, to be filled in and sent."""

    def __init__(self, tag: Tag, url: str) -> None:
        self.tag = tag
        self.url = urljoin(url, str(tag.get("action") or ""))
        self.values = [pair for field in tag.select("[name]") for pair in _values(field)]

    def filled(self, **changes: Any) -> Fields:
        kept = [(name, value) for name, value in self.values if name not in changes]
        return kept + list(changes.items())


def _values(field: Tag) -> Fields:
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
        # HTML has a first line break that is not part of the text.
        return [(name, field.get_text().removeprefix("\n"))]
    return [(name, str(field.get("value", "")))]


class Page:
    """A page, or a part of one that a script has fetched."""

    def __init__(self, response: requests.Response) -> None:
        self.url = response.url
        self._soup = BeautifulSoup(response.content, "html.parser")

    def select(self, selector: str) -> list[Tag]:
        return list(self._soup.select(selector))

    def data(self, name: str) -> str:
        """Return what a page tells a controller: the value of the only `data-` attribute so
        named."""
        found = self.select(f"[data-{name}]")
        if len(found) != 1:
            raise Unexpected(f"{len(found)} times data-{name} on {self.url}")
        return str(found[0][f"data-{name}"])

    def forms(self, action_ends: str) -> list[Form]:
        """Return the forms whose address has this end."""
        forms = (Form(tag, self.url) for tag in self.select("form[method=post], form[method=POST]"))
        return [form for form in forms if form.url.split("?")[0].endswith(action_ends)]

    @property
    def csrf_headers(self) -> dict[str, str]:
        """Return the header that Wagtail tells scripts to send with what they post."""
        config = json.loads(self.select("#wagtail-config")[0].get_text())
        return {config["CSRF_HEADER_NAME"]: config["CSRF_TOKEN"]}


class Browser:
    """Keeps its connection and cookies; calls `count` for each answer."""

    def __init__(self, url: str, count: Callable[[str], None]) -> None:
        self._url = url
        self._count = count
        self._session = requests.Session()

    def open(self, path: str, **query: Any) -> Page:
        return Page(self._answered("GET", path, params=query))

    def send(self, form: Form, file: Any = None, **changes: Any) -> Page:
        """Fill in the form, send it, and follow redirects."""
        files = {"file": file} if file else None
        data = form.filled(**changes)
        return Page(self._answered("POST", form.url, data=data, files=files))

    # What scripts do

    def part(self, path: str) -> Page | None:
        """Return a part of a page; None if what it shows is not there any more.

        Raises Refused.
        """
        response = self._answered("GET", path, {200, 404, 409}, headers=BY_SCRIPT)
        if response.history:
            raise Unexpected(f"GET {path}: a part of a page leads to {response.url}")
        if response.status_code == 409:
            raise Refused(response.json()["text"])
        return Page(response) if response.ok else None

    def json(self, path: str, **query: Any) -> Any:
        return self._answered("GET", path, params=query, headers=BY_SCRIPT).json()

    def fetch(self, path: str) -> bytes | None:
        """Return a picture; None if its image has been deleted."""
        response = self._answered("GET", path, {200, 404})
        return response.content if response.ok else None

    def post(self, screen: Page, form: Form, **changes: Any) -> Any:
        """Send a form as the screen's scripts do, and return their answer. Raises Refused."""
        return self.post_fields(screen, form.url, form.filled(**changes)).json()

    def post_fields(self, screen: Page, url: str, fields: Fields) -> requests.Response:
        headers = {**BY_SCRIPT, **screen.csrf_headers}
        response = self._answered("POST", url, {200, 409, 422}, data=fields, headers=headers)
        if response.status_code == 422:
            # The form comes back. That a field of it is wrong, no editor should be told here.
            told = [each.get_text() for each in Page(response).select("[role=alert]")]
            if not told:
                raise Unexpected(f"POST {url}: {response.text[:2000]}")
            raise Refused(" ".join(told))
        if not response.ok:
            raise Refused(response.json()["text"])
        return response

    def log_in(self, name: str) -> None:
        form = self.open("/admin/login/").forms("/admin/login/")[0]
        page = self.send(form, username=name, password="secret")
        if page.url.endswith("/login/"):
            raise Unexpected(f"{name} could not log in")

    def _answered(
        self,
        method: str,
        path: str,
        expected: Collection[int] = (200,),
        headers: dict[str, str] | None = None,
        **sent: Any,
    ) -> requests.Response:
        url = urljoin(self._url, path)
        # Browsers send the referrer with forms.
        headers = {"Referer": self._url, **(headers or {})}
        response = self._session.request(method, url, headers=headers, timeout=SECONDS, **sent)
        self._count("requests to the admin")
        if response.status_code not in expected:
            raise Unexpected(f"{method} {url}: {response.status_code} {response.text[:2000]}")
        return response
