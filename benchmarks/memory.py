"""Measures a worker's memory for the API's largest pictures, and whether it is released.

A real worker, a real web process for the sources, and a gateway of its own. The kernel records the
peak, so that nothing is missed between two samples.
"""

import time
from pathlib import Path

import django

django.setup()

from suites.engines.setups import filled_site  # noqa: E402
from support.waiting import until  # noqa: E402

from . import gateway, sites  # noqa: E402
from .rows import Row, Skipped  # noqa: E402

SPECS = ["format-jpeg smartresize-1200x630", "format-jpeg smartresize-600x600"]
#: What docs/operations/running.md recommends, so that the peak is that of the pictures.
GIVEN_BACK_AT_ONCE = {"MALLOC_MMAP_THRESHOLD_": "1048576"}
#: A growth of up to a tenth counts as none.
FLAT = 1.1


def measure(directory: Path, quick: bool) -> list[Row]:
    if not Path("/proc/self/clear_refs").exists():
        raise Skipped("only Linux tells a process's peak, from a moment on")
    rows = []
    # Of what takes most, the most.
    for name, outputs in {"jpeg": 4 if quick else 100, "webp": 4 if quick else 200}.items():
        here = directory / name
        here.mkdir()
        rows += _rows(here, name, outputs)
    return rows


def _rows(directory: Path, output_format: str, outputs: int) -> list[Row]:
    photos = outputs // len(SPECS)
    with (
        sites.database(directory) as (kind, database),
        gateway.running(1.0) as url,
        filled_site(
            directory,
            database,
            url,
            photos,
            settings=sites.with_settings(RESOLUTION="4K", OUTPUT_FORMAT=output_format),
            SERVERS_RUNNER="off",
        ) as site,
    ):
        site.serve("gunicorn sync", "--workers=1")
        with site.with_environment(GIVEN_BACK_AT_ONCE):
            worker = site.start("django", "smart_resize_worker", role="worker")
        until(lambda: "is running" in site.log(), "the worker runs")
        # Wait for a pass with nothing to do, and the hourly repair.
        time.sleep(5)
        idle = sites.status(worker.pid, "VmRSS")
        _forget_peak(worker.pid)
        sites.want(site, photos, SPECS)
        peaks = _peaks(site, worker.pid, outputs)
        refused = site.sql(
            "SELECT count(*) FROM wagtail_smart_resize_gatewayrequest WHERE status <> 'done'"
        )
        assert refused == [(0,)], site.requests()
        after = sites.status(worker.pid, "VmRSS")
        site.end(worker)
    over = [(peak - idle) / 1024 for peak in peaks]
    counts = {"outputs": outputs, "idle MB": idle // 1024, "afterwards MB": after // 1024}
    return [
        Row(
            f"A worker's peak over its idle memory, outputs of 4K as {output_format.upper()}",
            *[max(over)] * 3,
            unit="MB",
            at_most=200,
            counts=counts,
            note=f"On {kind}",
        ),
        Row(
            f"The peak of the last quarter beside that of the first, {output_format.upper()}",
            *[over[-1] / over[0]] * 3,
            at_most=FLAT,
            counts={f"quarter {number + 1} MB": round(peak) for number, peak in enumerate(over)},
        ),
    ]


def _peaks(site: sites.Site, pid: int, outputs: int) -> list[int]:
    """Return the peak memory in KB within each quarter of the outputs."""
    peaks = []
    ends = time.monotonic() + 60 + 4 * outputs
    while len(peaks) < 4:
        assert time.monotonic() < ends, f"{sites.progress(site)}\n{site.log()}"
        now = sites.progress(site)
        is_last = len(peaks) == 3
        done = now.stored == outputs and not now.requests_left and not now.flips_left
        if done or (not is_last and now.stored >= outputs * (len(peaks) + 1) // 4):
            peaks.append(sites.status(pid, "VmHWM"))
            _forget_peak(pid)
        time.sleep(0.1)
    return peaks


def _forget_peak(pid: int) -> None:
    """Reset the kernel's peak to the memory that the process has now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
