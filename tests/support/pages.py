"""Templates that show images, for the benchmarks that compare one rendition filter with another."""

import gc
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from unittest.mock import patch

from django.core.cache.backends.base import BaseCache
from django.core.management import call_command
from django.db import connection
from django.template import Context, Template
from django.test.utils import CaptureQueriesContext
from wagtail.images import get_image_model
from wagtail.models import Collection

from .measuring import Spread, Times, in_turns


class Page(NamedTuple):
    """A page's template; all of its slots have the same shape."""

    name: str
    template: str
    images: int
    specs: int

    def compiled(self, operation: str) -> Template:
        return Template("{% load wagtailimages_tags %}" + self.template.replace("OP", operation))

    def spec_names(self, operation: str) -> list[str]:
        (spec,) = re.findall(r"OP-\d+x\d+", self.template)
        return [spec.replace("OP", operation)]


IMAGE = Page("`{% image %}`", "{% image images.0 OP-400x300 %}", 1, 1)
PICTURE = Page(
    "`{% picture %}` with 6 specs",
    "{% picture images.0 format-{webp,jpeg} OP-{400x300,320x240,200x150} %}",
    1,
    6,
)
LISTING = Page(
    "A listing of 30 images",
    "{% for each in images %}{% image each OP-320x240 %}{% endfor %}",
    30,
    1,
)
SHAPE = "400x300"


class Costs(NamedTuple):
    queries: int
    cache_reads: int


def make_tables() -> None:
    call_command("migrate", verbosity=0, run_syncdb=True)
    Collection.add_root(name="Root")
    gc.freeze()


def loaded(keys: list[Any], *prefetched: str) -> list[Any]:
    """Load the images as a view does, so that no instance has cached anything yet."""
    images = get_image_model().objects.filter(pk__in=keys).order_by("pk")
    if prefetched:
        images = images.prefetch_renditions(*prefetched)
    return list(images)


def rendered(template: Template, images: list[Any]) -> str:
    return template.render(Context({"images": images}))


def costs(job: Callable[[], object]) -> Costs:
    """Count the queries, and the keys read from any cache."""
    with _cache_reads() as reads, CaptureQueriesContext(connection) as queries:
        job()
    return Costs(len(queries), len(reads))


@contextmanager
def _cache_reads() -> Iterator[list[str]]:
    reads: list[str] = []
    with _listening(reads):
        yield reads


@contextmanager
def _listening(reads: list[str]) -> Iterator[None]:
    backend = type(get_image_model().get_rendition_model().cache_backend)
    get, get_many = backend.get, backend.get_many

    def recorded_get(self: BaseCache, key: str, *args: Any, **kwargs: Any) -> Any:
        reads.append(key)
        return get(self, key, *args, **kwargs)

    def recorded_get_many(self: BaseCache, keys: Any, *args: Any, **kwargs: Any) -> Any:
        keys = list(keys)
        before = len(reads)
        found = get_many(self, keys, *args, **kwargs)
        # The base class calls `get` for one key after the other.
        del reads[before:]
        reads.extend(keys)
        return found

    with (
        patch.object(backend, "get", recorded_get),
        patch.object(backend, "get_many", recorded_get_many),
    ):
        yield


class Compared(NamedTuple):
    ratio: Spread
    times: Times
    ours: Costs
    theirs: Costs


def compare(
    page: Page,
    keys: list[Any],
    rounds: int,
    clock: Callable[[], float],
    *,
    ours: str = "smartresize",
    prefetch: bool = False,
    before: Callable[[], object] = lambda: None,
    views: int | None = None,
) -> Compared:
    """Compare the page with our filter to the same with `fill`; its images are loaded
    beforehand."""
    views = views or max(1, 60 // (page.images * page.specs))
    operations = {"ours": ours, "fill": "fill"}
    templates = {name: page.compiled(each) for name, each in operations.items()}
    waiting: list[list[Any]] = []

    def prepare(name: str) -> None:
        wanted = page.spec_names(operations[name]) if prefetch else []
        waiting[:] = [loaded(keys[: page.images], *wanted) for _ in range(views)]
        before()

    def job(name: str) -> Callable[[], None]:
        def show() -> None:
            for images in waiting:
                rendered(templates[name], images)

        return show

    jobs = {name: job(name) for name in operations}
    times = in_turns(jobs, rounds, prepare=prepare, clock=clock)
    counted = {}
    for name in operations:
        prepare(name)
        del waiting[1:]
        counted[name] = costs(jobs[name])
    ratio = times.ratio("ours", to="fill")
    return Compared(ratio, times, counted["ours"], counted["fill"])
