"""Visitors, who view pages and expect every picture of a gallery to exist."""

import http.client
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

SECONDS = 120
ADDRESS = re.compile(r'/media/([^" ]+)')


class Visitor:
    """Every other visitor keeps the connection; the others open one for each page."""

    def __init__(self, plan: dict[str, Any], number: int, count: Callable[[str], None]) -> None:
        self._host = urlsplit(plan["url"]).netloc
        self._media = Path(plan["media"])
        self._galleries = plan["galleries"]
        self._keeps = number % 2 == 0
        self._count = count
        self._random = random.Random(f"visitor {plan['seed']} {number}")
        self._connection: http.client.HTTPConnection | None = None
        #: Galleries' pictures that were shown, and existed.
        self.seen: set[str] = set()

    def set_up(self) -> None:
        pass

    def do(self, _view: str) -> None:
        gallery = self._random.randrange(self._galleries)
        name = self._random.choice(["ours", "ours", "ours", "one", "other", ""])
        if not name:
            self.request_page("/")
            return
        html = self.request_page(f"/{name}-{gallery}/")
        found = set(ADDRESS.findall(html))
        assert found, f"{name}-{gallery} shows no picture"
        missing = [each for each in found - self.seen if not (self._media / each).is_file()]
        assert not missing, missing
        self.seen |= found

    def request_page(self, path: str) -> str:
        connection = self._connection or http.client.HTTPConnection(self._host, timeout=SECONDS)
        connection.request("GET", path, headers={} if self._keeps else {"Connection": "close"})
        response = connection.getresponse()
        html = response.read().decode()
        assert response.status == 200, f"{path}: {response.status}"
        self._connection = connection if self._keeps and not response.will_close else None
        return html
