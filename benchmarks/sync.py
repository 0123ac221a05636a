"""Measures syncs that find nothing to do, at both sites of `size`: the usual one, and the reading
of all images, which is ended in the middle and goes on."""

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .rows import Row
from .size import Sites, open_sites

ROUNDS = 9


def measure(directory: Path, quick: bool) -> list[Row]:
    with open_sites(directory, quick) as sites:
        from wagtail_smart_resize.repair import looks

        small, large = (_read_all(sites, site) for site in (1, 0))
        times = sites.images[0] // sites.images[1]
        # With --quick the small site has fewer images than a sync reads of the rest.
        looks.PART = min(looks.PART, sites.images[1])
        ratio = large.seconds / small.seconds
        return [
            sites.compare(
                f"A sync with nothing to do, for {times} times the rows",
                lambda _images: _run(),
                3 if quick else ROUNDS,
                None,
            ),
            Row(
                "The reading of all images, with nothing to do",
                ratio,
                ratio,
                ratio,
                note=f"{large.seconds:.1f} s beside {small.seconds:.2f} s, for {times} times the "
                "rows",
            ),
            _percent("Of it, what the first run had read when it was ended", large.read_first),
            _percent("And what the second run had to read", large.read_then),
            Row(
                "By how much the process grows at its peak, reading all images",
                *[large.megabytes] * 3,
                unit="MB",
                note=f"{small.megabytes:.1f} MB at the small site",
            ),
        ]


def _percent(what: str, share: float) -> Row:
    return Row(what, *[share * 100] * 3, unit="%")


@dataclass
class _Reading:
    """What it took to read all images in two runs, the first of which was ended in the middle."""

    seconds: float
    megabytes: float
    read_first: float
    """The share of the images that it read."""
    read_then: float


def _read_all(sites: Sites, site: int) -> _Reading:
    sites.use(site)
    images, read = sites.images[site], []
    gc.collect()
    with _peak() as growth:
        began = time.perf_counter()
        _run(
            whole=True,
            go_on=lambda: not read or read[-1] < images / 2,
            show=lambda count, _total: read.append(count),
        )
        first, then = read[-1], len(read)
        _run(whole=True, show=lambda count, _total: read.append(count))
        seconds = time.perf_counter() - began
    assert read[-1] == images
    # What it tells first is what the other had read, and its own first chunk.
    chunk = read[0]
    return _Reading(seconds, growth[0], first / images, (images - read[then] + chunk) / images)


def _run(**options: Any) -> None:
    from wagtail_smart_resize.repair import repairs

    report = repairs.run(**options)
    assert not report.failed
    assert not report.counts, report.lines()


@contextmanager
def _peak() -> Iterator[list[float]]:
    """Yield a list that gets the growth of this process to its peak, in MB, as Linux measures
    it."""
    Path("/proc/self/clear_refs").write_text("5")
    before, growth = _kilobytes("VmRSS"), list[float]()
    yield growth
    growth.append((_kilobytes("VmHWM") - before) / 1000)


def _kilobytes(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))
