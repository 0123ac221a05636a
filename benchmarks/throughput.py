"""Times many recompositions beside the least that any program needs.

That is the gateway's own time, once, and for each picture: decoding it once, to see that it is
whole and to cut it to size, storing it, encoding what was cut out, and storing that. It is measured
in the same run, on as many threads as a worker has. A second row adds
drawing the source for the service, which is no result but must be done as well. The rest is the
cost of the pipeline: its queries, its calls of the gateway, its waiting.
"""

import io
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import django

django.setup()

from PIL import Image  # noqa: E402
from suites.engines.setups import filled_site  # noqa: E402
from suites.servers.harness import Site  # noqa: E402

from wagtail_smart_resize.core.sizes import Size, request_size, shape_of  # noqa: E402
from wagtail_smart_resize.imaging import decoding  # noqa: E402
from wagtail_smart_resize.imaging.cutting import cut  # noqa: E402
from wagtail_smart_resize.purchasing import source_image  # noqa: E402
from wagtail_smart_resize.renditions import encoding  # noqa: E402
from wagtail_smart_resize.runners import loop  # noqa: E402

from . import gateway, sites  # noqa: E402
from .rows import Row  # noqa: E402

WORKERS = (1, 2)
SLOT = Size(1200, 630)
SOURCE = Size(1600, 1000)


def measure(directory: Path, quick: bool) -> list[Row]:
    count, latency = (40, 2.0) if quick else (500, 10.0)
    settings = sites.with_settings(MAX_IN_FLIGHT=1000, OUTPUT_FORMAT="webp")
    with (
        sites.database(directory) as (kind, database),
        gateway.running(latency) as url,
        # Images of its own for each number of workers: nothing is bought twice.
        filled_site(
            directory,
            database,
            url,
            count * len(WORKERS),
            settings=settings,
            SERVERS_RUNNER="off",
        ) as site,
    ):
        site.serve("gunicorn sync", "--workers=1")
        runs = {
            workers: _run(site, workers, 1 + number * count, count)
            for number, workers in enumerate(WORKERS)
        }
    few = max(16, count // 10)
    each = _seconds(_Alone(directory, SLOT), few)
    drawing = _seconds(_Drawing(*SOURCE), few)
    limit = latency + count * each
    rows = [
        Row(
            f"{count} recompositions by one worker, beside the limit",
            *[runs[1].seconds / limit] * 3,
            at_most=1.25,
            counts={
                "at the gateway at once": runs[1].most_waiting,
                "threads meanwhile": runs[1].threads,
            },
            note=(
                f"{runs[1].seconds:.0f} s on {kind}; the limit is {limit:.0f} s: {latency:g} s of "
                f"the gateway's and {each * 1000:.0f} ms for each picture on "
                f"{loop.WORKERS} threads"
            ),
        ),
        Row(
            "The same beside a limit that has the drawing of the sources in it",
            *[runs[1].seconds / (limit + count * drawing)] * 3,
            note=f"{drawing * 1000:.0f} ms for each, of {SOURCE[0]}x{SOURCE[1]} pixels",
        ),
    ]
    two = runs[2].seconds
    note = f"{two:.0f} s"
    rows.append(Row("The same by 2 workers, beside one", *[two / runs[1].seconds] * 3, note=note))
    return rows


class _Run(NamedTuple):
    seconds: float
    """From the first request that was written to the last picture that went live."""
    most_waiting: int
    threads: int
    """The largest number of a worker's threads while at least half of the maximum was waiting."""


def _run(site: Site, workers: int, first: int, count: int) -> _Run:
    """Start the workers once so many images are wanted, from the first on; return the figures."""
    [(before,)] = site.sql("SELECT coalesce(max(id), 0) FROM wagtail_smart_resize_gatewayrequest")
    sites.want(site, first + count - 1, [f"format-jpeg smartresize-{SLOT}"], first=first)
    # Wait until all demand is due.
    time.sleep(2.5)
    processes = [
        site.start("django", "smart_resize_worker", role=f"worker {number}")
        for number in range(workers)
    ]
    seen: list[tuple[int, int]] = []
    ends = time.monotonic() + 120 + 3 * count
    while True:
        now = sites.progress(site, before)
        if now.stored == count and not now.requests_left and not now.flips_left:
            break
        assert time.monotonic() < ends, f"{now}\n{site.log()}"
        threads = max(sites.status(process.pid, "Threads") for process in processes)
        seen.append((now.waiting, threads))
        time.sleep(0.25)
    took = time.time() - now.began
    for process in processes:
        site.end(process)
    most = max(waiting for waiting, _ in seen)
    return _Run(took, most, max(threads for waiting, threads in seen if waiting >= most / 2))


def _seconds(work: Callable[[int], object], count: int) -> float:
    """Return the seconds for each of `count` calls, on as many threads as a worker has."""
    with ThreadPoolExecutor(loop.WORKERS) as pool:
        list(pool.map(work, range(loop.WORKERS)))
        began = time.perf_counter()
        list(pool.map(work, range(count)))
        return (time.perf_counter() - began) / count


class _Alone:
    """The work on one output's pixels and files, and nothing else."""

    def __init__(self, directory: Path, size: Size) -> None:
        self._directory = directory
        self._size = size
        asked = request_size(shape_of(*size))
        self._content = gateway.drawn(*asked, "webp")

    def __call__(self, number: int) -> None:
        """Check that it is whole and cut it to size, store it, encode and store the cut."""
        cuts: list[Image.Image] = []
        checked = decoding.decode(
            self._content, look=lambda picture: cuts.append(cut(picture, self._size))
        )
        candidate = self._directory / f"candidate-{number}.webp"
        candidate.write_bytes(checked.content)
        rendition = io.BytesIO()
        wagtails = {"quality": 76, "progressive": True, "optimize": True}
        cuts[0].save(rendition, "JPEG", **encoding.with_less_work("JPEG", wagtails))
        candidate.with_suffix(".jpg").write_bytes(rendition.getvalue())


class _Drawing:
    """The site's work when the service fetches a picture as `suites.engines.fill` stores it."""

    def __init__(self, width: int, height: int) -> None:
        content = io.BytesIO()
        Image.new("RGB", (width, height), "gold").save(content, "PNG")
        self._content = content.getvalue()

    def open_file(self) -> io.BytesIO:
        return io.BytesIO(self._content)

    def __call__(self, number: int) -> None:
        source_image.source_picture(self)
