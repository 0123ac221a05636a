"""Editors, who use the admin's own pages and forms."""

import io
import itertools
import os
import random
import re
from collections.abc import Callable
from typing import Any

from PIL import Image

from suites.soak.browser import Browser, Form, Page, Unexpected

#: How often an editor's browser polls the progress before the editor goes on.
POLLS = 4
#: The value of the crop among the options.
CROP = "crop"
IMAGE = re.compile(r"/admin/images/(\d+)/")


class Editor:
    def __init__(self, plan: dict[str, Any], number: int, count: Callable[[str], None]) -> None:
        self._plan = plan
        self._count = count
        self._name = f"editor-{number}"
        self._random = random.Random(f"{self._name} {plan['seed']}")
        self._browser = Browser(plan["url"], count)
        #: Images that this editor has put on the front page, and those taken off it again.
        self._shown: list[str] = []
        self._withdrawn: list[str] = []
        self._uploads = itertools.count()

    def set_up(self) -> None:
        self._browser.log_in(self._name)

    def do(self, name: str) -> None:
        getattr(self, name)()

    # On the image's screen

    def ask(self) -> None:
        """Ask for a picture of one shape, and poll its progress for a while."""
        screen = self._screen()
        forms = screen.forms("/ask/")
        if not forms:
            self._count("nothing to ask for")
            return
        count = self._random.choice(["1", "1", "2"])
        self._watch(self._browser.send(self._random.choice(forms), candidates=count))

    def _watch(self, screen: Page) -> None:
        root = screen.select("[data-smart-resize-progress-url-value]")[0]
        url = str(root["data-smart-resize-progress-url-value"])
        cards = screen.select("[data-smart-resize-progress-target=card]")
        have = {str(card["data-key"]): str(card["data-etag"]) for card in cards}
        for _ in range(POLLS):
            known = ",".join(f"{key}:{etag}" for key, etag in have.items())
            answer = self._browser.json(url, have=known)
            self._count("questions how far it is")
            have |= {card["key"]: card["etag"] for card in answer["cards"]}
            if not answer["active"]:
                return

    def choose(self) -> None:
        """Choose another picture than the chosen one, after viewing it."""
        self._decide(lambda option: option != CROP)

    def crop(self) -> None:
        self._decide(lambda option: option == CROP)

    def _decide(self, wanted: Callable[[str], bool]) -> None:
        screen = self._screen()
        possible = [
            (form, option)
            for form in screen.forms("/choose/")
            for option in form.options("choice")
            if wanted(option) and option != form.chosen("choice")
        ]
        if not possible:
            self._count("nothing to choose")
            return
        self._see(screen)
        form, option = self._random.choice(possible)
        self._browser.send(form, choice=option)

    def _see(self, screen: Page) -> None:
        """Fetch one of the candidates, as the screen shows it."""
        pictures = screen.select('img[src*="/candidates/"]')
        if pictures:
            self._browser.fetch(str(self._random.choice(pictures)["src"]))

    def _screen(self) -> Page:
        image = self._random.choice([*self._plan["photos"], *self._shown])
        return self._browser.open(f"/admin/images/{image}/smart-resize/")

    # Review

    def review(self) -> None:
        """Approve or decline the first that waits; sometimes several at once."""
        queue = self._browser.open("/admin/reports/smart-resize/review/")
        waiting = queue.forms("/decide/")
        if not waiting:
            self._count("nothing to review")
        elif self._random.random() < 0.2:
            self._approve_all(queue)
        else:
            self._decide_first(waiting[0])

    def _decide_first(self, form: Form) -> None:
        pictures = form.buttons("approve")
        if not pictures or self._random.random() < 0.2:
            self._browser.send(form, decline="1")
        else:
            self._browser.send(form, approve=self._random.choice(pictures))

    def clear(self) -> None:
        """Approve until nothing waits."""
        while self._approve_all(self._browser.open("/admin/reports/smart-resize/review/")):
            pass

    def _approve_all(self, queue: Page) -> bool:
        """Approve the first picture of each entry on the page; return whether there was one."""
        form = queue.forms("/selected/")
        first = [entry.buttons("approve")[:1] for entry in queue.forms("/decide/")]
        selected = [("candidates", key) for keys in first for key in keys]
        if form and selected:
            form[0].values += selected
            self._browser.send(form[0])
        return bool(form and selected)

    # Images

    def upload(self) -> None:
        page = self._browser.open("/admin/images/add/")
        title = f"{self._name} {os.getpid()} {next(self._uploads)}"
        form = _with_file(page)
        self._browser.send(
            form, file=self._photograph(), title=title, collection=self._plan["news"]
        )
        listing = self._browser.open("/admin/images/")
        links = [link for link in listing.select("a[href]") if title in link.get_text()]
        found = [IMAGE.search(str(link["href"])) for link in links]
        newest = next((match[1] for match in found if match), None)
        if newest is None:
            raise Unexpected(f"{title} is not listed")
        self._shown.append(newest)

    def replace(self) -> None:
        """Replace the file of one of this editor's images."""
        image = self._one_of(self._shown)
        if image:
            page = self._browser.open(f"/admin/images/{image}/")
            self._browser.send(_with_file(page), file=self._photograph())

    def withdraw(self) -> None:
        """Take an image off the front page: images are taken out of use before they are deleted."""
        image = self._one_of(self._shown)
        if image:
            page = self._browser.open(f"/admin/images/{image}/")
            self._browser.send(_with_file(page), collection=self._plan["root"])
            self._shown.remove(image)
            self._withdrawn.append(image)

    def delete(self) -> None:
        image = self._one_of(self._withdrawn)
        if image:
            page = self._browser.open(f"/admin/images/{image}/delete/")
            self._browser.send(page.forms("/delete/")[0])
            self._withdrawn.remove(image)

    def _one_of(self, images: list[str]) -> str | None:
        if not images:
            self._count("no image of one's own")
        return self._random.choice(images) if images else None

    def _photograph(self) -> tuple[str, bytes, str]:
        """Return a picture unlike every other."""
        noise = Image.frombytes("RGB", (16, 12), self._random.randbytes(16 * 12 * 3))
        content = io.BytesIO()
        noise.resize((480, 360), Image.Resampling.BICUBIC).save(content, "PNG")
        return "photograph.png", content.getvalue(), "image/png"

    # Views

    def report(self) -> None:
        page = self._browser.open("/admin/reports/smart-resize/")
        links = [str(link["href"]) for link in page.select('a[href*="/smart-resize/"]')]
        self._browser.open(self._random.choice(links))

    def look(self) -> None:
        image = self._random.choice(self._plan["photos"])
        self._browser.open("/admin/images/")
        self._browser.open(f"/admin/images/{image}/")
        self._browser.open(f"/admin/images/{image}/smart-resize/history/")


def _with_file(page: Page) -> Form:
    forms = [form for form in page.forms("/") if form.tag.select('input[type=file][name="file"]')]
    if not forms:
        raise Unexpected(f"no form for a file on {page.url}")
    return forms[0]
