"""Reads the tables and files as plain data."""

import re
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import Sum
from wagtail.images import get_image_model
from wagtail.models import ModelLogEntry

from suites.races import pictures
from suites.races.race_process import view_page
from wagtail_smart_resize.editorial import audit
from wagtail_smart_resize.models import (
    BudgetPeriod,
    Candidate,
    GatewayRequest,
    ImageVersion,
    Recomposition,
)
from wagtail_smart_resize.renditions import published, published_cache

#: The ledger's value for a request that bought nothing.
NOT_CHARGED = GatewayRequest.Charged.NO
#: Matches the file of a prepared rendition: Wagtail's own names have no such part.
PREPARED = re.compile(r"\.[0-9a-f]{12}\.")


def bought() -> int:
    """Return how many outputs were bought according to the ledger."""
    charged = GatewayRequest.objects.exclude(charged=NOT_CHARGED)
    return charged.aggregate(outputs=Sum("outputs_asked"))["outputs"] or 0


def spent() -> dict[str, int]:
    return dict(BudgetPeriod.objects.values_list("period", "outputs"))


def final() -> dict[str, Any]:
    published_cache.process_cache.reset()
    return {
        "requests": list(
            GatewayRequest.objects.order_by("pk").values(
                "pk",
                "image_id",
                "recipe",
                "source_hash",
                "request_id",
                "status",
                "charged",
                "outputs_asked",
                "outputs_received",
                "error_code",
                "by_person",
                "batch",
                "images_per_size",
            )
        ),
        "rows": [_row(row) for row in Recomposition.objects.select_related("live")],
        "pages": [_page(version) for version in ImageVersion.objects.select_related("image")],
        "files": _files(),
        "left": {
            "unfinished": GatewayRequest.objects.unfinished().count(),
            "wanted": Recomposition.objects.wanted().count(),
            "undoable": Recomposition.objects.exclude(takes_effect_at=None).count(),
            "flips": ImageVersion.objects.exclude(publish_due_at=None).count(),
            "purges": ImageVersion.objects.exclude(purge_due_at=None).count(),
            "unstored": Candidate.objects.filter(stored=False).count(),
        },
    }


def _row(row: Recomposition) -> dict[str, Any]:
    return {
        "pk": row.pk,
        "image": row.image_id,
        "shape": str(row.shape),
        "recipe": row.recipe,
        "purchase": row.purchase,
        "decision": row.decision,
        "decided_by": row.decided_by_id,
        "live": row.live_id,
        "candidates": [candidate.pk for candidate in row.candidates.all()],
        "last_decision": _last_decision(row),
        "awaits_a_person": _awaits_a_person(row),
    }


def _awaits_a_person(row: Recomposition) -> bool:
    """Return whether somebody asked for its candidates, and nobody has decided on them yet."""
    asked = row.candidates.filter(request__by_person=True).exists()
    return asked and row.awaiting_review_since is not None


def _last_decision(row: Recomposition) -> list[Any] | None:
    """Return the last choice in the audit log that was not undone.

    That is ["candidate", 7, user] or ["crop", None, user]. The log's entries are written under the
    image's lock, so their order is that of the choices.
    """
    entries = ModelLogEntry.objects.filter(object_id=str(row.image_id))
    ours = entries.filter(action__in=[audit.CHOOSE, audit.DECLINE, audit.UNDO]).order_by("pk")
    standing: list[list[Any]] = []
    for entry in ours:
        if not set(entry.data["sizes"]) & set(row.slots):
            continue
        if entry.action == audit.UNDO:
            standing.pop()
        else:
            candidate = entry.data.get("candidate")
            standing.append(["candidate" if candidate else "crop", candidate, entry.user_id])
    return standing[-1] if standing else None


def _page(version: ImageVersion) -> dict[str, Any]:
    """Return what the image's page shows, and what its version says that it should show."""
    image = version.image
    entries = [published.PublishedEntry.from_json(stored) for stored in version.live]
    said = published.PublishedState(entries, image.file_hash)
    shown = []
    for file, picture in zip(view_page(image.pk), pictures.SHOWN, strict=True):
        entry = said.entry(picture.shape, picture.recipe)
        shows = pictures.shows(file, image.pk)
        shown.append({"says": entry.file if entry else None, "shows": shows})
    return {"image": image.pk, "hash": version.source_hash == image.file_hash, "shown": shown}


def _files() -> dict[str, list[str]]:
    """Return files without a row, and rows without their file.

    Where two visitors make the same crop at once, Wagtail leaves the file of the second one, with
    `fill` as well: these are listed apart from ours.
    """
    root = Path(settings.MEDIA_ROOT)
    there = {str(file.relative_to(root)) for file in root.rglob("*") if file.is_file()}
    image_model = get_image_model()
    sources = image_model.objects.values_list("file", flat=True)
    renditions = image_model.get_rendition_model().objects.values_list("file", flat=True)
    candidates = Candidate.objects.values_list("file", flat=True)
    named = {*sources, *renditions, *candidates}
    unreferenced = sorted(there - named)
    ours = [
        name for name in unreferenced if name.startswith("smart_resize/") or PREPARED.search(name)
    ]
    return {
        "unreferenced": ours,
        "unreferenced_by_wagtail": [name for name in unreferenced if name not in ours],
        "missing": sorted(named - there),
    }
