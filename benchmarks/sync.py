"""Measures a sync that finds nothing to do, at both sites of `size`, and what memory it takes."""

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .rows import Row
from .size import Sites, open_sites


def measure(directory: Path, quick: bool) -> list[Row]:
    with open_sites(directory, quick) as sites:
        (small, little), (large, much) = (_sync(sites, site) for site in (1, 0))
        share = sites.images[0] // sites.images[1]
    ratio = large / small
    note = f"{large:.1f} s beside {small:.2f} s, for {share} times the rows"
    memory = Row(
        "By how much the process grows at its peak",
        much,
        much,
        much,
        unit="MB",
        note=f"{little:.1f} MB at the small site",
    )
    return [Row("A sync with nothing to do", ratio, ratio, ratio, note=note), memory]


def _sync(sites: Sites, site: int) -> tuple[float, float]:
    """Return the seconds that it takes, and the growth of this process meanwhile in MB."""
    from wagtail_smart_resize.repair import repairs

    sites.use(site)
    gc.collect()
    with _peak() as growth:
        began = time.perf_counter()
        report = repairs.run()
        took = time.perf_counter() - began
    assert not report.failed
    assert not report.counts, report.lines()
    return took, growth[0]


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
