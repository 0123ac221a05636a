"""What a run has brought, what waits, and what stands in the way of the rest."""

import datetime as dt
from dataclasses import dataclass

from django.db.models import Count

from wagtail_smart_resize.models import Candidate, ImageVersion, Recomposition

from . import pipeline_health
from .lost_files import damaged_versions
from .states import WAITING_REASONS


@dataclass(frozen=True)
class Summary:
    bought: int
    """Number of pictures that were stored."""
    live: int
    """Number of images of which visitors see something else."""
    awaiting_review: int
    waiting: dict[str, int]
    """Number of shapes by the code of what they wait for; "" for their turn."""
    unknown: int
    """Number of shapes of which nobody knows whether they were bought."""
    unreadable: int
    """Number of images of which a live picture can't be read."""
    obstacles: tuple[pipeline_health.Notice, ...]
    """What a person, or the service, has to end."""

    @property
    def needs_somebody(self) -> bool:
        return bool(self.unknown or self.unreadable or self.obstacles)

    @property
    def is_done(self) -> bool:
        """Return whether nothing at all is left to do."""
        return not (self.needs_somebody or self.awaiting_review or self.waiting)


def since(started: dt.datetime) -> Summary:
    """Return what was brought since `started`, by this process or others, and what is left."""
    rows = Recomposition.objects.current()
    undecided = rows.wanted().undecided()
    counted = undecided.filter(waiting_reason__in=["", *WAITING_REASONS]).values_list(
        "waiting_reason"
    )
    waiting = dict(counted.annotate(count=Count("pk")).order_by("waiting_reason"))
    return Summary(
        bought=Candidate.objects.filter(stored=True, created_at__gte=started).count(),
        live=ImageVersion.objects.filter(published_at__gte=started).count(),
        awaiting_review=rows.awaiting_review().count(),
        waiting=waiting,
        unknown=rows.filter(purchase=Recomposition.Purchase.FAILED, failure_code="unknown").count(),
        unreadable=damaged_versions().count(),
        obstacles=tuple(_obstacles(bool(waiting))),
    )


def _obstacles(something_waits: bool) -> list[pipeline_health.Notice]:
    found = pipeline_health.check().notices
    # Without a key nothing is bought, which matters where something is to be.
    return [
        each
        for each in found
        if each.status in {"critical", "warning"} and (each.code != "no_key" or something_waits)
    ]
