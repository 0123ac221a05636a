"""How a visitor sees the demo site: its pages, the pictures that they show, and their bytes."""

import hashlib
import io
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urldefrag, urljoin, urlsplit

import requests
from PIL import Image

from demo.settings import WAGTAIL_SMART_RESIZE

PHOTOS = {
    file.stem: file
    for file in (Path(__file__).resolve().parent / "demo" / "photos").iterdir()
    if file.suffix in {".jpg", ".png"}
}
SECONDS_PER_ANSWER = 60.0
#: The names that Wagtail gives to files, and the addresses of its serve view. What was prepared
#: before a page asked for it has a token before its key.
FILE = re.compile(r"/(?P<photo>[^/.]+)(\.[0-9a-f]{12})?\.[0-9a-f]{8}\.(?P<spec>[^/]+)\.\w+$")
SERVED = re.compile(r"/pictures/[^/]+/\d+/(?P<spec>[^/]+)/(?P<photo>[^/.]+)\.\w+$")
OURS = re.compile(r"smartresize-(?P<target>\w+)")
NOT_PAGES = ("/admin/", "/documents/", "/media/", "/static/")


class TourError(Exception):
    """The tour can't go on: no answer, or one that is no page."""


class Shown(NamedTuple):
    """A picture that a page shows: `spec` as Wagtail writes it into file names."""

    page: str
    photo: str
    spec: str
    served: bool

    @property
    def target(self) -> str:
        """A size, or the name of a preset."""
        return OURS.search(self.spec)["target"]

    @property
    def slot(self) -> tuple[int, int]:
        preset = WAGTAIL_SMART_RESIZE["PRESETS"].get(self.target)
        width, height = (preset["size"] if preset else self.target).split("x")
        return int(width), int(height)

    @property
    def is_ours(self) -> bool:
        return "smartresize-" in self.spec

    @property
    def twin(self) -> "Shown":
        """The same picture as Wagtail's own filter gives it."""
        width, height = self.slot
        return self._replace(spec=OURS.sub(f"fill-{width}x{height}", self.spec))

    def __str__(self) -> str:
        return f"{self.page} {self.photo} {self.spec}"


class Picture(NamedTuple):
    """What an address answered."""

    url: str
    digest: str
    size: tuple[int, int]


Visit = dict[Shown, str]
"""The address of each picture on each page."""


class Reader(HTMLParser):
    """Collects the addresses of a page's pictures and links."""

    def __init__(self) -> None:
        super().__init__()
        self.pictures: list[str] = []
        self.links: list[str] = []
        self.waiting: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if "data-waits" in found:
            self.waiting.add(found["data-waits"])
        if tag in {"img", "source"}:
            candidates = found.get("srcset", "").split(",")
            self.pictures += [each.split()[0] for each in candidates if each.strip()]
        if tag == "img":
            self.pictures.append(found.get("src", ""))
        elif tag == "meta" and found.get("property") == "og:image":
            self.pictures.append(found.get("content", ""))
        elif tag == "a":
            self.links.append(found.get("href", ""))


class Site:
    def __init__(self, home: str) -> None:
        self.home = home.rstrip("/") + "/"
        self.session = requests.Session()
        self.session.trust_env = False  # no proxy for loopback

    def get(self, url: str) -> requests.Response:
        try:
            response = self.session.get(url, timeout=SECONDS_PER_ANSWER)
        except requests.RequestException as error:
            raise TourError(f"{url} gave no answer: {error}") from error
        if response.status_code != 200:
            raise TourError(f"{url} answered {response.status_code}.")
        return response

    def crawl(self) -> Visit:
        """Every page that can be reached by links from the home page, and its pictures."""
        visit: Visit = {}
        waiting, seen = [self.home], {self.home}
        while waiting:
            url = waiting.pop(0)
            pictures, links = self.read(url)
            visit |= pictures
            new = [link for link in links if link not in seen]
            waiting += new
            seen |= set(new)
        return visit

    def look(self, pages: set[str]) -> Visit:
        visit: Visit = {}
        for page in sorted(pages):
            visit |= self.read(urljoin(self.home, page))[0]
        return visit

    def read(self, url: str) -> tuple[Visit, list[str]]:
        response = self.get(url)
        if "json" in response.headers["Content-Type"]:
            found, links = list(strings(response.json())), []
        else:
            reader = Reader()
            reader.feed(response.text)
            found, links = reader.pictures, self.pages(url, reader.links)
        addresses = [urljoin(url, address) for address in found]
        page = url.removeprefix(self.home.rstrip("/"))
        return {shown: url for url in addresses if (shown := recognise(page, url))}, links

    def waiting(self, page: str) -> set[str]:
        """The slots and presets of which the page says that a version waits for an editor."""
        reader = Reader()
        reader.feed(self.get(urljoin(self.home, page)).text)
        return reader.waiting

    def pages(self, url: str, links: list[str]) -> list[str]:
        absolute = dict.fromkeys(urldefrag(urljoin(url, link)).url for link in links)
        ours = [link for link in absolute if link.startswith(self.home)]
        return [link for link in ours if not urlsplit(link).path.startswith(NOT_PAGES)]

    def picture(self, url: str) -> Picture:
        content = self.get(url).content
        try:
            with Image.open(io.BytesIO(content)) as image:
                image.load()
                return Picture(url, hashlib.sha256(content).hexdigest(), image.size)
        except OSError as error:
            raise TourError(f"{url} is no picture: {error}") from error

    def pictures(
        self, visit: Visit, fetched: dict[str, Picture] | None = None
    ) -> dict[Shown, Picture]:
        """Each address is fetched once, however many pages show it; not those already fetched."""
        pictures = dict(fetched or {})
        for url in dict.fromkeys(visit.values()):
            pictures[url] = pictures.get(url) or self.picture(url)
        return {shown: pictures[url] for shown, url in visit.items()}


def strings(value: Any) -> Iterator[str]:
    """All texts in a JSON document."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from strings(each)


def recognise(page: str, url: str) -> Shown | None:
    path = urlsplit(url).path
    for pattern in (SERVED, FILE):
        if match := pattern.search(path):
            return Shown(page, photo_name(match["photo"]), match["spec"], pattern is SERVED)
    return None


def photo_name(beginning: str) -> str:
    """The photograph's whole name: Wagtail shortens the names of files with long specs."""
    return next((name for name in PHOTOS if name.startswith(beginning)), beginning)
