"""The jobs that run at both sites. Each gets the number of the site's images."""

import io
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

from django.contrib.auth import get_user_model
from django.core.files.base import ContentFile
from django.db import transaction
from django.test import Client
from django.utils import timezone
from support.factories import picture
from wagtail.images import get_image_model

from wagtail_smart_resize.models import Candidate, ImageVersion, Recomposition
from wagtail_smart_resize.publishing import publication
from wagtail_smart_resize.purchasing import claims, demand, schedule
from wagtail_smart_resize.renditions import demand_notes, published_cache

REPORT = "/admin/reports/smart-resize/"
#: Numbers of images with a known state, in sites of every size: see `size_data`.
LIVE, DUE, EDITORS = 59, 99, 50

_sizes = itertools.count(10)
#: What a process knows of each site, and its logged-in clients there.
_memories: defaultdict[int, published_cache.PublishedCache] = defaultdict(
    published_cache.PublishedCache
)
_clients: dict[tuple[int, str], Client] = {}


class _Undo(Exception):
    pass


def _undone(job: Callable[[], Any]) -> None:
    """Roll back what a job writes, so that the next round starts from the same state."""
    try:
        with transaction.atomic():
            job()
            raise _Undo
    except _Undo:
        pass


def want(images: int) -> None:
    """Write demand for a new shape, as a request's end does."""

    def write() -> None:
        demand_notes.note_demand(LIVE, f"{500 + next(_sizes) % 900}x200", "")
        assert demand.write_noted_demand()

    _undone(write)


def due_groups(images: int) -> None:
    assert claims.due_groups(timezone.now(), limit=5)


def claim(images: int) -> None:
    """Claim with the picture's file opened, and with the budget as it is: used up."""
    _stored(DUE)
    _undone(lambda: claims.claim([claims.DueGroup(DUE, "")]))


def refresh(images: int) -> None:
    """Look for flips as a render does after two seconds, with none."""
    memory = _memories[images]
    memory.next_refresh = 0
    memory._current()


def first_refresh(images: int) -> None:
    published_cache.process_cache.reset()
    published_cache.process_cache._current()


def next_due(images: int) -> None:
    schedule.next_step_at()


def publish(images: int) -> None:
    """Make another candidate of one image live: make its four renditions, then flip."""
    _stored(LIVE)

    def flip() -> None:
        row = Recomposition.objects.filter(image_id=LIVE).order_by("pk")[0]
        candidate = Candidate.objects.create(
            recomposition=row,
            file=Candidate.new_name(LIVE, "jpeg"),
            width=320,
            height=180,
            digest="0" * 64,
        )
        candidate.write(picture(320, 180, format="JPEG"))
        row.update_if(where={}, live=candidate)
        ImageVersion.mark_publish_due(LIVE)
        assert publication.publish(LIVE)

    _undone(flip)


def _stored(number: int) -> None:
    """Store the file of an image, where there is none yet."""
    image = get_image_model().objects.get(pk=number)
    if not image.file.storage.exists(image.file.name):
        content = io.BytesIO(picture(image.width, image.height, format="JPEG")).getvalue()
        image.file.storage.save(image.file.name, ContentFile(content))


SMALL: dict[str, Callable[[int], Any]] = {
    "Noting a want": want,
    "What is due to be claimed": due_groups,
    "A claim": claim,
    "The look for news": refresh,
    "When the next step is due": next_due,
    "Publishing an image": publish,
}


# The admin's screens


def screens() -> Iterator[tuple[str, Callable[[int], Any]]]:
    for who, name in (("admin", "a superuser"), ("editor", "an editor of one collection in ten")):
        for what, path in _PATHS.items():
            yield f"{what}, for {name}", _get(who, path)


_PATHS = {
    "The report": "reports/smart-resize/",
    "Its table alone": "reports/smart-resize/results/",
    "The report of failures": "reports/smart-resize/?purchase=failed",
    "The report of a shape": "reports/smart-resize/?shape=shape:1.778",
    "The report of what waits for the budget": "reports/smart-resize/?waiting=budget",
    "The report of what is live": "reports/smart-resize/?live=recomposed",
    "The report of a user": "reports/smart-resize/?user=5",
    "The report searched": "reports/smart-resize/?q=photo+7",
    "The review queue": "reports/smart-resize/review/",
    "An image's screen": f"images/{EDITORS}/smart-resize/",
}


def _get(who: str, path: str) -> Callable[[int], Any]:
    def get(images: int) -> None:
        response = _client(images, who).get(f"/admin/{path}")
        assert response.status_code == 200, response.status_code

    return get


def _client(images: int, who: str) -> Client:
    if (images, who) not in _clients:
        _stored(EDITORS)
        client = _clients[images, who] = Client()
        client.force_login(get_user_model().objects.get(username=who))
    return _clients[images, who]


def export(images: int) -> None:
    """Read the first thousand rows: they are streamed."""
    response = _client(images, "admin").get(REPORT, {"export": "csv"})
    lines = itertools.islice(response.streaming_content, 1000)
    assert sum(1 for _line in lines) > 100
    response.close()
