"""A visitor of the demo site, before and after its pictures were recomposed.

`tour.py http://127.0.0.1:8000` follows the site's links from its home page, notes every picture
that a page shows, waits until the pictures that should be recomposed are, and looks again. It
prints a table, and a line for each thing that is not as it should be; its exit status is 1 if there
was one.

It knows the site by its pages alone: HTML, JSON and the pictures' bytes.
"""

import argparse
import re
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from urllib.parse import urlsplit

from PIL import Image

from demo.content import PHOTOS as CONTENT
from visitor import PHOTOS, Picture, Shown, Site, TourError, Visit

SECONDS_BETWEEN_LOOKS = 2.0
#: The site's settings leave these at their defaults.
MIN_CROP_LOSS, MIN_SUBJECT_KEPT = 0.1, 0.97
MIN_SLOT_SIDE, WIDEST_SHAPE = 100, 2 * 1584 / 672
#: Presets by whose prompts the sandbox spoils the results: the check stops them.
STOPPED = {"mirrored", "unfaithful", "garbled"}
#: The size of each photograph's focal area.
AREAS = {photo.file.rpartition(".")[0]: photo.focus[2:] for photo in CONTENT}


def expected(visit: Visit) -> set[Shown]:
    """The pictures whose crop does harm, by the rules that `docs/reference/settings.md` states."""
    ours = [shown for shown in visit if shown.is_ours]
    longest: dict[tuple[str, float], int] = defaultdict(int)
    for shown in ours:
        key = shown.photo, round(ratio(shown.slot), 1)
        longest[key] = max(longest[key], *shown.slot)
    return {
        shown
        for shown in ours
        if crop_harms(shown)
        and longest[shown.photo, round(ratio(shown.slot), 1)] >= MIN_SLOT_SIDE
        and ratio(shown.slot) <= WIDEST_SHAPE
    }


def ratio(size: tuple[int, int]) -> float:
    return size[0] / size[1]


def crop_harms(shown: Shown) -> bool:
    """By the focal area if the photograph has one, else by all of the photograph."""
    area = AREAS[shown.photo]
    if min(area) > 1:
        return subject_kept(shown, area) < MIN_SUBJECT_KEPT
    return crop_loss(shown) >= MIN_CROP_LOSS


def crop_loss(shown: Shown) -> float:
    """The share of the photograph that a crop to the slot's shape cuts off."""
    width, height = photo_size(shown)
    across, down = crop_size(shown)
    return 1 - across * down / (width * height)


def subject_kept(shown: Shown, area: tuple[int, int]) -> float:
    """The share of the focal area that such a crop keeps: it is laid over as much as it can."""
    across, down = crop_size(shown)
    return min(1, across / area[0]) * min(1, down / area[1])


def crop_size(shown: Shown) -> tuple[float, float]:
    """The largest rectangle of the slot's shape in the photograph."""
    width, height = photo_size(shown)
    shape = ratio(shown.slot)
    return min(width, height * shape), min(height, width / shape)


def photo_size(shown: Shown) -> tuple[int, int]:
    with Image.open(PHOTOS[shown.photo]) as photo:
        return photo.size


