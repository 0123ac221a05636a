"""The sandbox's gateway in a process of its own, with pictures that are drawn in advance.

Its cost must not count as the site's. `python -m benchmarks.gateway 10` takes 10 seconds for each
job, prints its URL, and ends when its standard input is closed.
"""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from support.paths import PHOTOS, ROOT

from wagtail_smart_resize.sandbox import SandboxGateway, handler, jobs
from wagtail_smart_resize.sandbox.recompose import encode, open_picture, recompose

PHOTO = PHOTOS / "astronaut.png"


@lru_cache
def drawn(width: int, height: int, output_format: str) -> bytes:
    """Return the sandbox's recomposition of the photograph in this size."""
    source = open_picture(PHOTO.read_bytes())
    return encode(recompose(source, (width, height), seed=0, index=0), output_format)


@contextlib.contextmanager
def running(latency: float) -> Iterator[str]:
    """Run such a process and yield its URL."""
    command = [sys.executable, "-m", "benchmarks.gateway", str(latency)]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()


def _make(order: Any, words: frozenset[str], fetch_seconds: float) -> list[jobs.StoredPicture]:
    return [
        jobs.StoredPicture(planned.name, drawn(*planned.made, order.output_format))
        for planned in jobs.plan(order, words)
    ]


def main() -> None:
    # More jobs than the sandbox keeps for a developer.
    handler.KEPT_JOBS = 10_000
    jobs._make = _make
    with SandboxGateway(latency=float(sys.argv[1])) as gateway:
        print(gateway.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
