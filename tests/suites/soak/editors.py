"""Editors, who use the admin's own pages and forms."""

import io
import itertools
import os
import random
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

from bs4 import Tag
from PIL import Image

from suites.soak.browser import Browser, Form, Page, Refused, Unexpected
from suites.soak.load_profile import PACE

#: How often an editor's browser polls the progress before the editor goes on, and after how many
#: seconds of the hour.
POLLS = 4
POLL_PAUSE = 2.0
#: The value of the crop among what can be chosen.
CROP = "crop"
#: How many entries of the review are selected to be approved together.
SELECTED = 4
REVIEW = "/admin/reports/smart-resize/review/"
#: The entries in the strip of the review.
ENTRIES = "[data-smart-resize-review-target=one]"
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
        try:
            getattr(self, name)()
        except Refused:
            # Two editors work on the same image now and then, and one of them comes second.
            self._count("refused")

    # On the image's screen

    def ask(self) -> None:
        """Ask for versions for one place or several, and poll the progress for a while."""
        screen = self._screen()
        link = self._link_to_ask(screen)
        if link is None:
            self._count("nothing to ask for")
            return
        dialog = self._there(self._browser.part(link))
        count = self._random.choice(["1", "1", "2"])
        self._browser.post(screen, dialog.forms("/make/")[0], candidates=count)
        self._count("asked")
        self._watch(screen)

    def _link_to_ask(self, screen: Page) -> str | None:
        """Return the address of the form for all places that lose much, or for any one place."""
        several = screen.select('.smart-resize-group__head a[href*="/make/"]')
        if several and self._random.random() < 0.2:
            return str(several[0]["href"])
        for room in self._rooms(screen):
            links = room.select(".smart-resize-film__add")
            if links:
                return str(links[0]["href"])
        return None

    def _watch(self, screen: Page) -> None:
        url = screen.data("smart-resize-sheet-url-value")
        source = screen.data("smart-resize-sheet-source-value")
        etag = screen.data("smart-resize-sheet-etag-value")
        for _ in range(POLLS):
            answer = self._browser.json(url, have=etag, source=source)
            self._count("questions how far it is")
            if ("html" in answer) != (answer["etag"] != etag):
                raise Unexpected(f"{url} sends the sheet where it is known, or none")
            etag = answer["etag"]
            if not answer["active"]:
                return
            time.sleep(POLL_PAUSE / PACE)

    def choose(self) -> None:
        """Choose another version than the one that visitors see, after viewing it."""
        if self._choose_version():
            self._count("chosen")

    def crop(self) -> None:
        if self._choose_crop():
            self._count("crop chosen")

    def undo(self) -> None:
        """Choose something, and take that back while it can be."""
        choose = self._choose_crop if self._random.random() < 0.3 else self._choose_version
        decided = choose()
        if decided:
            self._undo(*decided)

    def _undo(self, screen: Page, answer: Any) -> None:
        """Undo what a decision's answer offers to undo."""
        undo = answer["undo"]
        decisions = [("decisions", each) for each in undo["fields"]["decisions"]]
        self._browser.post_fields(screen, undo["url"], decisions)
        self._count("undone")

    def _choose_version(self) -> tuple[Page, Any] | None:
        """Return the screen and its answer; None if no place has another version."""
        screen = self._screen()
        for room in self._rooms(screen):
            forms = room.forms("/choose/")
            versions = room.select('[data-picture][data-open="1"][data-seen=""]')
            if forms and versions:
                version = self._random.choice(versions)
                self._see(version)
                return screen, self._browser.post(screen, forms[0], choice=version["data-value"])
        self._count("nothing to choose")
        return None

    def _choose_crop(self) -> tuple[Page, Any] | None:
        """Return the screen and its answer; None if the crop is chosen in all places."""
        screen = self._screen()
        for room in self._rooms(screen):
            forms = room.forms("/choose/")
            if forms and forms[0].tag.select(f'button[value="{CROP}"]:not([hidden])'):
                return screen, self._browser.post(screen, forms[0], choice=CROP)
        self._count("nothing to choose")
        return None

    def _see(self, version: Tag) -> None:
        """Fetch a version as the room shows it, and sometimes lay the original over it."""
        if self._browser.fetch(f"{version['data-picture']}?side=1600") is None:
            raise Unexpected(f"no picture at {version['data-picture']}")
        if self._random.random() < 0.2:
            self._browser.json(str(version["data-match"]))
            self._count("compared")

    def _rooms(self, screen: Page) -> Iterator[Page]:
        """Open the rooms of the places one after the other."""
        links = screen.select(".smart-resize-tile__link")
        for link in self._random.sample(links, len(links)):
            yield self._there(self._browser.part(str(link["href"])))

    def _there(self, part: Page | None) -> Page:
        """Return a part of the screen of an image that nobody else deletes or replaces."""
        if part is None:
            raise Unexpected("a place of an image is not there any more")
        return part

    def _screen(self) -> Page:
        image = self._random.choice([*self._plan["photos"], *self._shown])
        return self._browser.open(f"/admin/images/{image}/smart-resize/")

    # Review

    def review(self) -> None:
        """Approve a version of the first that waits."""
        self._decide_first(self._approve_one)

    def decline(self) -> None:
        """Decide for the crop of the first that waits."""
        self._decide_first(self._decline_one)

    def _decide_first(self, decide: Callable[[Page, Form, list[str]], Any]) -> None:
        """Look at the first that waits and decide; sometimes think better of it."""
        queue = self._browser.open(REVIEW)
        waiting = queue.forms("/decide/")
        if not waiting:
            self._count("nothing to review")
            return
        answer = decide(queue, waiting[0], self._seen(queue))
        if self._random.random() < 0.1:
            self._undo(queue, answer)

    def _approve_one(self, queue: Page, form: Form, versions: list[str]) -> Any:
        if not versions:
            raise Refused("Its versions are not there any more.")
        answer = self._browser.post(queue, form, approve=self._random.choice(versions))
        self._count("approved")
        return answer

    def _decline_one(self, queue: Page, form: Form, _versions: list[str]) -> Any:
        reason = self._random.choice(form.tag.select("[name=decline]"))["data-reason"]
        answer = self._browser.post(queue, form, decline="1", reason=reason)
        self._count("declined")
        return answer

    def approve_selected(self) -> None:
        """Approve several together: some selected ones, or of all those that were looked at."""
        queue = self._browser.open(REVIEW)
        if not queue.select(ENTRIES):
            self._count("nothing to review")
            return
        self._approve(queue, SELECTED, of_all=self._random.random() < 0.5)

    def clear(self) -> None:
        """Look at all that waits and approve it, until nothing waits: nobody else is there."""
        while (queue := self._browser.open(REVIEW)).select(ENTRIES):
            try:
                self._approve(queue, None)
            except Refused as refusal:
                raise Unexpected(str(refusal)) from refusal

    def _approve(self, queue: Page, most: int | None, *, of_all: bool = False) -> None:
        """Approve the first version of so many entries, after the page in between.

        With `of_all`, all that waits is offered to it: it must leave out what was not looked at.
        """
        entries = queue.select(ENTRIES)
        seen = {version for entry in entries[:most] for version in self._look_at(entry)}
        first = [str(entry["data-versions"]).split()[0] for entry in entries]
        wanted = first if of_all else [version for version in first if version in seen]
        url = queue.data("smart-resize-review-approve-value")
        fields = [("candidates", each) for each in wanted] + [("seen", each) for each in seen]
        between = Page(self._browser.post_fields(queue, url, fields))
        forms = between.forms("/selected/")
        offered = [value for name, value in forms[0].values if name == "candidates"]
        if not set(offered) <= seen & set(wanted):
            raise Unexpected(f"{offered} are offered, and only {seen} were looked at")
        if not offered:
            raise Refused("None of them is there any more.")
        self._browser.post(queue, forms[0], confirm="1")
        self._count("approved together")

    def _look_at(self, entry: Tag) -> list[str]:
        """Open an entry of the strip, and return the versions whose pictures were fetched."""
        part = self._browser.part(str(entry["data-url"]))
        return self._seen(part) if part else []

    def _seen(self, entry: Page) -> list[str]:
        """Fetch the pictures of an entry and return its versions, without those deleted since."""
        return [
            str(version["data-version"])
            for version in entry.select("[data-version]:not([hidden])")
            for picture in version.select("img[src]")
            if self._browser.fetch(str(picture["src"])) is not None
        ]

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