class Tour:
    """Before, the wait, and after."""

    def __init__(self, site: Site, without_check: bool = False) -> None:
        self.site = site
        self.started = time.monotonic()
        self.before = site.crawl()
        self.check_that_nothing_changed()
        # Whatever is recomposed from now on: these addresses go on answering with the crops.
        self.before_pictures = site.pictures(self.before, fetched=self.served)
        stopped = set() if without_check else STOPPED
        bought = expected(self.before)
        self.stopped = {shown for shown in bought if shown.target in stopped}
        self.expected = bought - self.stopped
        self.seconds: dict[Shown, float] = {}
        self.problems = self.not_the_crop()

    def check_that_nothing_changed(self) -> None:
        """The first visit shows crops only if it ended before anything was recomposed.

        Raises TourError if it did not.
        """
        served = [url for shown, url in self.before.items() if shown.served]
        self.served = {url: self.site.picture(url) for url in served}
        if self.site.look({shown.page for shown in self.before}) != self.before:
            took = time.monotonic() - self.started
            raise TourError(
                f"In {took:.0f} s it met recomposed pictures: until it has ended, nobody may "
                "work on them (RUNNER)."
            )

    def not_the_crop(self) -> list[str]:
        """Where a page shows `fill` beside `smartresize`, both must have the same bytes."""
        twins = [shown for shown in self.before if shown.is_ours and shown.twin in self.before]
        if not twins:
            return ["No page shows the crop beside ours."]
        fetched = self.before_pictures
        return [
            f"{shown}: at first it should have the bytes of {shown.twin.spec}."
            for shown in twins
            if fetched[shown].digest != fetched[shown.twin].digest
        ]

    def wait(self, deadline: float) -> None:
        """Look at the pages until all that is expected has happened, or the deadline has passed.

        What the check stops must wait for an editor, or else it might change after the last look.
        """
        ends = time.monotonic() + deadline
        while self.unchanged() or self.undecided():
            self.note_changes(self.unchanged())
            if time.monotonic() > ends:
                return
            time.sleep(SECONDS_BETWEEN_LOOKS)

    def unchanged(self) -> set[Shown]:
        return self.expected - self.seconds.keys()

    def undecided(self) -> set[Shown]:
        """What should be stopped, and of which its page does not say that a version waits."""
        waiting = {page: self.site.waiting(page) for page in {shown.page for shown in self.stopped}}
        return {shown for shown in self.stopped if shown.target not in waiting[shown.page]}

    def note_changes(self, missing: set[Shown]) -> None:
        now = self.site.look({shown.page for shown in missing})
        for shown in missing:
            if self.has_changed(shown, now.get(shown, "")):
                self.seconds[shown] = time.monotonic() - self.started

    def has_changed(self, shown: Shown, url: str) -> bool:
        """A new address, but for the serve view: there it is the bytes that change."""
        if not shown.served:
            return url not in {"", self.before[shown]}
        return self.site.picture(url).digest != self.before_pictures[shown].digest

    def finish(self) -> None:
        self.after = self.site.look({shown.page for shown in self.before})
        pictures = self.site.pictures(self.after)
        for shown, before in self.before_pictures.items():
            after = pictures.get(shown)
            if after is None:
                self.problems.append(f"{shown}: is no longer on its page.")
            elif shown in self.expected:
                self.problems += recomposition_problems(shown, before, after)
            elif (after.url, after.digest) != (before.url, before.digest):
                self.problems.append(f"{shown}: should have stayed the crop, and changed.")
        self.problems += [f"{shown}: no version waits for an editor." for shown in self.undecided()]
        self.problems += self.lost_addresses()

    def lost_addresses(self) -> list[str]:
        """Cached pages still name the old addresses: they must answer, and as before."""
        problems = []
        for shown, before in self.before_pictures.items():
            if shown.served:
                continue
            try:
                if self.site.picture(before.url).digest != before.digest:
                    problems.append(f"{shown}: the old address {before.url} changed its bytes.")
            except TourError as error:
                problems.append(f"{shown}: the old address is gone: {error}")
        return problems


def recomposition_problems(shown: Shown, before: Picture, after: Picture) -> Iterator[str]:
    if after.digest == before.digest:
        yield f"{shown}: is still the crop."
        return
    if after.url == before.url and not shown.served:
        yield f"{shown}: the picture changed under its old address."
    if after.size != before.size:
        yield f"{shown}: has {show(after.size)} px where the crop had {show(before.size)}."
    if not has_shape(after.size, shown.slot):
        yield f"{shown}: {show(after.size)} px is not the shape of {show(shown.slot)}."


