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

from visitor import PHOTOS, Picture, Shown, Site, TourError, Visit

SECONDS_BETWEEN_LOOKS = 2.0
#: The site's settings leave these at their defaults.
MIN_CROP_LOSS, MIN_SLOT_SIDE, WIDEST_SHAPE = 0.1, 100, 2 * 1584 / 672


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
        if crop_loss(shown) >= MIN_CROP_LOSS
        and longest[shown.photo, round(ratio(shown.slot), 1)] >= MIN_SLOT_SIDE
        and ratio(shown.slot) <= WIDEST_SHAPE
    }


def ratio(size: tuple[int, int]) -> float:
    return size[0] / size[1]


def crop_loss(shown: Shown) -> float:
    """The share of the photograph that a crop to the slot's shape cuts off."""
    with Image.open(PHOTOS[shown.photo]) as photo:
        shapes = ratio(photo.size), ratio(shown.slot)
    return 1 - min(shapes) / max(shapes)


class Tour:
    """Before, the wait, and after."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.started = time.monotonic()
        self.before = site.crawl()
        self.check_that_nothing_changed()
        # Whatever is recomposed from now on: these addresses go on answering with the crops.
        self.before_pictures = site.pictures(self.before, fetched=self.served)
        self.expected = expected(self.before)
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
        """Look at the pages until all that is expected has changed, or the deadline has passed."""
        ends = time.monotonic() + deadline
        while missing := self.expected - self.seconds.keys():
            self.note_changes(missing)
            if time.monotonic() > ends:
                return
            time.sleep(SECONDS_BETWEEN_LOOKS)

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
    if first not in tour.expected:
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
    took = time.monotonic() - tour.started
    return (
        f"{pages} pages, {renditions} renditions: {recomposed} recomposed, "
        f"{renditions - recomposed} as the crop, {len(tour.problems)} problems, in {took:.0f} s"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("site", help="address of the home page")
    parser.add_argument("--deadline", type=float, default=900, help="seconds to wait at most")
    parser.add_argument(
        "--pause", action="store_true", help="after the first visit, until standard input ends"
    )
    options = parser.parse_args()
    try:
        return guided(Tour(Site(options.site)), options)
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