def has_shape(size: tuple[int, int], slot: tuple[int, int]) -> bool:
    """Whether it is the slot's shape, but for whole pixels: Wagtail's crop rounds both edges."""
    return abs(size[0] * slot[1] - size[1] * slot[0]) <= 2 * max(slot)


def show(size: tuple[int, int]) -> str:
    return "{}x{}".format(*size)


# The table


def table(tour: Tour) -> Iterator[str]:
    """A line for each page, photograph and slot; formats and sizes of quality are counted."""
    groups: dict[tuple[str, str, str], list[Shown]] = defaultdict(list)
    for shown in tour.before:
        if shown.is_ours:
            groups[shown.page, shown.photo, slot_name(shown)].append(shown)
    rows = [row(tour, key, members) for key, members in groups.items()]
    widths = [max(map(len, column)) for column in zip(HEADINGS, *rows, strict=True)]
    for cells in (HEADINGS, tuple("-" * width for width in widths), *rows):
        yield "  ".join(
            cell.ljust(width) for cell, width in zip(cells, widths, strict=True)
        ).rstrip()


HEADINGS = ("page", "slot", "files", "before: the crop", "after: recomposed", "seconds")


def slot_name(shown: Shown) -> str:
    return re.search(r"smartresize-[^.]+", shown.spec)[0].removeprefix("smartresize-")


def row(tour: Tour, key: tuple[str, str, str], members: list[Shown]) -> tuple[str, ...]:
    page, _photo, slot = key
    first = members[0]
    before, after = (short(visit.get(first, "-")) for visit in (tour.before, tour.after))
    if first in tour.stopped:
        after, seconds = "(stopped, stays)", "-"
    elif first not in tour.expected:
        after, seconds = "(stays)", "-"
    else:
        times = [tour.seconds.get(shown) for shown in members]
        seconds = "never" if None in times else f"{max(times):.1f}"
    return page.split("?")[0], slot, str(len(members)), before, after, seconds


def short(url: str) -> str:
    """File names tell all; the serve view's addresses begin with a signature."""
    path = urlsplit(url).path
    return re.sub(
        r"^/pictures/([^/]{4})[^/]*", r"/pictures/\1...", path.removeprefix("/media/images/")
    )


def summary(tour: Tour) -> str:
    ours = [shown for shown in tour.before if shown.is_ours]
    pages = len({shown.page for shown in ours})
    renditions = len({tour.before[shown] for shown in ours})
    recomposed = len({tour.before[shown] for shown in tour.seconds})
    stopped = len({tour.before[shown] for shown in tour.stopped})
    took = time.monotonic() - tour.started
    return (
        f"{pages} pages, {renditions} renditions: {recomposed} recomposed, "
        f"{renditions - recomposed} as the crop ({stopped} stopped by the check), "
        f"{len(tour.problems)} problems, in {took:.0f} s"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("site", help="address of the home page")
    parser.add_argument("--deadline", type=float, default=900, help="seconds to wait at most")
    parser.add_argument(
        "--pause", action="store_true", help="after the first visit, until standard input ends"
    )
    parser.add_argument(
        "--without-check", action="store_true", help="the site does not check its results"
    )
    options = parser.parse_args()
    try:
        return guided(Tour(Site(options.site), options.without_check), options)
    except TourError as error:
        print(f"The tour ends early. {error}", file=sys.stderr)
        return 1


def guided(tour: Tour, options: argparse.Namespace) -> int:
    print(f"The first visit took {time.monotonic() - tour.started:.1f} s. Waiting ...", flush=True)
    if options.pause:
        sys.stdin.read()
    tour.wait(options.deadline)
    tour.finish()
    print("", *table(tour), "", sep="\n")
    for problem in tour.problems:
        print(f"FAILED {problem}")
    print(summary(tour))
    return 1 if tour.problems else 0


if __name__ == "__main__":
    sys.exit(main())
